"""Figures of one panel a scorer, formats from top to bottom, series beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuron_eval.report.figures.key import pretty
from neuron_eval.report.figures.series import axis_label
from neuron_eval.report.figures.style import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 2
"""Panels in a row."""

_ROW = 0.17
"""Inches for each mark of a panel, at least; see `grid`."""


def grid(
    scorers: Sequence[str], rows: Sequence[str], marks: int, legend: int = 0
) -> tuple[Figure, list[Axes]]:
    """Panels with the names of the rows on the left of each line of panels.

    Args:
        scorers: One panel each.
        rows: Names of the rows, top first.
        marks: How many marks stand within a row, one below the other.
        legend: Lines that a legend below takes.
    """
    lines = -(-len(scorers) // ACROSS)
    height = max(0.9, len(rows) * max(0.2, 0.08 + _ROW * 0.6 * marks))
    figure = blank(lines * (height + 0.45) + 0.14 * legend)
    axes = figure.subplots(lines, min(ACROSS, len(scorers)), sharey=True, squeeze=False)
    for i, panel in enumerate(axes.flat):
        if i >= len(scorers):
            panel.remove()
            continue
        panel.set_xlabel(axis_label(scorers[i], wrap=True))
        panel.set_yticks(range(len(rows)), [wrapped(row) for row in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=False, axis="y")
        panel.locator_params(axis="x", nbins=4)
    return figure, list(axes.flat[: len(scorers)])


def wrapped(name: str) -> str:
    """A name in lines of at most some twenty characters."""
    lines = textwrap.wrap(pretty(name), 22) or [""]
    return "\n".join([*lines[:2], "…"] if len(lines) > 3 else lines)


def offset(i: int, of: int) -> float:
    """Where the i-th of some marks stands within its row, from -0.3 to 0.3."""
    return 0.0 if of == 1 else 0.6 * (i / (of - 1)) - 0.3
