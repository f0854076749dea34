"""A table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Literal

import rich.table
from rich import box
from rich.text import Text

from neuron_eval.messages import visible
from neuron_eval.report.tables.base import MARK, Cell, Table


def terminal_table(table: Table) -> rich.table.Table:
    """The table without its notes; without rows only its title."""
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
    for i, column in enumerate(table.columns):
        justify: Literal["left", "right"] = "right" if column.numeric else "left"
        cells = [row[i] for row in table.rows]
        widest = max(len(cell.text) + len(_mark(cell, cells)) for cell in cells)
        made.add_column(
            _heading(column.heading, widest),
            justify=justify,
            overflow="fold",
            # Words may be broken over lines, numbers may not.
            no_wrap=column.numeric or bool(column.extra),
        )
    columns = list(zip(*table.rows, strict=True))
    for row in table.rows:
        made.add_row(*(_text(cell, column) for cell, column in zip(row, columns, strict=True)))
    return made


def _heading(heading: str, width: int) -> Text:
    """Over several lines, so that no column is wider than its cells or its longest word."""
    return Text("\n".join(wrap(heading, max(width, *map(len, heading.split())))))


def _text(cell: Cell, column: Sequence[Cell]) -> Text:
    return Text.assemble(
        (visible(cell.text), "bold" if cell.bold else ""), (_mark(cell, column), "")
    )


def _mark(cell: Cell, column: Sequence[Cell]) -> str:
    """The mark, or its room, so that numbers stand below each other."""
    if not any(one.marked for one in column):
        return ""
    return f" {MARK}" if cell.marked else "  "
