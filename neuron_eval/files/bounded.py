"""Reading files that may be made to hurt: lines and files have a longest length, JSON a depth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, AnyStr

from neuron_eval.messages import InputError, shown

LINE = 2**26
"""The longest line of a file, in bytes or, of a decoded one, in characters."""

FILE = 2**29
"""The most bytes of a file that is read whole."""

Pairs = list[tuple[str, Any]]


class TooLong(InputError):
    """A line or a file is longer than what is read; the message says what the bound is."""


def lines(file: IO[AnyStr], name: str, limit: int = LINE) -> Iterator[tuple[int, AnyStr]]:
    """The lines of a file, with their numbers from 1; no more than one is in memory.

    Args:
        file: Opened for reading, from where lines are counted.
        name: What it is called, for the message.
        limit: The longest line, with its end.

    Raises:
        TooLong: A line is longer; names the line.
    """
    number = 1
    while line := file.readline(limit + 1):
        if len(line) > limit:
            kind = "characters" if isinstance(line, str) else "bytes"
            raise TooLong(
                f"{name}, line {number}: is longer than {limit:,} {kind}, the most that a line "
                "may have"
            )
        yield number, line
        number += 1


def read_whole(path: Path, limit: int = FILE) -> bytes:
    """A file's content.

    Raises:
        TooLong: It is larger than the limit.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLong(f"{path}: is larger than {limit:,} bytes, the most that is read of it")
    return content


def not_utf8(file: IO[bytes], name: str, limit: int = LINE) -> str:
    """Where a file is no UTF-8, which a decoder that reads ahead does not know.

    Args:
        file: Opened for reading, at its beginning.
        name: What it is called.
        limit: See `lines`.

    Returns:
        A message that names the line and the byte.
    """
    try:
        for number, line in lines(file, name, limit):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{name}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8 "
                    f"({error.reason}); save the file in the encoding UTF-8"
                )
    except TooLong as error:
        return str(error)
    return f"{name}: not UTF-8"


def once(pairs: Pairs) -> dict[str, Any]:
    """A JSON object whose keys stand there once.

    Raises:
        ValueError: One stands there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {shown(key)} stands twice in one object")
            seen.add(key)
    return found


def parse_json(content: bytes | str, made: Callable[[Pairs], Any] = once) -> Any:
    """A JSON value. NaN and infinities come as Python's, to be refused where they have no place.

    Args:
        content: UTF-8, with or without a byte order mark, or text.
        made: Makes an object of its keys and values.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        ValueError: It is not JSON, brackets are nested too deeply, a whole number has too many
            digits, or a key stands twice in an object.
    """
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=made)
    except RecursionError:
        raise ValueError("brackets are nested too deeply") from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) or "digits" not in str(error):
            raise
        raise ValueError("a whole number has more than 4,300 digits") from None
