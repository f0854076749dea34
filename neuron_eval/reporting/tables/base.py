"""What a table is before it is rendered, cells of the common kinds, and the registry of tables."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neuron_eval.reporting.statistics import FEW, TIE, Estimate, told_apart

Value = float | str | None
MARK = "†"  # stands behind a marked cell's text where there is no better way to show it
INTERVAL = (" lower", " upper", " n")  # what a CSV file calls the columns behind a mean's

MEANS = (
    "Mean over neurons [95 % bootstrap interval over neurons: percentiles of 10,000 resamples, "
    "taken further out for a small number of neurons]. A neuron's epochs are averaged first."
)
BEST = (
    f"Bold: the highest mean{{where}}. {MARK}: not told apart from it, because the 95 % interval "
    "of the difference on the same neurons holds 0."
)
NO_BEST = f"No mean is bold over fewer than {FEW} neurons: they are too few to name a winner."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; no two of one table have the same heading.

    Numbers are set flush right and sorted by value. ``extra`` names the values that only a CSV
    file shows, behind the heading; ``short`` is the heading where there is little room.
    """

    heading: str
    numeric: bool = False
    extra: tuple[str, ...] = ()
    short: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a table."""

    text: str  # what a reader sees, without any markup
    # The number in full, or the text, to sort by and for CSV; None where nothing is known.
    value: Value = None
    bold: bool = False  # whether it is the best in its column
    marked: bool = False  # whether it cannot be told from the best; a note of the table says so
    extra: tuple[Value, ...] = ()  # for the column's extra columns, as many as it has


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its sentences; without rows the notes say why there is nothing to show."""

    name: str  # of its files: lower-case letters, digits and ``_``
    title: str
    columns: tuple[Column, ...]  # at least one
    rows: tuple[Row, ...]  # each with one cell a column
    notes: tuple[str, ...] = ()  # sentences that stand below
    shown: int | None = None  # at most so many rows are shown; CSV holds all
    apart: int = 0  # so many rows at the end, such as those of controls, are set apart by a line

    def __post_init__(self) -> None:
        headings = [column.heading for column in self.columns]
        if len(set(headings)) < len(headings):
            raise ValueError(f"table {self.name}: a heading stands there twice: {headings}")
        for row in self.rows:
            if (cells := len(row)) != len(headings):
                raise ValueError(f"table {self.name}: {cells} cells, {len(headings)} columns")


def with_rows(tables: Iterable[Table]) -> list[Table]:
    return [table for table in tables if table.rows]


def without_rows(tables: Iterable[Table]) -> list[str]:
    """Why each of the other tables has nothing to show."""
    return [note for table in tables if not table.rows for note in table.notes]


# Makes one table or several from whichever of `MATERIAL` its parameters name.
Maker = Callable[..., Table | Sequence[Table]]
# See `neuron_eval.reporting.tables.all_tables`, which gives them.
MATERIAL = ("runs", "controls", "raters", "checks", "baseline", "pair", "prices", "by")
MAKERS: dict[tuple[str, ...], Maker] = {}  # by the names of the tables that each may make


def report_table(*names: str) -> Callable[[Maker], Maker]:
    """Register a function that makes the tables of these names.

    It takes whichever it needs of ``runs``, ``controls``, ``raters``, ``checks``, ``baseline``,
    ``pair``, ``prices`` and ``by``. It is called where there are raters or sanity checks, if it
    takes them; else where there are runs.
    """

    def register(maker: Maker) -> Maker:
        if taken := set(names) & {name for others in MAKERS for name in others}:
            raise ValueError(f"report table {', '.join(sorted(taken))} is registered twice")
        for name in set(inspect.signature(maker).parameters).difference(MATERIAL):
            raise ValueError(
                f"report table {', '.join(names)}: nothing is known for the parameter {name!r}; "
                f"expected some of {', '.join(MATERIAL)}"
            )
        MAKERS[names] = maker
        return maker

    return register


def made_tables(names: Sequence[str], maker: Maker, material: Mapping[str, Any]) -> list[Table]:
    """What a maker makes of the material; nothing where there is none for it."""
    taken = inspect.signature(maker).parameters
    if not material[next((name for name in ("raters", "checks") if name in taken), "runs")]:
        return []
    made = maker(**{name: material[name] for name in taken})
    tables = [made] if isinstance(made, Table) else list(made)
    for table in tables:
        if table.name not in names:
            raise ValueError(f"table {table.name} is registered as {', '.join(names)}")
    return tables


