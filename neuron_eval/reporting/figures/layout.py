"""Figures of a column's width and the panels in them: stacked, in a grid, in columns, square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.figures import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.3  # width of a figure in inches: one column of a paper of two
ACROSS = 2  # panels beside each other at most, but for those of `stack`


def _blank(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(COLUMN, height), layout="constrained")


def stack(
    runs: Sequence[Run], key: drawing.Key, panels: int, each: float, more: float
) -> tuple[Figure, list[Axes]]:
    """Panels below each other over one x axis, ``each`` so many inches, with room for a legend."""
    figure = _blank(more + each * panels + 0.15 * drawing.legend_lines(runs, key))
    return figure, list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])


def grid(
    scorers: Sequence[str], rows: Sequence[str], marks: int, legend: int
) -> tuple[Figure, list[Axes]]:
    """A panel a scorer, with the names of the rows on the left of each line of panels.

    Within a row stand so many marks, one below the other; below all a legend of so many lines.
    """
    lines = -(-len(scorers) // ACROSS)
    height = max(0.9, len(rows) * max(0.2, 0.08 + 0.17 * 0.6 * marks))
    figure = _blank(lines * (height + 0.45) + 0.14 * legend)
    axes = figure.subplots(lines, min(ACROSS, len(scorers)), sharey=True, squeeze=False)
    for i, panel in enumerate(axes.flat):
        if i >= len(scorers):
            panel.remove()
            continue
        panel.set_xlabel(drawing.axis_label(scorers[i]))
        panel.set_yticks(range(len(rows)), [drawing.wrapped(row) for row in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=False, axis="y")
        panel.locator_params(axis="x", nbins=4)
    return figure, list(axes.flat[: len(scorers)])


def columns(
    scorers: Sequence[str], rows: Sequence[str], legend: int
) -> tuple[Figure, list[list[Axes]]]:
    """A column of small panels per scorer, in the order of the rows, whose names are above them.

    A column's panels share their axes; below all there is a legend of so many lines.
    """
    lines = -(-len(scorers) // ACROSS)
    figure = _blank(lines * (0.66 * len(rows) + 0.55) + 0.14 * legend)
    parts = figure.subfigures(lines, min(ACROSS, len(scorers)), squeeze=False).flat
    made = []
    for scorer, part in zip(scorers, parts, strict=False):
        part.suptitle(drawing.axis_label(scorer), fontsize=7)
        panels = list(part.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0])
        for panel, row in zip(panels, rows, strict=True):
            panel.set_title(drawing.wrapped(row), loc="left", fontsize=6.5, pad=2)
        made.append(panels)
    return figure, made


def squares(scorers: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A square panel per scorer, `ACROSS` beside each other."""
    lines, across = -(-len(scorers) // ACROSS), min(ACROSS, len(scorers))
    figure = _blank(lines * (COLUMN / across + 0.3))
    panels = list(figure.subplots(lines, across, squeeze=False).flat)
    for panel in panels[len(scorers) :]:
        panel.remove()
    return figure, panels[: len(scorers)]
