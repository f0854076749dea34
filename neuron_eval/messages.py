"""Text of files, users and models made fit for messages, logs and pages: short, visible, whole.

A value from a file may be a megabyte of text, or a small structure that aliases make a huge one;
its `repr` alone would then fill the memory, or the screen. JSON's escapes can spell half a
character (a lone surrogate), which UTF-8 and so no file can hold.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from itertools import islice
from typing import Any

LIMIT = 120  # at most so many characters of a value go into a message
ITEMS = 12  # at most so many items of a list, or of the names in a message
ERROR = 400  # at most so many characters of another error's message

_DEPTH = 3
_DIGITS = 400  # whole numbers of more bits than four times this are described, not written out


class InputError(ValueError):
    """What a user can mend: a parameter, or a file that it names; the message says how."""


def shown(value: object, limit: int = LIMIT) -> str:
    """The value as `repr` writes it, cut; `reprlib` sorts, and cuts texts in their midst."""
    return shortened(_written(value, limit, _DEPTH), limit)


def shortened(text: str, limit: int = LIMIT) -> str:
    """The text as it is, cut; ``…`` stands for the rest."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def listed(names: Iterable[object], quoted: bool = True) -> str:
    """Names with commas, ``quoted`` as by `repr`; of many the first, and how many more."""
    every = list(names)
    parts = [shown(n) if quoted else shortened(str(n)) for n in every[:ITEMS]]
    more = [f"and {len(every) - ITEMS} more"] if len(every) > ITEMS else []
    return ", ".join(parts + more)


def near_miss(names: Iterable[object], known: Iterable[str]) -> str:
    """To stand behind what is allowed: the known name that is most like the first unknown one."""
    allowed = {name.lower(): name for name in known}
    for name in names:
        if close := get_close_matches(str(name)[:LIMIT].lower(), allowed, n=1):
            return f"; did you mean {allowed[close[0]]}?"
    return ""


def message_of(error: BaseException) -> str:
    return shortened(str(error), ERROR)


def _written(value: object, limit: int, depth: int) -> str:
    if isinstance(value, str | bytes):
        return repr(value[: limit + 1])
    # Python refuses to write numbers of some thousand digits.
    if type(value) is int and value.bit_length() > 4 * _DIGITS:
        return f"a whole number of about {int(value.bit_length() * 0.30103)} digits"
    if isinstance(value, Mapping):
        pairs = _some(value.items(), len(value), limit, depth)
        return f"{{{', '.join(pairs)}}}"
    if value and isinstance(value, list | tuple | set | frozenset):
        items = ", ".join(_some(((item,) for item in value), len(value), limit, depth))
        if isinstance(value, tuple):
            return f"({items}{',' * (len(value) == 1)})"
        return f"[{items}]" if isinstance(value, list) else f"{{{items}}}"
    return repr(value)


def _some(items: Iterable[tuple[object, ...]], size: int, limit: int, depth: int) -> Iterable[str]:
    if size and not depth:
        yield "…"
        return
    length = 0
    for item in islice(items, limit):
        text = ": ".join(_written(part, limit, depth - 1) for part in item)
        yield text
        length += len(text)
        if length > limit:
            return


_SURROGATE = re.compile("[\ud800-\udfff]")

REPLACEMENT = "\ufffd"
"""What stands for a half character: U+FFFD, as decoders write it for bytes that are no text."""


def replace_surrogates(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD; of the same length, in characters.

    One of them anywhere in a log stops Inspect's writer, and with it the whole eval.
    """
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def without_surrogates(value: Any) -> Any:
    """A copy of nested containers and dataclasses with `replace_surrogates` in every text."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list | tuple):
        return type(value)(map(without_surrogates, value))
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **without_surrogates(parts))
    return value


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


def page_policy(style: str, scripts: Sequence[str]) -> str:
    """A page's Content-Security-Policy: its own style and scripts, and no markup from strings."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(map(source, scripts))}; "
        f"style-src {source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def script_json(data: object) -> str:
    """JSON that cannot end the script element which it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
