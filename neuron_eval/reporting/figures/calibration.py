"""The figure of true by simulated activation: tokens in bins, both on a scale of their neuron.

Truth is a share of the neuron's highest activation, negative ones counting as 0; simulation runs
from the neuron's lowest to its highest, since a simulator's units are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import label
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn, Look
from neuron_eval.reporting.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 10  # bins of equal width between a neuron's lowest and highest simulated activation
SPREAD = 0.05  # how far the formats' marks of one bin are apart, in all


def draw_calibration(collected: Collected) -> Drawn | str:
    """True against simulated activation; needs the runs' excerpts."""
    runs = collected.runs
    calibrated = {run.log: points for run in runs if (points := calibration(run))}
    if not calibrated:
        return "No calibration figure: no run simulated held-out excerpts of two neurons or more."
    groups = [g for g in drawing.series(runs) if any(run.log in calibrated for run in g.runs)]
    names = drawing.formats(runs)
    by_format = drawing.looks(names)
    figure, panels = drawing.stack(runs, "formats", len(groups), each=1.95, more=0.35)
    words = []
    for panel, group in zip(panels, groups, strict=True):
        panel.set(xlim=(0, 1), ylim=(0, 1))
        panel.set_ylabel("true activation\n(share of the neuron’s highest)")
        panel.set_title(group.name, loc="left")
        # where a simulator that is always right would be
        diagonal = panel.plot([0, 1], [0, 1], label="same share", **drawing.DASHED)
        for run in (run for run in group.runs if run.log in calibrated):
            points = calibrated[run.log]
            shift = SPREAD * ((names.index(run.format) + 0.5) / len(names) - 0.5)
            _draw_line(panel, points, shift, by_format[run.format])
            first, last = min(points), max(points)
            words.append(
                f"{drawing.pretty(label(run, runs))} from {points[first].mean:.2f} at {first:.2f} "
                f"to {points[last].mean:.2f} at {last:.2f}"
            )
    panels[-1].set_xlabel("simulated activation (0 the neuron’s lowest, 1 its highest)")
    drawing.legend(figure, runs, "formats", more=diagonal)
    return Drawn(figure, f"Mean true by simulated activation: {', '.join(words)}.")


def _draw_line(panel: Axes, points: Mapping[float, Estimate], shift: float, look: Look) -> None:
    places, means = [x + shift for x in points], [point.mean for point in points.values()]
    panel.plot(places, means, look.marker + "-", color=look.color, markersize=3)
    for x, point in zip(places, points.values(), strict=True):
        bars = drawing.error(point)
        panel.errorbar(x, point.mean, yerr=bars, color=look.color, linewidth=0.6, alpha=0.6)


def calibration(run: Run) -> dict[float, Estimate]:
    """By the middle of each bin of simulated activation: the mean true activation.

    A neuron is the unit: its tokens in a bin are averaged first, and the interval is over
    neurons. Bins with tokens of fewer than two neurons are left out.
    """
    rows = [means for n in run.results.values() if (means := _bin_means(n)) is not None]
    curve: dict[float, Estimate] = {}
    for i in range(BINS if rows else 0):
        column = np.stack(rows)[:, i]
        known = column[np.isfinite(column)]
        mean = estimate(known) if known.size > 1 else None
        if mean is not None:
            curve[(i + 0.5) / BINS] = mean
    return curve


def _bin_means(result: NeuronResult) -> NDArray[np.float64] | None:
    """A neuron's mean true activation in each bin, NaN where it has no token, shape [`BINS`]."""
    records = [(p.record, p.expected) for p in result.predicted]
    true = np.array([v for record, _ in records for v in record.counted(record.activations)])
    simulated = np.array([v for record, values in records for v in record.counted(values)])
    if not true.size or not np.isfinite(simulated).all():
        return None
    if true.max() <= 0 or np.ptp(simulated) == 0:
        return None
    true = np.maximum(true, 0) / true.max()
    simulated = (simulated - simulated.min()) / np.ptp(simulated)
    bins = np.minimum((simulated * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, weights=true, minlength=BINS)
    means: NDArray[np.float64] = np.full(BINS, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
