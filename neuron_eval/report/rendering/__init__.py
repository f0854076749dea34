"""Tables as text for a terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neuron_eval.report.rendering.csv_files import csv_text
from neuron_eval.report.rendering.latex import latex
from neuron_eval.report.rendering.markdown import markdown
from neuron_eval.report.tables.base import Table

WAYS = {"md": markdown, "csv": csv_text, "tex": latex}
"""By the file's ending."""


def write_tables(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write every table as NAME.md, NAME.csv and NAME.tex.

    Args:
        tables: What to write.
        folder: Where; made if it is not there.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        for ending, render in WAYS.items():
            path = folder / f"{table.name}.{ending}"
            path.write_text(render(table), encoding="utf-8", newline="")
            written.append(path)
    return written
