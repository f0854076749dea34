"""What a table is, before it is rendered for a terminal, a paper, a spreadsheet or a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuron_eval.report.statistics import FEW, Estimate

Value = float | str | None

MARK = "†"
"""Stands behind a marked cell's text where there is no better way to show it."""

INTERVAL = (" lower", " upper", " n")
"""What a CSV file calls the columns behind a mean's."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    heading: str
    """What stands on top; no two columns of a table have the same."""

    numeric: bool = False
    """Whether it holds numbers, which are set flush right and sorted by value."""

    extra: tuple[str, ...] = ()
    """What the values are called that only a CSV file shows, behind the heading."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a table."""

    text: str
    """What a reader sees, without any markup."""

    value: Value = None
    """The number in full, or the text, to sort by and for CSV; None where nothing is known."""

    bold: bool = False
    """Whether it is the best in its column."""

    marked: bool = False
    """Whether it cannot be told from the best; a note of the table says so."""

    extra: tuple[Value, ...] = ()
    """Values for the column's extra columns, as many as it has."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its sentences; without rows the notes say why there is nothing to show."""

    name: str
    """Names its files: lower-case letters, digits and ``_``."""

    title: str
    """Stands above it."""

    columns: tuple[Column, ...]
    """At least one."""

    rows: tuple[tuple[Cell, ...], ...]
    """Each with one cell a column."""

    notes: tuple[str, ...] = ()
    """Sentences that stand below."""

    def __post_init__(self) -> None:
        """Hold the table to its shape.

        Raises:
            ValueError: A row has not one cell a column, or a heading stands there twice.
        """
        headings = [column.heading for column in self.columns]
        if len(set(headings)) < len(headings):
            raise ValueError(f"table {self.name}: a heading stands there twice: {headings}")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: {len(row)} cells, {len(self.columns)} columns"
                )


def words(text: str) -> Cell:
    """A cell of text."""
    return Cell(text, text)


def number(value: float | None, spec: str = ".3f", missing: str = "unknown") -> Cell:
    """A cell with one number, in the format of ``spec``, or with a word instead."""
    return Cell(missing) if value is None else Cell(f"{value:{spec}}", value)


def whole(value: int) -> Cell:
    """A cell that counts something."""
    return Cell(f"{value:,}", value)


def share(part: int, all_of_it: int) -> Cell:
    """A share in percent; neither 0 nor 100 % unless it is exactly that."""
    if not all_of_it:
        return Cell("none")
    value = part / all_of_it
    text = f"{100 * value:.0f}"
    if text in ("0", "100") and 0 < value < 1:
        text = "<1" if value < 0.5 else ">99"
    return Cell(f"{text} %", value)


def interval_text(lower: float | None, upper: float | None, spec: str = ".3f") -> str:
    """An interval; a single neuron has none."""
    if lower is None or upper is None:
        return "[one neuron]"
    return f"[{lower:{spec}}, {upper:{spec}}]"


def few_neurons(counts: Iterable[int]) -> tuple[str, ...]:
    """A sentence if an interval is over too few neurons to be trusted."""
    if not any(0 < count < FEW for count in counts):
        return ()
    return (
        f"With fewer than {FEW} neurons an interval is too narrow: it holds the truth less often "
        "than 95 times in 100.",
    )


def estimate_cell(
    found: Estimate | None, bold: bool = False, marked: bool = False, spec: str = ".3f"
) -> Cell:
    """A mean with its interval, for a column with the extra columns `INTERVAL`."""
    if found is None:
        return Cell("not scored", extra=(None, None, 0))
    text = f"{found.mean:{spec}} {interval_text(found.lower, found.upper, spec)}"
    return Cell(text, found.mean, bold, marked, (found.lower, found.upper, found.n))
