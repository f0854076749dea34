"""A report to look at and to work with in Python: tables as DataFrames, and as a notebook draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

from neuron_eval.files.locking import alone_in
from neuron_eval.messages import InputError, visible
from neuron_eval.reporting.collecting import Collected, collect
from neuron_eval.reporting.comparing import ORIGINAL, check_baseline, label
from neuron_eval.reporting.cost import read_prices
from neuron_eval.reporting.differences import pair_of
from neuron_eval.reporting.rendering import csv_text, terminal_table
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.base import MARK, Cell, Table, with_rows, without_rows
from neuron_eval.reporting.tables.measures import check_measures
from neuron_eval.reporting.verdict import Verdict, verdict

if TYPE_CHECKING:
    from pandas import DataFrame

WIDTH = 120  # columns that the tables need at least
WIDEST = 10_000  # columns that any table may need
READABLE = 100  # columns of running text at most


@dataclass(frozen=True, slots=True)
class Report:
    """What logs say: notebooks draw it, `print` writes it, and a table is ``report["scores"]``."""

    collected: Collected
    tables: tuple[Table, ...]
    verdict: Verdict  # what they answer, in sentences
    notes: tuple[str, ...] = ()  # a sentence for each log, neuron or figure that is left out
    page: Path | None = None  # where it was written

    def __getitem__(self, name: str) -> DataFrame:
        """A table as a DataFrame, with the numbers in full and a column a bound of an interval."""
        from pandas import read_csv

        for table in self.tables:
            if table.name == name:
                return read_csv(StringIO(csv_text(table)))
        raise KeyError(f"no table {name!r}; there are {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        """The names of the tables."""
        return (table.name for table in self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def write(self, console: Console) -> None:
        """Print all of it; the console gets as wide as the tables are."""
        shown, runs = with_rows(self.tables), self.collected.runs
        drawn = [terminal_table(table) for table in shown]
        # A line that the terminal folds is ugly; a number that is cut off is wrong.
        room = console.options.update(max_width=WIDEST)
        needed = [console.measure(table, options=room).minimum for table in drawn]
        console.width = max([console.width, *needed])
        for paragraph in self.verdict.answers:
            console.print(Text(paragraph, "bold"), width=min(console.width, READABLE))
        for paragraph in self.verdict.paragraphs[len(self.verdict.answers) :]:
            console.print(Text(paragraph, "yellow"), width=min(console.width, READABLE))
        console.print()
        for table, picture in zip(shown, drawn, strict=True):
            console.print(picture)
            for note in table.notes:
                console.print(Text(note))
            console.print()
        for sentence in without_rows(self.tables):
            console.print(Text(sentence))
        for run in runs:
            logs = [log.rpartition("/")[2] for log in run.logs]
            line = f"Log{'s' * (len(logs) > 1)} of {label(run, runs)}: {', '.join(logs)}"
            console.print(Text(visible(line)), soft_wrap=True)
        for note in self.notes:
            console.print(Text(note, "yellow"), soft_wrap=True)
        if self.page is not None:
            console.print(Text(f"Report: {self.page.resolve().as_uri()}"), soft_wrap=True)

    def __repr__(self) -> str:
        text = StringIO()
        self.write(Console(file=text, width=WIDTH, color_system=None, force_jupyter=False))
        return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())

    def _repr_html_(self) -> str:
        parts = [f"<p>{_text(paragraph)}</p>" for paragraph in self.verdict.paragraphs]
        parts += map(_html, with_rows(self.tables))
        parts += [f"<p>{_text(sentence)}</p>" for sentence in without_rows(self.tables)]
        parts += [f"<p><i>{_text(note)}</i></p>" for note in self.notes]
        if self.page is not None:
            parts.append(f"<p>Report: <code>{_text(str(self.page))}</code></p>")
        return "".join(parts)


def report(
    logs: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    baseline: str = "original",
    compare: tuple[str, str] | None = None,
    by: Sequence[Literal["layer", "group"]] = (),
    prices: str | Path | None = None,
    bundle: bool = False,
    measures: str | Sequence[str] = (),
) -> Report:
    """Compare what logs say: scores, differences, cost, agreement and failures.

    >>> from neuron_eval import report
    >>> result = report("logs/compare")
    >>> list(result)
    ['scores', ...]
    >>> result["scores"][["run", "neurons"]]
           run  neurons
    0  summary        3
    1     avhs        3

    Args:
        logs: Log files and folders.
        out: A folder for the tables, figures and the page.
        baseline: The format that the others are compared with.
        compare: The names of two runs, as the report has them, to set against each other.
        by: Whether scores are also stated by layer, by group or by both.
        prices: A YAML file with dollars per million tokens by model.
        bundle: Whether Inspect's viewer is put with the logs beside the page.
        measures: Further measures of the simulations, such as ``f1,auprc``, or ``all``: a table of
            their own, for which no model is asked.

    Raises:
        InputError: No log is left to report on, or a parameter or file cannot be used.
        OSError: A place does not exist.
    """
    places = [str(place) for place in ([logs] if isinstance(logs, str | Path) else logs)]
    if bundle and out is None:
        raise InputError("bundle: needs out, the folder to write to")
    with alone_in(*([out] if out is not None else [])):
        return reported(
            places,
            None if out is None else Path(out),
            baseline,
            compare=compare,
            by=by,
            prices=prices,
            bundle=bundle,
            measures=measures,
        )


def reported(
    places: Sequence[str],
    out: Path | None,
    baseline: str = ORIGINAL,
    *,
    compare: tuple[str, str] | None = None,
    by: Sequence[str] = (),
    prices: str | Path | None = None,
    bundle: bool = False,
    workers: int = 1,
    measures: str | Sequence[str] = (),
) -> Report:
    """The report of logs, written to ``out`` where that is a folder; see `report` and `collect`."""
    from neuron_eval.reporting.page import write_report

    wanted = check_measures(measures)
    collected = collect(places, excerpts=out is not None, workers=workers, measures=wanted)
    check_baseline(baseline, collected.runs)
    collected = replace(
        collected, pair=pair_of(collected.every if compare else collected.runs, baseline, compare)
    )
    tables = all_tables(collected, baseline, read_prices(Path(prices)) if prices else None, by)
    answer = verdict(collected, baseline)
    if out is None:
        return Report(collected, tuple(tables), answer, collected.notes)
    page, notes = write_report(collected, tables, out, baseline, bundle)
    return Report(collected, tuple(tables), answer, (*collected.notes, *notes), page)


def _html(table: Table) -> str:
    """Title, rows and notes, with nothing but inline styles."""
    head = "".join(f"<th>{_text(column.heading)}</th>" for column in table.columns)
    sides = [f"text-align: {'right' if column.numeric else 'left'}" for column in table.columns]
    lines = ("".join(map(_html_cell, row, sides)) for row in table.rows[: table.shown])
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    body = f"<table><tr>{head}</tr>{rows}</table>" if rows else ""
    notes = "".join(f"<p><small>{_text(note)}</small></p>" for note in table.notes)
    return f"<p><b>{_text(table.title)}</b></p>{body}{notes}"


def _html_cell(cell: Cell, style: str) -> str:
    text = f"{_text(cell.text)}{f' {MARK}' if cell.marked else ''}"
    return f'<td style="{style}">{f"<b>{text}</b>" if cell.bold else text}</td>'


def _text(text: str) -> str:
    return escape(visible(text))
