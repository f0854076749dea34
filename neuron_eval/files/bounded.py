"""Reading files that may be made to hurt: size, depth, aliases and numbers have bounds."""

import codecs
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import IO, Any, AnyStr

import yaml

from neuron_eval.messages import ERROR, InputError, shortened, shown, without_surrogates

LINE = 2**26  # the longest line of a file, in bytes or, of a decoded one, in characters
FILE = 2**29  # the most bytes of a file that is read whole
Pairs = list[tuple[str, Any]]


class TooLong(InputError):
    """A line or a file is longer than what is read; the message says what the bound is."""


def lines(file: IO[AnyStr], name: str, limit: int = LINE) -> Iterator[tuple[int, AnyStr]]:
    """The lines of a file with their numbers from 1; only one is in memory."""
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
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLong(f"{path}: is larger than {limit:,} bytes, the most that is read of it")
    return content


def not_utf8(file: IO[bytes], name: str) -> str:
    """A message with the line and byte where a file, at its beginning, is no UTF-8."""
    try:
        for number, line in lines(file, name):
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
    """A JSON object; a key that stands there twice is a ValueError."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(key)} stands twice in one object")
    return unique


def parse_json(content: bytes | str, made: Callable[[Pairs], Any] = once) -> Any:
    """A JSON value. NaN and infinities come as Python's, to be refused where they have no place.

    Raises:
        ValueError: It is not UTF-8 (then a UnicodeDecodeError), not JSON, nested too deeply, or has
            a whole number of too many digits, or a key twice in an object.
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


# Of YAML: the most bytes of a file, how deep it may be nested, how much aliases may stand for (in
# characters and values), and the longest text that can be a number or a date.
YAML_FILE = 2**21
DEPTH = 50
BORROWED = 2**20
_NUMBER = 200
_TEXT = "tag:yaml.org,2002:str"


def load_yaml(content: bytes | str) -> Any:
    """The value of a YAML document; half characters in texts become U+FFFD.

    Raises:
        InputError: It is not YAML, larger or deeper than the bounds, or has what does not exist or
            grows; one short line with line and column, before which the caller puts the file.
    """
    if len(content) > YAML_FILE:
        raise InputError(f"is larger than {YAML_FILE:,} bytes, the most that is read of YAML")
    try:
        return without_surrogates(yaml.load(content, _Loader))  # a SafeLoader
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        message = " ".join(_with_place(error, content).split())
        raise InputError(f"not valid YAML: {shortened(message, ERROR)}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which stops where a document grows beyond the bounds."""

    def __init__(self, stream: bytes | str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._size = 0
        self._borrowed = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        before = self._size
        self._depth += 1
        if self._depth > DEPTH:
            raise _fault(f"lists and mappings are nested more than {DEPTH} deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias:
            self._borrow(node, mark)
            return node
        self._size += 1
        if isinstance(node, yaml.ScalarNode):
            self._size += len(node.value)
            if len(node.value) > _NUMBER:
                node.tag = _TEXT
        elif isinstance(node, yaml.MappingNode):
            _refuse_twice(node)
        self._sizes[id(node)] = self._size - before
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except AttributeError as error:  # what is tagged as a date and does not look like one
            raise _fault(f"{shown(node.value)} is no {node.tag}", node.start_mark) from error
        except (ValueError, ArithmeticError, LookupError, TypeError) as error:
            raise _fault(str(error), node.start_mark) from error

    def _borrow(self, node: Any, mark: Any) -> None:
        if id(node) not in self._sizes:
            raise _fault("an alias stands within what it names", mark)
        self._size += self._sizes[id(node)]
        self._borrowed += self._sizes[id(node)]
        if self._borrowed > BORROWED:
            raise _fault(
                f"aliases grow: together they stand for more than {BORROWED:,} characters", mark
            )


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                twice = f"the key {shown(key.value)} stands twice in one mapping"
                raise _fault(twice, key.start_mark)
            seen.add((key.tag, key.value))


def _fault(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _with_place(error: Exception, content: bytes | str) -> str:
    """What an error says, with lines and columns from 1, without PyYAML's excerpts."""
    if isinstance(error, yaml.MarkedYAMLError):
        parts = ((error.context, error.context_mark), (error.problem, error.problem_mark))
        return ", ".join(_placed(text, mark) for text, mark in parts if text)
    if isinstance(error, yaml.reader.ReaderError):
        message = str(error).partition("\n")[0]
        before = _before(error, content).removeprefix("\ufeff")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f"{message} (line {line}, column {column})"
    return str(error)


def _placed(text: str, mark: yaml.Mark | None) -> str:
    text = shortened(text, ERROR // 2)
    return text if mark is None else f"{text} (line {mark.line + 1}, column {mark.column + 1})"


def _before(error: yaml.reader.ReaderError, content: bytes | str) -> str:
    if isinstance(content, str):
        return content[: error.position]
    if error.encoding != "unicode":  # what cannot be decoded; then PyYAML counts bytes
        return content[: error.position].decode(error.encoding, "replace")
    wide = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    return content.decode(wide.get(content[:2], "utf-8"), "replace")[: error.position]
