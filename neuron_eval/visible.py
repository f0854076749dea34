"""Text that models and data wrote, with everything that has no shape written out."""

from __future__ import annotations

import json
import unicodedata

_KEPT = {" ", "\xa0", "\u3000", "\u200c", "\u200d"}
"""Spaces, and the joiners that some scripts and emoji are spelled with."""

_SIGNS = {"\n": "⏎", "\t": "⇥", "\r": "␍"}


def visible(text: str) -> str:
    """A text with newline, control and bidirectional characters as visible signs.

    Nothing that is left can reorder, hide or break what stands around it, and every text can be
    written as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_sign(c) for c in text)


def visible_lines(text: str) -> str:
    """The same for a text of several lines, which keeps its newlines."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(visible(line) for line in lines)


def _sign(c: str) -> str:
    if c in _SIGNS:
        return _SIGNS[c]
    if c in _KEPT or unicodedata.category(c)[0] not in "CZ":
        return c
    return f"⟨U+{ord(c):04X}⟩"


def script_json(data: object) -> str:
    """JSON that cannot end the script element which it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
