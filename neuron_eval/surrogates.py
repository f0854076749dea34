"""Half characters, which no file can hold: JSON's escapes can spell them, UTF-8 cannot."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")

REPLACEMENT = "\ufffd"
"""What stands for a half character: U+FFFD, as decoders write it for bytes that are no text."""


def replace_surrogates(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD; of the same length, in characters.

    One of them anywhere in a log stops Inspect's writer, and with it the whole eval.
    """
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)
