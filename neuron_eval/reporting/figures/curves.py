"""Figures of curves: scores by layer, and true activation by simulated.

By layer each format has a small panel, so that no line covers another. True and simulated
activations are on a scale of their neuron: truth is a share of the neuron's highest activation,
negative ones counting as 0; simulation runs from the neuron's lowest to its highest, since a
simulator's units are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.reporting import comparing
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import CommonNeurons
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn, Look
from neuron_eval.reporting.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = 8  # layers named on an axis of half a column are apart by this part of it, or more
BEHIND = "#c9c9c9"  # the other formats' lines
Means = dict[int, Estimate]  # by layer, lowest first
BINS = 10  # bins of equal width between a neuron's lowest and highest simulated activation
SPREAD = 0.05  # how far the formats' marks of one bin are apart, in all


def draw_layers(collected: Collected) -> Drawn | str:
    """Mean score by layer, a panel per format and scorer, the other formats behind it in grey."""
    runs = collected.runs
    layers = sorted({n.layer for run in runs for n in run.results.values() if n.scores} - {-1})
    if len(layers) < 2:
        return "No figure by layer: the scored neurons do not come from two layers or more."
    shown, names = comparing.scorers(runs), drawing.formats(runs)
    figure, columns = drawing.columns(shown, names, drawing.legend_lines(runs, "series"))
    by_log = drawing.run_looks(runs)
    sentences = []
    for scorer, panels in zip(shown, columns, strict=True):
        compared = comparing.compare(runs, scorer)
        means = {run.log: by_layer(run, compared) for run in runs}
        for panel, name in zip(panels, names, strict=True):
            for run in runs:
                levels = [mean.mean for mean in means[run.log].values()]
                if run.format != name:
                    panel.plot(list(means[run.log]), levels, color=BEHIND, linewidth=0.6, zorder=1)
                elif levels:
                    _draw_levels(panel, means[run.log], by_log[run.log])
        panels[-1].set_xlabel("layer")
        panels[-1].set_xticks(_named(layers))
        panels[-1].locator_params(axis="y", nbins=3)
        sentences += _words(runs, scorer, means)
    drawing.legend(figure, runs, "series")
    return Drawn(figure, f"Mean scores by layer with 95 % intervals. {'. '.join(sentences)}.")


def by_layer(run: Run, compared: CommonNeurons) -> Means:
    ids: dict[int, list[str]] = {}
    for id in compared.ids(run):
        if run.results[id].layer >= 0:
            ids.setdefault(run.results[id].layer, []).append(id)
    means = {
        layer: estimate(comparing.values(run, ids[layer], compared.scorer)) for layer in sorted(ids)
    }
    return {layer: mean for layer, mean in means.items() if mean is not None}


def _named(layers: Sequence[int]) -> list[int]:
    """The layers to name, so that no two names touch: the lowest, and others in order."""
    named = [layers[0]]
    for layer in layers:
        if (layer - named[-1]) * TICKS >= layers[-1] - layers[0]:
            named.append(layer)
    return named


def _draw_levels(panel: Axes, means: Means, look: Look) -> None:
    layers, scores = list(means), list(means.values())
    low, high = zip(*(score.ends for score in scores), strict=True)
    panel.fill_between(layers, low, high, color=look.color, alpha=0.18, linewidth=0, zorder=2)
    levels = [score.mean for score in scores]
    panel.plot(layers, levels, f"{look.marker}-", color=look.color, markersize=2.5, zorder=3)


def _words(runs: Sequence[Run], scorer: str, means: Mapping[str, Means]) -> list[str]:
    """Each run's lowest and highest layer: all numbers would be too many to listen to."""
    sentences = []
    for run in runs:
        if scores := means[run.log]:
            low, high = (pick(scores, key=lambda at: scores[at].mean) for pick in (min, max))
            sentences.append(
                f"{comparing.scorer_name(scorer)}, {drawing.pretty(comparing.label(run, runs))}: "
                f"lowest in layer {low} ({scores[low].mean:.2f}), "
                f"highest in layer {high} ({scores[high].mean:.2f})"
            )
    return sentences


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
            _draw_points(panel, points, shift, by_format[run.format])
            first, last = min(points), max(points)
            begins = f"{points[first].mean:.2f} at {first:.2f}"
            ends = f"{points[last].mean:.2f} at {last:.2f}"
            name = drawing.pretty(comparing.label(run, runs))
            words.append(f"{name} from {begins} to {ends}")
    panels[-1].set_xlabel("simulated activation (0 the neuron’s lowest, 1 its highest)")
    drawing.legend(figure, runs, "formats", more=diagonal)
    return Drawn(figure, f"Mean true by simulated activation: {', '.join(words)}.")


def _draw_points(panel: Axes, points: Mapping[float, Estimate], shift: float, look: Look) -> None:
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
