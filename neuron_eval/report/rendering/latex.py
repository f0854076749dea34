"""A table for a paper, in LaTeX with the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from neuron_eval.messages import visible
from neuron_eval.report.tables.base import Cell, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "†": r"$^\dagger$",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "’": "'",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))
_SIGN = re.compile(r"(?<![\w.)}-])([-+])(?=\d)")


def latex(table: Table) -> str:
    r"""A ``table`` environment with caption, label and notes; ends with a newline.

    Needs ``\usepackage{booktabs}``; characters beyond ASCII stay as they are.
    """
    caption = f"\\caption{{{_plain(table.title)}.}}\n\\label{{tab:{table.name}}}"
    notes = " ".join(map(_plain, table.notes))
    if not table.rows:
        return f"% {' '.join(table.title.split())}: no rows\n\\par {notes}\n"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            caption,
            f"\\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in table.columns)}}}",
            r"\toprule",
            _line(_plain(column.heading) for column in table.columns),
            r"\midrule",
            *(_line(map(_cell, row)) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *([f"\\par\\smallskip\\footnotesize {notes}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def _line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    text = _plain(cell.text)
    if text.startswith("["):
        # Behind a line's end it would be read as the space to leave.
        text = f"{{}}{text}"
    if cell.bold:
        text = f"\\textbf{{{text}}}"
    return f"{text}$^\\dagger$" if cell.marked else text


def _plain(text: str) -> str:
    """Text on one line, with nothing in it that LaTeX takes for a command."""
    line = _SPECIAL.sub(lambda found: _ESCAPES[found[0]], visible(" ".join(text.split())))
    return _SIGN.sub(r"$\1$", line)
