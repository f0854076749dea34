"""A table of explanations: a row per neuron, a column per way to explain.

The published result files look like this, and so may JSON Lines and Parquet:

    Layer,Neuron,Original,Summary
    0,286,words that compare.,words or phrases that indicate a comparison.

Rows are told apart by ``layer`` and ``neuron``, or by ``id`` (the sample's id) where the file has
no such columns. A file of puzzles has ``puzzle_name`` or ``Puzzle id`` in their place, which is
the id without ``puzzles/``, and perhaps a column of the puzzles' own answers:

    puzzle_name,answer,Original,Summary
    colors,words related to colors and nothing else,color words.,colors.

Column names may be in any case. Texts are kept untrimmed; a blank cell is no explanation.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePath

from neuron_eval.messages import InputError, listed, near_miss, replace_surrogates, shown
from neuron_eval.records.checks import fault_of
from neuron_eval.sources.puzzles import puzzle_id

Key = tuple[int, int] | str  # layer and neuron, or the sample's id

PUZZLES = ("puzzle_name", "puzzle name", "puzzle_id", "puzzle id", "puzzle", "name")
"""Columns that name a puzzle, where there is neither layer and neuron nor an id."""

NOT_EXPLANATIONS = {
    *("layer", "neuron", "id", "index", "score", "explainer", "model", "group", "source"),
    *("subject", "run", "format", "simulator", "simulation", "embedder", "unscored", "log"),
}
"""Columns that say something else. Those without a name or without any text are none either."""

ANSWERS = ("answer", "gt explanation", "ground truth")
"""Columns of a puzzle's own explanation, in a file of puzzles: the reference of every other."""

_UNNAMED = re.compile(r"|unnamed: \d+|__index_level_\d+__")
"""What pandas calls the index that it writes as a column."""

_INTEGER = re.compile(r"[0-9]{1,15}(\.0{0,20})?")
"""A whole number; pandas writes ``5.0`` where another row of the column is empty."""


class TableError(InputError):
    """A table that cannot be used; the message names file, line, field and value."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row as it stands in a file."""

    where: str  # file and line, for messages
    names: tuple[str, ...]
    cells: Sequence[object]  # one a name


@dataclass(frozen=True, slots=True)
class ExplanationTable:
    """Explanations of neurons, from one file; see `make_table`."""

    path: str  # as the user wrote it
    sha256: str
    columns: tuple[str, ...]  # those that hold explanations, in the file's order and spelling
    keys: tuple[Key, ...]  # the rows' neurons, in the file's order, each once
    texts: Mapping[str, Mapping[Key, str]]  # by column, the explanations that were given
    answers: Mapping[Key, str] = field(default_factory=dict)  # puzzles' own explanations
    layers: Mapping[Key, str] = field(default_factory=dict)  # of a file that has a column of them

    @property
    def name(self) -> str:
        return PurePath(self.path).name

    @property
    def by_id(self) -> bool:
        """Whether rows are told apart by the sample's id, not by layer and neuron."""
        return isinstance(self.keys[0], str)

    def key(self, id_: str, layer: int, neuron: int) -> Key:
        """The key that a neuron's row has, if it has one."""
        return id_ if self.by_id else (layer, neuron)

    def column(self, wanted: str | None) -> str:
        """The column that the user means, as the file spells it, in any case; None: the only."""
        known = listed(self.columns, quoted=False)
        if wanted is None:
            if len(self.columns) != 1:
                raise TableError(f"{self.path}: name one of the columns of explanations: {known}")
            return self.columns[0]
        for name in self.columns:
            if folded(name) == folded(wanted):
                return name
        raise TableError(
            f"{self.path}: no explanations in a column {shown(wanted)}; there are: {known}"
            f"{near_miss([wanted], self.columns)}"
        )


