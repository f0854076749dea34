"""Every neuron's score, as a strip of dots with a box, one panel a scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import compare, label, scorer_name, scorers, values
from neuron_eval.report.figures.key import legend, legend_lines, run_looks
from neuron_eval.report.figures.panels import grid, offset
from neuron_eval.report.figures.series import Drawn, formats, neurons_of, series
from neuron_eval.report.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME, TITLE = (
    "distribution",
    "Distribution of scores: a dot a neuron, boxes from quartile to quartile",
)

DOTS = 400
"""More neurons than this are shown by as many of them, evenly spaced in rank."""


def draw(collected: Collected) -> Drawn | str:
    """The figure, or a sentence on why there is none."""
    runs, shown = collected.runs, scorers(collected.runs)
    if not shown:
        return "No figure of the distribution of scores: nothing was scored."
    rows, groups = formats(runs), series(runs)
    marks = 1.6 * len(groups)
    figure, panels = grid(shown, rows, round(marks), legend=legend_lines(runs, "series"))
    by_log = run_looks(runs)
    words: list[str] = []
    for panel, scorer in zip(panels, shown, strict=True):
        compared = compare(runs, scorer)
        said = []
        for i, group in enumerate(groups):
            for run in group.runs:
                if run not in compared.runs:
                    continue
                found = values(run, neurons_of(compared, run, scorer), scorer)
                at = rows.index(run.format) + offset(i, len(groups))
                _strip(panel, found, at, 0.6 / len(groups), by_log[run.log])
                low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
                said.append(f"{label(run, runs)} {middle:.2f} ({low:.2f} to {high:.2f})")
        words.append(f"{scorer_name(scorer)}: {', '.join(said)}")
    legend(figure, runs, "series")
    return Drawn(figure, f"Medians and quartiles of scores. {'. '.join(words)}.")


def _strip(panel: Axes, found: list[float], at: float, width: float, look: Look) -> None:
    """Dots beside each other by rank, so that equal ones do not hide each other, under a box."""
    ranked = np.sort(found)
    if ranked.size > DOTS:
        ranked = ranked[np.linspace(0, ranked.size - 1, DOTS).round().astype(int)]
    # the golden ratio spreads neighbours in rank evenly over the width, without any chance
    spread = (np.arange(ranked.size) * 0.6180339887498949) % 1 - 0.5
    panel.plot(
        ranked, at + width * spread, ".", color=look.color, markersize=2.2, alpha=0.6,
        markeredgewidth=0, zorder=2,
    )  # fmt: skip
    _box(panel, found, at, width * 0.375)


def _box(panel: Axes, found: list[float], at: float, half: float) -> None:
    """Quartiles, median and whiskers; drawn here, because matplotlib's own asks for a window."""
    from matplotlib.cbook import boxplot_stats
    from matplotlib.patches import Rectangle

    (box,) = boxplot_stats(found)
    low, first, middle, third, high = (box[k] for k in ("whislo", "q1", "med", "q3", "whishi"))
    style: Any = {"colors": "black", "linewidth": 0.7, "zorder": 3}
    panel.hlines([at, at], [low, third], [first, high], **style)
    panel.vlines([low, high], at - half / 2, at + half / 2, **style)
    panel.vlines(middle, at - half, at + half, **style | {"linewidth": 1.4})
    corner = (first, at - half)
    panel.add_patch(Rectangle(corner, third - first, 2 * half, fill=False, linewidth=0.7, zorder=3))