def row_of(*values: Cell | str | int) -> Row:
    """Cells; a text is as `words` has it, a whole number as `count` has it."""
    return tuple(map(_cell, values))


def _cell(value: Cell | str | int) -> Cell:
    if isinstance(value, Cell):
        return value
    return words(value) if isinstance(value, str) else count(value)


def words(text: str) -> Cell:
    return Cell(text, text)


def count(value: int) -> Cell:
    return Cell(f"{value:,}", value)


def number(
    value: float | None, spec: str = ".3f", missing: str = "unknown", unit: str = ""
) -> Cell:
    """A cell with one number, in the format of ``spec``, or with a word instead."""
    return Cell(missing) if value is None else Cell(f"{value:{spec}}{unit}", value)


def share(part: int, total: int) -> Cell:
    """A share in percent; neither 0 nor 100 % unless it is exactly that."""
    if not total:
        return Cell("none")
    value = part / total
    text = f"{100 * value:.0f}"
    if text in ("0", "100") and 0 < value < 1:
        text = "<1" if value < 0.5 else ">99"
    return Cell(f"{text} %", value)


def interval_text(estimate: Estimate, spec: str = ".3f") -> str:
    """An interval; a single neuron has none."""
    if estimate.lower is None or estimate.upper is None:
        return "[one neuron]"
    return f"[{estimate.lower:{spec}}, {estimate.upper:{spec}}]"


def estimate_text(estimate: Estimate, spec: str = ".3f") -> str:
    return f"{estimate.mean:{spec}} {interval_text(estimate, spec)}"


def p_text(p: float) -> str:
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def few_neurons(counts: Iterable[int]) -> tuple[str, ...]:
    """A sentence if an interval is over too few neurons to be trusted."""
    if not any(0 < n < FEW for n in counts):
        return ()
    return (
        f"With fewer than {FEW} neurons an interval is too narrow: it holds the truth less often "
        "than 95 times in 100.",
    )


def estimate_cell(
    estimate: Estimate | None, spec: str = ".3f", missing: str = "not scored"
) -> Cell:
    """A mean with its interval, for a column with the extra columns `INTERVAL`."""
    if estimate is None:
        return Cell(missing, extra=(None, None, 0))
    ends = (estimate.lower, estimate.upper, estimate.n)
    return Cell(estimate_text(estimate, spec), estimate.mean, extra=ends)


def beside_the_best(
    means: Mapping[str, Estimate], scores: Mapping[str, Sequence[float]], spec: str = ".3f"
) -> dict[str, Cell]:
    """A cell a mean: the highest of several bold, what is not told apart from it marked.

    The scores have the means' names, and are on the same neurons in the same order. Nothing is
    bold or marked over fewer than `FEW` neurons.
    """
    best = max(means, key=lambda name: means[name].mean, default="")
    named = len(means) > 1 and means[best].n >= FEW
    cells: dict[str, Cell] = {}
    for name, mean in means.items():
        bold = named and means[best].mean - mean.mean <= TIE
        marked = named and not bold and not told_apart(scores[best], scores[name])
        cells[name] = replace(estimate_cell(mean, spec), bold=bold, marked=marked)
    return cells


def best_notes(columns: Sequence[Column], rows: Iterable[Row], where: str = "") -> list[str]:
    """On bold and marks among means; ``where`` the highest is looked for."""
    means = _means(columns, rows)
    few = any(0 < n < FEW for _, n in means)
    bold = any(cell.bold for cell, _ in means)
    return [*([BEST.format(where=where)] if bold else []), *([NO_BEST] if few else [])]


def with_note_on_few(table: Table) -> Table:
    """The table with a last note, if one is needed, on means over few neurons."""
    few = few_neurons(n for _, n in _means(table.columns, table.rows))
    return replace(table, notes=(*table.notes, *few))


def _means(columns: Sequence[Column], rows: Iterable[Row]) -> list[tuple[Cell, int]]:
    at = [i for i, column in enumerate(columns) if column.extra == INTERVAL]
    return [(row[i], int(row[i].extra[-1] or 0)) for row in rows for i in at]
