"""Which neuron a row of a table of explanations is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from neuron_eval.messages import InputError, listed, shown
from neuron_eval.records.ids import fault_of
from neuron_eval.sources.puzzles import puzzle_id

Key = tuple[int, int] | str
"""Layer and neuron, or the sample's id."""

PUZZLES = ("puzzle_name", "puzzle name", "puzzle_id", "puzzle id", "puzzle", "name")
"""Columns that name a puzzle, where there is neither layer and neuron nor an id."""

_UNNAMED = re.compile(r"|unnamed: \d+|__index_level_\d+__")
"""What pandas calls the index that it writes as a column."""

_WHOLE = re.compile(r"[0-9]{1,15}(\.0{0,20})?")
"""A whole number; pandas writes ``5.0`` where another row of the column is empty."""


class TableError(InputError):
    """A table that cannot be used; the message names file, line, field and value."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in a file."""

    where: str
    """File and line, for messages."""

    names: tuple[str, ...]
    """The columns' names."""

    cells: Sequence[object]
    """A cell a column."""


def folded(name: str) -> str:
    """A column's name as names are compared: without outer space, in small letters."""
    return name.strip().lower()


def places_of(record: Record) -> Mapping[str, int]:
    """Where the columns are, by their folded names.

    Raises:
        TableError: Two columns have the same name.
    """
    try:
        return _places(record.names)
    except TableError as error:
        raise TableError(f"{record.where}: {error}") from None


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        plain = folded(name)
        if _UNNAMED.fullmatch(plain):
            continue
        if plain in places:
            both = f"{shown(names[places[plain]])} and {shown(name)}"
            raise TableError(f"columns {both} have the same name, as case does not count")
        places[plain] = place
    return places


def identity_of(places: Mapping[str, int], record: Record, path: str) -> tuple[str, ...]:
    """The columns that say which neuron a row is about.

    Raises:
        TableError: There are none.
    """
    for identity in (("layer", "neuron"), ("id",), *((name,) for name in PUZZLES)):
        if all(name in places for name in identity):
            return identity
    raise TableError(
        f"{path}: no columns 'layer' and 'neuron', and no column 'id' or 'puzzle_name'; "
        f"it has {listed(record.names)}"
    )


def key_of(identity: Sequence[str], places: Mapping[str, int], record: Record) -> Key:
    """The key of a row.

    Args:
        identity: The columns that say which neuron it is about, see `identity_of`.
        places: Where the row's columns are.
        record: The row.

    Raises:
        TableError: A column is missing, or holds no id or number.
    """
    values = list(_values(identity, places, record))
    if len(values) == 1:
        at, value = values[0]
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise TableError(f"{at} is {shown(value)}; expected the id of a sample")
        id_ = (
            puzzle_id(str(value).removeprefix(puzzle_id("")))
            if identity[0] in PUZZLES
            else str(value)
        )
        if fault := fault_of(id_):
            raise TableError(f"{at} is {shown(value)}; expected the id of a sample, but it {fault}")
        return id_
    otherwise = "; leave out layer and neuron to go by id" if "id" in places else ""
    layer, neuron = (_whole(value, at, otherwise) for at, value in values)
    return layer, neuron


def _values(
    identity: Sequence[str], places: Mapping[str, int], record: Record
) -> Iterator[tuple[str, object]]:
    for name in identity:
        if name not in places:
            raise TableError(f"{record.where}: no field {name!r}, which the rows above have")
        place = places[name]
        yield f"{record.where}: field {shown(record.names[place])}", record.cells[place]


def _whole(value: object, at: str, otherwise: str) -> int:
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    text = "" if isinstance(value, bool) else text
    if not _WHOLE.fullmatch(text):
        raise TableError(f"{at} is {shown(value)}; expected a whole number from 0{otherwise}")
    return int(text.partition(".")[0])


def named(key: Key) -> str:
    """The neuron in words, as its row has it."""
    return f"id {shown(key)}" if isinstance(key, str) else f"layer {key[0]}, neuron {key[1]}"
