"""Tables for a paper: LaTeX that fits a column, with short headings and everything else below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from neuron_eval.messages import visible
from neuron_eval.reporting.tables.base import Cell, Column, Row, Table

PACKAGES = ("array", "booktabs", "graphicx")  # what a document must load
NARROW = 12  # characters of a text up to which its column needs no lines to be broken
WIDE = 40  # characters from which a column of text is given more room

_ESCAPES = str.maketrans({
    **{sign: f"\\{sign}" for sign in "{}&%$#"},
    **{sign: f"{escaped}\\allowbreak{{}}" for sign, escaped in (("_", "\\_"), ("/", "/"))},
    "\\": r"\textbackslash{}",
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
})  # fmt: skip
_SIGN = re.compile(r"(?<![\w.)}-])([-+])(?=\d)")


def latex(table: Table) -> str:
    r"""A ``table`` environment with caption, label and notes; ends with a newline.

    A table that is wider than its column is made smaller. Columns with the same number in every
    row go into the notes. Needs `PACKAGES`; characters beyond ASCII stay as they are.
    """
    if not table.rows:
        notes = " ".join(map(_in_latex, table.notes))
        return f"% {' '.join(table.title.split())}: no rows\n\\par {notes}\n"
    columns, rows, same = _varying(table)
    notes = " ".join(map(_in_latex, (*_long_headings(columns), *same, *table.notes)))
    kinds = map(_kind, columns, zip(*rows, strict=True))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
            f"\\caption{{{_in_latex(table.title)}.}}",
            f"\\label{{tab:{table.name}}}",
            f"\\sbox0{{\\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            r"\toprule",
            _line(_in_latex(column.short or column.heading) for column in columns),
            r"\midrule",
            *_lines(rows, len(table.rows) - table.apart),
            r"\bottomrule",
            r"\end{tabular}}%",
            r"\ifdim\wd0>\columnwidth\resizebox{\columnwidth}{!}{\usebox0}\else\usebox0\fi",
            *([f"\\par\\smallskip\\raggedright\\scriptsize {notes}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def _varying(table: Table) -> tuple[list[Column], list[Row], list[str]]:
    """What is shown, and a sentence for each column of numbers that are all the same."""
    rows = table.rows[: table.shown]
    kept, sentences = [], []
    for column, cells in zip(table.columns, zip(*rows, strict=True), strict=True):
        if column.numeric and len(rows) > 1 and len({cell.text for cell in cells}) == 1:
            sentences.append(f"{column.heading}: {cells[0].text} in every row.")
        else:
            kept.append((column, cells))
    return [c for c, _ in kept], list(zip(*(cells for _, cells in kept), strict=True)), sentences


def _long_headings(columns: Sequence[Column]) -> list[str]:
    """What headings that do not tell are short for."""
    pairs = [(c.short, c.heading) for c in columns if c.short and c.short not in c.heading]
    return [f"{'; '.join(f'{short}: {heading}' for short, heading in pairs)}."] if pairs else []


def _kind(column: Column, cells: Sequence[Cell]) -> str:
    if column.numeric:
        return "r"
    longest = max(len(cell.text) for cell in cells)
    if longest <= NARROW or column.extra:
        return "l"
    return f">{{\\raggedright\\arraybackslash}}p{{{0.3 if longest >= WIDE else 0.2}\\columnwidth}}"


def _lines(rows: Sequence[Row], apart: int) -> Iterable[str]:
    """The rows, with a rule before the first that is set apart."""
    for i, row in enumerate(rows):
        if i == apart:
            yield r"\midrule"
        yield _line(map(_latex_cell, row))


def _line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _latex_cell(cell: Cell) -> str:
    text = _in_latex(cell.text)
    if text.startswith("["):
        # Behind a line's end it would be read as the space to leave.
        text = f"{{}}{text}"
    if cell.bold:
        text = f"\\textbf{{{text}}}"
    return f"{text}$^\\dagger$" if cell.marked else text


def _in_latex(text: str) -> str:
    """Text on one line, with nothing in it that LaTeX takes for a command."""
    return _SIGN.sub(r"$\1$", visible(" ".join(text.split())).translate(_ESCAPES))
