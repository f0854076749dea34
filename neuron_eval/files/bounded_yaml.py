"""Reading YAML that may be made to hurt: size, depth, aliases and numbers have bounds."""

from __future__ import annotations

import codecs
from collections.abc import Hashable
from typing import Any

import yaml

from neuron_eval.messages import TOLD, InputError, replace_surrogates, shortened, shown

FILE = 2**21
"""The most bytes of a file."""

DEPTH = 50
"""How deep lists and mappings may be nested."""

BORROWED = 2**20
"""How much aliases may stand for, in characters and values."""

_NUMBER = 200
"""The longest text that can be a number or a date."""

_TEXT = "tag:yaml.org,2002:str"


def load_yaml(content: bytes | str) -> Any:
    """The value of a YAML document; half characters in texts become U+FFFD.

    Args:
        content: UTF-8 (or UTF-16 with a byte order mark), or text.

    Raises:
        ValueError: It is not YAML, larger or deeper than the bounds, its aliases grow, a key
            stands twice in a mapping, or a number or date does not exist; the message is
            one short line with line and column, before which the caller puts the file.
    """
    if len(content) > FILE:
        raise InputError(f"is larger than {FILE:,} bytes, the most that is read of YAML")
    try:
        return _mended(yaml.load(content, _Loader))  # a SafeLoader
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        said = " ".join(_with_place(error, content).split())
        raise InputError(f"not valid YAML: {shortened(said, TOLD)}") from error


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
                said = f"the key {shown(key.value)} stands twice in one mapping"
                raise _fault(said, key.start_mark)
            seen.add((key.tag, key.value))


def _fault(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _with_place(error: Exception, content: bytes | str) -> str:
    """What an error says, with lines and columns from 1, without PyYAML's excerpts."""
    if isinstance(error, yaml.MarkedYAMLError):
        parts = ((error.context, error.context_mark), (error.problem, error.problem_mark))
        return ", ".join(_placed(said, mark) for said, mark in parts if said)
    if isinstance(error, yaml.reader.ReaderError):
        said = str(error).partition("\n")[0]
        before = _before(error, content).removeprefix("\ufeff")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f"{said} (line {line}, column {column})"
    return str(error)


def _placed(said: str, mark: yaml.Mark | None) -> str:
    said = shortened(said, TOLD // 2)
    return said if mark is None else f"{said} (line {mark.line + 1}, column {mark.column + 1})"


def _before(error: yaml.reader.ReaderError, content: bytes | str) -> str:
    """The text before a character that is refused."""
    if isinstance(content, str):
        return content[: error.position]
    if error.encoding != "unicode":  # what cannot be decoded; then PyYAML counts bytes
        return content[: error.position].decode(error.encoding, "replace")
    wide = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    return content.decode(wide.get(content[:2], "utf-8"), "replace")[: error.position]


def _mended(data: Any) -> Any:
    """The data with half characters replaced in every text."""
    if isinstance(data, str):
        return replace_surrogates(data)
    if isinstance(data, list):
        return [_mended(item) for item in data]
    if isinstance(data, dict):
        return {_mended(key): _mended(value) for key, value in data.items()}
    return data
