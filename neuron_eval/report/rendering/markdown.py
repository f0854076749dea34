"""A table as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from neuron_eval.messages import visible
from neuron_eval.report.tables.base import MARK, Cell, Table

# What a renderer could take for markup; an interval in brackets, and _ within a word, are none
_MARKUP = re.compile(r"[\\`*|<~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\](?=[(\[:])|^[#>+-](?= )")


def markdown(table: Table) -> str:
    """The title as a heading, the table and its notes; ends with a newline."""
    parts = [f"## {_plain(table.title)}"]
    if table.rows:
        lines = [
            _line(_plain(column.heading) for column in table.columns),
            f"|{'|'.join('---:' if column.numeric else '---' for column in table.columns)}|",
            *(_line(map(_cell, row)) for row in table.rows),
        ]
        parts.append("\n".join(lines))
    parts.extend(map(_plain, table.notes))
    return "\n\n".join(parts) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = _plain(cell.text)
    if cell.bold:
        text = f"**{text}**"
    return f"{text} {MARK}" if cell.marked else text


def _plain(text: str) -> str:
    """Text on one line, none of it markup."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))
