"""Tables as text for a terminal, Markdown, CSV and LaTeX.

Each by hand: pandas' ways know neither marks nor notes, and CSV here has columns of its own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from textwrap import wrap

import rich.table
from rich import box
from rich.text import Text

from neuron_eval.messages import visible
from neuron_eval.reporting.tables.base import MARK, Cell, Table, Value, with_rows, without_rows
from neuron_eval.reporting.typesetting import latex
from neuron_eval.reporting.verdict import Verdict

# What a renderer could take for markup; an interval in brackets, and _ within a word, are none
_MARKUP = re.compile(r"[\\`*|<~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\](?=[(\[:])|^[#>+-](?= )")


def write_tables(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write every table as NAME.md, NAME.csv and NAME.tex into a folder, made if missing.

    One without rows is a CSV file of headings alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        for ending, render in WAYS.items():
            if not table.rows and ending != "csv":
                continue
            path = folder / f"{table.name}.{ending}"
            path.write_text(render(table), encoding="utf-8", newline="")
            written.append(path)
    return written


def terminal_table(table: Table, narrow: bool = True) -> rich.table.Table:
    """The table without its notes; without rows only its title.

    ``narrow``: whether a heading that is wider than its column goes over several lines.
    """
    made = rich.table.Table(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    if not table.rows:
        # Without a column rich leaves out the title.
        made.add_column()
        made.show_header = False
        return made
    rows = table.rows[: table.shown]
    columns = list(zip(*rows, strict=True))
    for column, cells in zip(table.columns, columns, strict=True):
        widest = max(len(cell.text) + len(_mark(cell, cells)) for cell in cells)
        # Words may be broken over lines, numbers may not.
        unbroken = column.numeric or bool(column.extra)
        made.add_column(
            _heading(column.heading, widest) if narrow else Text(column.heading),
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=unbroken,
            min_width=widest if unbroken else None,
        )
    for i, row in enumerate(rows):
        if i == len(table.rows) - table.apart:
            made.add_section()
        made.add_row(*(_text(cell, cells) for cell, cells in zip(row, columns, strict=True)))
    return made


def markdown(table: Table) -> str:
    """The title as a heading, the table and its notes; ends with a newline."""
    parts = [f"## {_in_markdown(table.title)}"]
    if table.rows:
        parts.append(markdown_rows(table))
    parts.extend(map(_in_markdown, table.notes))
    return "\n\n".join(parts) + "\n"


def markdown_rows(table: Table) -> str:
    rows = [map(_markdown_cell, row) for row in table.rows[: table.shown]]
    head = (_in_markdown(column.heading) for column in table.columns)
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    rule = f"|{'|'.join('---:' if column.numeric else '---' for column in table.columns)}|"
    return "\n".join([first, rule, *others])


def report_markdown(
    verdict: Verdict,
    tables: Sequence[Table],
    figures: Sequence[tuple[str, str]],
    logs: Table | None,
    notes: Sequence[str],
) -> str:
    """A whole report; figures are titles and addresses, notes are on what was left out."""
    parts = ["# Neuron explanations compared", *map(_in_markdown, verdict.paragraphs)]
    parts += (markdown(table).rstrip() for table in with_rows(tables))
    parts += map(_in_markdown, without_rows(tables))
    parts += (f"![{_in_markdown(title)}]({address})" for title, address in figures)
    parts += [markdown(logs).rstrip()] if logs else []
    return "\n\n".join([*parts, *map(_in_markdown, notes)]) + "\n"


def csv_text(table: Table) -> str:
    """A line of headings, then one per row, without the notes; lines end with a newline.

    The numbers in full, nothing rounded, and empty where there is none.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        f"{column.heading}{name}" for column in table.columns for name in ("", *column.extra)
    )
    for row in table.rows:
        values: list[Value] = []
        for column, cell in zip(table.columns, row, strict=True):
            # A column that is no number holds text, such as an interval, which sorts by its value.
            values.append(cell.value if column.numeric else cell.text)
            values.extend(cell.extra or [None] * len(column.extra))
        writer.writerow(values)
    return text.getvalue()


# By the file's ending.
WAYS: dict[str, Callable[[Table], str]] = {"md": markdown, "csv": csv_text, "tex": latex}


def _heading(heading: str, width: int) -> Text:
    """Over several lines, so that no column is wider than its cells or its longest word."""
    return Text("\n".join(wrap(heading, max(width, *map(len, heading.split())))))


def _text(cell: Cell, column: Sequence[Cell]) -> Text:
    text = (visible(cell.text), "bold" if cell.bold else "")
    return Text.assemble(text, _mark(cell, column))


def _mark(cell: Cell, column: Sequence[Cell]) -> str:
    """The mark, or its room, so that numbers stand below each other."""
    if not any(other.marked for other in column):
        return ""
    return f" {MARK}" if cell.marked else "  "


def _markdown_cell(cell: Cell) -> str:
    text = _in_markdown(cell.text)
    if cell.bold:
        text = f"**{text}**"
    return f"{text} {MARK}" if cell.marked else text


def _in_markdown(text: str) -> str:
    """Text on one line, none of it markup."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))