def make_table(path: str, sha256: str, rows: Iterable[TableRow]) -> ExplanationTable:
    """Check the rows of a file and put them together; a `TableError` says what is wrong."""
    lines: dict[Key, str] = {}
    columns: dict[str, _Column] = {}
    identity: tuple[str, ...] = ()
    for row in rows:
        try:
            places = _places(row.names)
        except TableError as error:
            raise TableError(f"{row.where}: {error}") from None
        identity = identity or _identity(places, row, path)
        key = _key(identity, places, row)
        if key in lines:
            raise TableError(f"{row.where}: {named(key)} stands on {lines[key]} too")
        lines[key] = row.where.removeprefix(f"{path}, ")
        for name, place in places.items():
            column = columns.setdefault(name, _Column(row.names[place]))
            column.add(key, row.cells[place], row.where)
    if not lines:
        raise TableError(f"{path}: no rows; expected one per neuron")
    of_puzzles = identity[0] in PUZZLES
    aside = NOT_EXPLANATIONS.union(PUZZLES + ANSWERS if of_puzzles else ())
    texts = {column.name: column.texts for column in columns.values() if column.explains(aside)}
    if not texts:
        names = listed((column.name for column in columns.values()), quoted=False)
        raise TableError(f"{path}: no column of explanations; it has {names}; they are texts")
    known = (columns[name].texts for name in ANSWERS if of_puzzles and name in columns)
    own = (next(known, {}), columns["layer"].texts if "layer" in columns else {})
    return ExplanationTable(path, sha256, tuple(texts), tuple(lines), texts, *own)


def folded(name: str) -> str:
    """A column's name as names are compared: without outer space, in small letters."""
    return name.strip().lower()


def named(key: Key) -> str:
    """The neuron in words, as its row has it."""
    return f"id {shown(key)}" if isinstance(key, str) else f"layer {key[0]}, neuron {key[1]}"


@dataclass(slots=True)
class _Column:
    """A column while it is read; ``no_text`` is its first cell that holds something else."""

    name: str
    texts: dict[Key, str] = field(default_factory=dict)
    no_text: tuple[str, object] | None = None

    def add(self, key: Key, cell: object, where: str) -> None:
        if isinstance(cell, str):
            if cell.strip():
                self.texts[key] = replace_surrogates(cell)
        elif cell is not None and self.no_text is None:
            self.no_text = (where, cell)

    def explains(self, aside: Collection[str]) -> bool:
        """Whether it holds explanations; one that holds them and other things is bad."""
        if folded(self.name) in aside or all(map(_number, self.texts.values())):
            return False
        if self.no_text is not None:
            where, value = self.no_text
            at = f"{where}: field {shown(self.name)}"
            raise TableError(f"{at} is {shown(value)}; expected a text, or nothing")
        return True


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    """Where the columns are, by their folded names."""
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


def _identity(places: Mapping[str, int], row: TableRow, path: str) -> tuple[str, ...]:
    """The columns that say which neuron a row is about.

    A table of neurons that are not part of a network may have layer and neuron, and leave them
    empty.
    """
    for identity in (("layer", "neuron"), ("id",), *((name,) for name in PUZZLES)):
        if all(name in places for name in identity):
            empty = any(row.cells[places[name]] in (None, "") for name in identity)
            if not (empty and "id" in places):
                return identity
    raise TableError(
        f"{path}: no columns 'layer' and 'neuron', and no column 'id' or 'puzzle_name'; "
        f"it has {listed(row.names)}"
    )


def _key(identity: Sequence[str], places: Mapping[str, int], row: TableRow) -> Key:
    """The key of a row, from the columns that say which neuron it is about."""
    values: list[tuple[str, object]] = []
    for name in identity:
        if name not in places:
            raise TableError(f"{row.where}: no field {name!r}, which the rows above have")
        place = places[name]
        values.append((f"{row.where}: field {shown(row.names[place])}", row.cells[place]))
    if len(values) == 1:
        at, value = values[0]
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise TableError(f"{at} is {shown(value)}; expected the id of a sample")
        id_ = str(value)
        if identity[0] in PUZZLES:
            id_ = puzzle_id(id_.removeprefix(puzzle_id("")))
        if fault := fault_of(id_):
            raise TableError(f"{at} is {shown(value)}; expected the id of a sample, but it {fault}")
        return id_
    otherwise = "; leave out layer and neuron to go by id" if "id" in places else ""
    layer, neuron = (_integer(value, at, otherwise) for at, value in values)
    return layer, neuron


def _integer(value: object, at: str, otherwise: str) -> int:
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if isinstance(value, bool) or not _INTEGER.fullmatch(text):
        raise TableError(f"{at} is {shown(value)}; expected a whole number from 0{otherwise}")
    return int(text.partition(".")[0])
