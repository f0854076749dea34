"""A table as CSV: the numbers in full, nothing rounded, and empty where there is none."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from neuron_eval.report.tables.base import Cell, Column, Table, Value


def csv_text(table: Table) -> str:
    """A line of headings, then one a row, without the notes; lines end with a newline."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([heading for column in table.columns for heading in _headings(column)])
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        writer.writerow(
            [_plain(value) for column, cell in cells for value in _values(column, cell)]
        )
    return text.getvalue()


def _headings(column: Column) -> Iterator[str]:
    yield column.heading
    for name in column.extra:
        yield f"{column.heading}{name}"


def _values(column: Column, cell: Cell) -> Iterator[Value]:
    # A column that is no number holds text, such as an interval, which sorts by its value.
    yield cell.value if column.numeric else cell.text
    yield from cell.extra or [None] * len(column.extra)


def _plain(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)
