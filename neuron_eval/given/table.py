"""A table of explanations: a row a neuron, a column a way to explain.

The published result files look like this, and so may JSON Lines and Parquet:

    Layer,Neuron,Original,Summary
    0,286,words that compare.,words or phrases that indicate a comparison.

Rows are told apart by ``layer`` and ``neuron``, or by ``id`` (the sample's id) where the file has
no such columns. A file of puzzles has ``puzzle_name`` or ``Puzzle id`` in their place, which is
the id without ``puzzles/``, and perhaps a column of the puzzles' own answers:

    ,puzzle_name,answer,Original,Summary
    0,colors,words related to colors and nothing else,color words.,colors.

Column names may be written in any case. Texts are kept as written, untrimmed; a
cell that is empty or holds white space only means that no explanation was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from neuron_eval.given.rows import (
    PUZZLES,
    Key,
    Record,
    TableError,
    folded,
    identity_of,
    key_of,
    named,
    places_of,
)
from neuron_eval.messages import listed, replace_surrogates, shown

NOT_EXPLANATIONS = frozenset(
    ("layer", "neuron", "id", "index", "score", "explainer", "model", "group", "source")
)
"""Columns that say something else. Those without a name or without any text are none either."""

ANSWERS = ("answer", "gt explanation", "ground truth")
"""Columns of a puzzle's own explanation, in a file of puzzles: the reference of every other."""


@dataclass(frozen=True, slots=True)
class ExplanationTable:
    """Explanations of neurons, from one file; see `make_table`."""

    path: str
    """The file, as the user wrote it."""

    sha256: str
    """The file's digest, 64 hexadecimal digits."""

    columns: tuple[str, ...]
    """The columns that hold explanations, in the file's order and spelling."""

    keys: tuple[Key, ...]
    """The rows' neurons, in the file's order, each once."""

    texts: Mapping[str, Mapping[Key, str]]
    """By column, the explanations that were given."""

    answers: Mapping[Key, str] = field(default_factory=dict)
    """The puzzles' own explanations, if it is a file of puzzles that has them."""

    @property
    def name(self) -> str:
        """The file without its folders."""
        return PurePath(self.path).name

    @property
    def by_id(self) -> bool:
        """Whether rows are told apart by the sample's id, not by layer and neuron."""
        return isinstance(self.keys[0], str)

    def key(self, id_: str, layer: int, neuron: int) -> Key:
        """The key that a neuron's row has, if it has one."""
        return id_ if self.by_id else (layer, neuron)

    def column(self, wanted: str | None) -> str:
        """The column of explanations that the user means, as the file spells it.

        Args:
            wanted: A column's name in any case; None if there is only one.

        Raises:
            TableError: There is no such column, or several; the message lists those there are.
        """
        there = listed(self.columns, quoted=False)
        if wanted is None:
            if len(self.columns) != 1:
                raise TableError(f"{self.path}: name one of the columns of explanations: {there}")
            return self.columns[0]
        for name in self.columns:
            if folded(name) == folded(wanted):
                return name
        raise TableError(
            f"{self.path}: no explanations in a column {shown(wanted)}; there are: {there}"
        )


def make_table(path: str, sha256: str, records: Iterable[Record]) -> ExplanationTable:
    """Check the rows of a file and put them together.

    Args:
        path: The file, as the user wrote it.
        sha256: The file's digest.
        records: Its rows.

    Raises:
        TableError: Columns that say which neuron is meant are missing, a value is not what it
            should be, a neuron stands there twice, or there is nothing in the file.
    """
    lines: dict[Key, str] = {}
    columns: dict[str, _Column] = {}
    identity: tuple[str, ...] | None = None
    for record in records:
        places = places_of(record)
        identity = identity or identity_of(places, record, path)
        key = key_of(identity, places, record)
        if key in lines:
            raise TableError(f"{record.where}: {named(key)} stands on {lines[key]} too")
        lines[key] = record.where.removeprefix(f"{path}, ")
        for name, place in places.items():
            column = columns.setdefault(name, _Column(record.names[place]))
            column.add(key, record.cells[place], record.where)
    if not lines:
        raise TableError(f"{path}: no rows; expected one a neuron")
    of_puzzles = identity is not None and identity[0] in PUZZLES
    aside = NOT_EXPLANATIONS.union(PUZZLES + ANSWERS if of_puzzles else ())
    texts = {column.name: column.texts for column in columns.values() if column.explains(aside)}
    if not texts:
        there = listed((column.name for column in columns.values()), quoted=False)
        raise TableError(f"{path}: no column of explanations; it has {there}; they are texts")
    known = (columns[name].texts for name in ANSWERS if of_puzzles and name in columns)
    return ExplanationTable(path, sha256, tuple(texts), tuple(lines), texts, next(known, {}))


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
