"""Figures of scores by prompt tokens and by layer, and of truth by simulated activation.

Calibration: tokens in bins, both on a scale of their neuron. Truth is a share of the neuron's
highest activation, negative ones counting as 0; simulation runs from the neuron's lowest to its
highest, since a simulator's units are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import (
    CommonNeurons,
    compare,
    label,
    scorer_name,
    scorers,
    values,
)
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn
from neuron_eval.reporting.statistics import Estimate, estimate

TICKS = 16
"""At most so many layers are named on the axis."""

BINS = 10
"""Bins of equal width between a neuron's lowest and highest simulated activation."""

LAYER_SPREAD, BIN_SPREAD = 0.6, 0.05
"""How far the runs' marks at one place of the axis stand apart, in all: layers, share."""


class Point(NamedTuple):
    """A run's mean prompt tokens of the explainer a neuron, and its score."""

    tokens: float
    score: Estimate
    run: Run


def draw_tokens(collected: Collected) -> Drawn | str:
    """Mean score against mean prompt tokens, with the frontier: what no cheaper format beats."""
    runs = collected.runs
    every = {scorer: points for scorer in scorers(runs) if (points := _points(runs, scorer))}
    if not every:
        return "No figure of score against tokens: no run has both scores and prompt tokens."
    figure, panels = drawing.stack(runs, "both", len(every), each=1.5, more=0.5)
    by_log = drawing.run_looks(runs)
    sentences: list[str] = []
    for panel, (scorer, points) in zip(panels, every.items(), strict=True):
        best = frontier(points)
        steps = panel.step(
            [*(p.tokens for p in best), max(p.tokens for p in points)],
            [*(p.score.mean for p in best), best[-1].score.mean],
            where="post", zorder=1, label="frontier", **drawing.DASHED,
        )  # fmt: skip
        words = []
        for point in points:
            interval = (point.score.mean, point.score.lower, point.score.upper)
            look, bars = by_log[point.run.log], drawing.error(*interval)
            panel.errorbar(point.tokens, point.score.mean, yerr=bars, **look.mark)
            text = f"{point.tokens:,.0f} tokens, {drawing.interval_words(*interval)}"
            frontier_text = " on the frontier" if point in best else ""
            words.append(f"{label(point.run, runs)} {text}{frontier_text}")
        panel.set_ylabel(drawing.axis_label(scorer))
        panel.locator_params(axis="y", nbins=5)
        sentences.append(f"{scorer_name(scorer)}: {', '.join(words)}")
    panels[-1].set_xlabel("explainer’s prompt (tokens a neuron)")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    drawing.legend(figure, runs, "both", more=steps[:1])
    text = "Mean scores with 95 % intervals by prompt tokens."
    return Drawn(figure, f"{text} {'. '.join(sentences)}.")


def frontier(points: Sequence[Point]) -> list[Point]:
    """Points with a higher score than every other that is as cheap or cheaper; cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.tokens, -p.score.mean)):
        if not best or point.score.mean > best[-1].score.mean:
            best.append(point)
    return best


def _points(runs: Sequence[Run], scorer: str) -> list[Point]:
    """Tokens and scores over the same neurons; runs whose provider reports no tokens left out."""
    compared = compare(runs, scorer)
    points = []
    for run in compared.runs:
        ids = compared.ids(run)
        used = [tokens for id in ids if (tokens := run.results[id].prompt_tokens) is not None]
        score = estimate(values(run, ids, scorer))
        if used and score is not None:
            points.append(Point(fmean(used), score, run))
    return points


def draw_layers(collected: Collected) -> Drawn | str:
    """Mean score by layer, a line a format, one panel a scorer and series."""
    runs = collected.runs
    layers = sorted({n.layer for run in runs for n in run.results.values() if n.scores} - {-1})
    if len(layers) < 2:
        return "No figure by layer: the scored neurons do not come from two layers or more."
    groups, names = drawing.series(runs), drawing.formats(runs)
    parts = [(scorer, group) for scorer in scorers(runs) for group in groups]
    figure, panels = drawing.stack(runs, "formats", len(parts), each=1.45, more=0.35)
    by_format = drawing.looks(names)
    spread = LAYER_SPREAD * min(b - a for a, b in pairwise(layers))
    sentences = []
    for panel, (scorer, group) in zip(panels, parts, strict=True):
        compared = compare(runs, scorer)
        for run in group.runs:
            means = by_layer(run, compared)
            shift = _shift(run, names, spread)
            drawing.line(panel, means, shift, by_format[run.format])
            if means:
                # Lowest and highest: all numbers would be too many to listen to.
                low, high = (pick(means, key=lambda at: means[at].mean) for pick in (min, max))
                sentences.append(
                    f"{scorer_name(scorer)}, {drawing.pretty(label(run, runs))}: "
                    f"lowest in layer {low} ({means[low].mean:.2f}), "
                    f"highest in layer {high} ({means[high].mean:.2f})"
                )
        panel.set_ylabel(drawing.axis_label(scorer))
        panel.set_title(group.name, loc="left")
        panel.locator_params(axis="y", nbins=5)
    for i, panel in enumerate(panels):
        first = panels[i - i % len(groups)]  # series beside each other share the scorer's scale
        if panel is not first:
            panel.sharey(first)
            first.autoscale(axis="y")
    panels[-1].set_xlabel("layer")
    panels[-1].set_xticks(layers[:: -(-len(layers) // TICKS)])
    drawing.legend(figure, runs, "formats")
    return Drawn(figure, f"Mean scores by layer with 95 % intervals. {'. '.join(sentences)}.")


def by_layer(run: Run, compared: CommonNeurons) -> dict[int, Estimate]:
    """The mean score of each layer's neurons, lowest layer first."""
    ids: dict[int, list[str]] = {}
    for id in compared.ids(run):
        if run.results[id].layer >= 0:
            ids.setdefault(run.results[id].layer, []).append(id)
    means = {layer: estimate(values(run, ids[layer], compared.scorer)) for layer in sorted(ids)}
    return {layer: mean for layer, mean in means.items() if mean is not None}


def _shift(run: Run, names: Sequence[str], spread: float) -> float:
    return spread * ((names.index(run.format) + 0.5) / len(names) - 0.5)


def draw_calibration(collected: Collected) -> Drawn | str:
    """True against simulated activation; needs the runs' excerpts."""
    runs = collected.runs
    calibrated = {run.log: points for run in runs if (points := calibration(run))}
    if not calibrated:
        return "No calibration figure: no run simulated held-out excerpts of two neurons or more."
    groups = [
        group for group in drawing.series(runs) if any(run.log in calibrated for run in group.runs)
    ]
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
        for run in group.runs:
            if run.log not in calibrated:
                continue
            points = calibrated[run.log]
            shift = _shift(run, names, BIN_SPREAD)
            drawing.line(panel, points, shift, by_format[run.format])
            first, last = min(points), max(points)
            words.append(
                f"{drawing.pretty(label(run, runs))} from {points[first].mean:.2f} at {first:.2f} "
                f"to {points[last].mean:.2f} at {last:.2f}"
            )
    panels[-1].set_xlabel("simulated activation (0 the neuron’s lowest, 1 its highest)")
    drawing.legend(figure, runs, "formats", more=diagonal)
    return Drawn(figure, f"Mean true by simulated activation: {', '.join(words)}.")


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
    """A neuron's mean true activation in each bin, NaN where it has no token, shape [`BINS`].

    None if nothing can be said.
    """
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
