"""True against simulated activation, tokens in bins, both on a scale of their neuron.

Truth is a share of the neuron's highest activation, negative ones counting as 0; simulation runs
from the neuron's lowest to its highest, since a simulator's units are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import label
from neuron_eval.report.figures.key import legend, legend_lines, pretty
from neuron_eval.report.figures.series import Drawn, error, formats, series
from neuron_eval.report.figures.style import GREY, Look, blank, looks
from neuron_eval.report.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

NAME = "calibration"
TITLE = "Calibration: mean true activation of tokens by simulated activation, with 95 % interval"

BINS = 10
"""Bins of equal width between a neuron's lowest and highest simulated activation."""

SPREAD = 0.05
"""How far the runs' marks in one bin stand apart, in all."""


def draw(collected: Collected) -> Drawn | str:
    """The figure, or a sentence on why there is none; needs the runs' excerpts."""
    runs = collected.runs
    found = {run.log: points for run in runs if (points := calibration(run))}
    if not found:
        return "No calibration figure: no run simulated held-out excerpts of two neurons or more."
    groups = [group for group in series(runs) if any(run.log in found for run in group.runs)]
    names = formats(runs)
    by_format = looks(names)
    lines = legend_lines(runs, "formats")
    figure = blank(0.35 + 1.95 * len(groups) + 0.15 * lines)
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    words = []
    for panel, group in zip(panels, groups, strict=True):
        diagonal = _empty(panel, group.name)
        for run in group.runs:
            if run.log not in found:
                continue
            points = found[run.log]
            shift = SPREAD * ((names.index(run.format) + 0.5) / len(names) - 0.5)
            _line(panel, {x + shift: one for x, one in points.items()}, by_format[run.format])
            words.append(f"{pretty(label(run, runs))} {_words(points)}")
    panels[-1].set_xlabel("simulated activation (0 the neuron’s lowest, 1 its highest)")
    legend(figure, runs, "formats", more=diagonal)
    return Drawn(figure, f"Mean true by simulated activation: {', '.join(words)}.")


def _empty(panel: Axes, title: str) -> list[Line2D]:
    """The axes, and where a simulator that is always right would be."""
    panel.set(xlim=(0, 1), ylim=(0, 1), ylabel="true activation\n(share of the neuron’s highest)")
    panel.set_title(title, loc="left")
    dashes = (0, (3, 2))
    return panel.plot(
        [0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=dashes, label="same share"
    )


def _line(panel: Axes, points: dict[float, Estimate], look: Look) -> None:
    means = [one.mean for one in points.values()]
    panel.plot(list(points), means, look.marker + "-", color=look.color, markersize=3)
    for at, one in points.items():
        bars = error(one.mean, one.lower, one.upper)
        panel.errorbar(at, one.mean, yerr=bars, color=look.color, linewidth=0.6, alpha=0.6)


def _words(points: dict[float, Estimate]) -> str:
    first, last = min(points), max(points)
    return f"from {points[first].mean:.2f} at {first:.2f} to {points[last].mean:.2f} at {last:.2f}"


def calibration(run: Run) -> dict[float, Estimate]:
    """By the middle of each bin of simulated activation: the mean true activation.

    A neuron is the unit: its tokens in a bin are averaged first, and the interval is over
    neurons. Bins with tokens of fewer than two neurons are left out.
    """
    table = [row for result in run.results.values() if (row := _row(result)) is not None]
    if not table:
        return {}
    means = np.stack(table)  # shape [neurons, bins], NaN where a neuron has no token
    found: dict[float, Estimate] = {}
    for i in range(BINS):
        known = means[:, i][np.isfinite(means[:, i])]
        one = estimate(known) if known.size > 1 else None
        if one is not None:
            found[(i + 0.5) / BINS] = one
    return found


def _row(result: NeuronResult) -> NDArray[np.float64] | None:
    """A neuron's mean true activation in each bin, shape [`BINS`]; None if nothing can be said."""
    records = [(one.record, one.expected) for one in result.predicted]
    true = np.array([v for record, _ in records for v in record.counted(record.activations)])
    said = np.array([v for record, values in records for v in record.counted(values)])
    if not true.size or not np.isfinite(said).all() or true.max() <= 0 or np.ptp(said) == 0:
        return None
    true, said = np.maximum(true, 0) / true.max(), (said - said.min()) / np.ptp(said)
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, weights=true, minlength=BINS)
    means: NDArray[np.float64] = np.full(BINS, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
