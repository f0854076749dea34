"""Tables as text for a terminal, Markdown, CSV and LaTeX.

Each by hand: pandas' ways know neither marks nor notes, and CSV here has columns of its own.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from textwrap import wrap

import rich.table
from rich import box
from rich.text import Text

from neuron_eval.messages import visible
from neuron_eval.reporting.tables.base import MARK, Cell, Column, Row, Table, Value

# What a renderer could take for markup; an interval in brackets, and _ within a word, are none
_MARKUP = re.compile(r"[\\`*|<~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\](?=[(\[:])|^[#>+-](?= )")

PACKAGES = ("array", "booktabs", "graphicx")  # what a document must load
NARROW = 12  # characters of a text up to which its column needs no lines to be broken
WIDE = 40  # characters from which a column of text is given more room

_ESCAPES = str.maketrans(
    {
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
    }
)
_SIGN = re.compile(r"(?<![\w.)}-])([-+])(?=\d)")


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Write every table as NAME.md, NAME.csv and NAME.tex into a folder, made if missing.

    One without rows is a CSV file of headings alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for ending, render in WAYS.items():
            if table.rows or ending == "csv":
                path = folder / f"{table.name}.{ending}"
                path.write_text(render(table), encoding="utf-8", newline="")


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
        # No column is wider than its cells or its heading's longest word.
        width = max(widest, *map(len, column.heading.split()))
        # Words may be broken over lines, numbers may not.
        unbroken = column.numeric or bool(column.extra)
        made.add_column(
            Text("\n".join(wrap(column.heading, width)) if narrow else column.heading),
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
    rows = [markdown_rows(table)] if table.rows else []
    parts = [f"## {in_markdown(table.title)}", *rows, *map(in_markdown, table.notes)]
    return "\n\n".join(parts) + "\n"


def markdown_rows(table: Table) -> str:
    rows = [map(_markdown_cell, row) for row in table.rows[: table.shown]]
    head = (in_markdown(column.heading) for column in table.columns)
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    rule = f"|{'|'.join('---:' if column.numeric else '---' for column in table.columns)}|"
    return "\n".join([first, rule, *others])


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


def _text(cell: Cell, column: Sequence[Cell]) -> Text:
    text = (visible(cell.text), "bold" if cell.bold else "")
    return Text.assemble(text, _mark(cell, column))


def _mark(cell: Cell, column: Sequence[Cell]) -> str:
    """The mark, or its room, so that numbers stand below each other."""
    if not any(other.marked for other in column):
        return ""
    return f" {MARK}" if cell.marked else "  "


def _markdown_cell(cell: Cell) -> str:
    text = f"**{in_markdown(cell.text)}**" if cell.bold else in_markdown(cell.text)
    return f"{text} {MARK}" if cell.marked else text


def in_markdown(text: str) -> str:
    """Text on one line, none of it markup."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))


def latex(table: Table) -> str:
    r"""A ``table`` environment with caption, label and notes; ends with a newline.

    A table that is wider than its column is made smaller. Columns with the same number in every
    row go into the notes. Needs `PACKAGES`; characters beyond ASCII stay as they are.
    """
    if not table.rows:
        why = " ".join(map(_in_latex, table.notes))
        return f"% {' '.join(table.title.split())}: no rows\n\\par {why}\n"
    columns, rows, same = _varying(table)
    pairs = [(c.short, c.heading) for c in columns if c.short and c.short not in c.heading]
    short = "; ".join(f"{short}: {heading}" for short, heading in pairs)
    notes = " ".join(map(_in_latex, [*([f"{short}."] if short else []), *same, *table.notes]))
    kinds = map(_latex_kind, columns, zip(*rows, strict=True))
    lines = [_latex_line(map(_latex_cell, row)) for row in rows]
    apart = len(table.rows) - table.apart
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
            f"\\caption{{{_in_latex(table.title)}.}}",
            f"\\label{{tab:{table.name}}}",
            f"\\sbox0{{\\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            r"\toprule",
            _latex_line(_in_latex(column.short or column.heading) for column in columns),
            r"\midrule",
            *lines[:apart],
            *([r"\midrule", *lines[apart:]] if lines[apart:] else []),
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
    columns, kept, sentences = [], [], []
    for column, cells in zip(table.columns, zip(*rows, strict=True), strict=True):
        if column.numeric and len(rows) > 1 and len({cell.text for cell in cells}) == 1:
            sentences.append(f"{column.heading}: {cells[0].text} in every row.")
        else:
            columns.append(column)
            kept.append(cells)
    return columns, list(zip(*kept, strict=True)), sentences


def _latex_kind(column: Column, cells: Sequence[Cell]) -> str:
    if column.numeric:
        return "r"
    longest = max(len(cell.text) for cell in cells)
    if longest <= NARROW or column.extra:
        return "l"
    return f">{{\\raggedright\\arraybackslash}}p{{{0.3 if longest >= WIDE else 0.2}\\columnwidth}}"


def _latex_line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _latex_cell(cell: Cell) -> str:
    text = _in_latex(cell.text)
    if text.startswith("["):  # behind a line's end it would be read as the space to leave
        text = f"{{}}{text}"
    if cell.bold:
        text = f"\\textbf{{{text}}}"
    return f"{text}$^\\dagger$" if cell.marked else text


def _in_latex(text: str) -> str:
    """Text on one line, with nothing in it that LaTeX takes for a command."""
    return _SIGN.sub(r"$\1$", visible(" ".join(text.split())).translate(_ESCAPES))


# By the file's ending.
WAYS: dict[str, Callable[[Table], str]] = {"md": markdown, "csv": csv_text, "tex": latex}
