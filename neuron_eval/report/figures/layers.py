"""Mean score by layer, a line a format, one panel a scorer and series."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from neuron_eval.logs.runs import Run
from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import Compared, compare, label, scorer_name, scorers, values
from neuron_eval.report.figures.key import legend, legend_lines, pretty
from neuron_eval.report.figures.series import (
    Drawn,
    axis_label,
    error,
    formats,
    neurons_of,
    series,
)
from neuron_eval.report.figures.style import Look, blank, looks
from neuron_eval.report.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME, TITLE = "layers", "Score by layer: mean over neurons with 95 % interval"

SPREAD = 0.6
"""How much of the distance between neighbouring layers the runs' marks take."""

TICKS = 16
"""At most so many layers are named on the axis."""


def draw(collected: Collected) -> Drawn | str:
    """The figure, or a sentence on why there is none."""
    runs = collected.runs
    layers = sorted({n.layer for run in runs for n in run.results.values() if n.scores} - {-1})
    if len(layers) < 2:
        return "No figure by layer: the scored neurons do not come from two layers or more."
    groups, names = series(runs), formats(runs)
    parts = [(scorer, group) for scorer in scorers(runs) for group in groups]
    figure = blank(0.35 + 1.45 * len(parts) + 0.15 * legend_lines(runs, "formats"))
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    by_format = looks(names)
    step = min(b - a for a, b in pairwise(layers))
    words = []
    for panel, (scorer, group) in zip(panels, parts, strict=True):
        compared = compare(runs, scorer)
        for run in group.runs:
            found = by_layer(run, compared, scorer)
            shift = SPREAD * step * ((names.index(run.format) + 0.5) / len(names) - 0.5)
            _line(
                panel, {layer + shift: one for layer, one in found.items()}, by_format[run.format]
            )
            if found:
                words.append(f"{scorer_name(scorer)}, {pretty(label(run, runs))}: {_words(found)}")
        panel.set_ylabel(axis_label(scorer, wrap=True))
        panel.set_title(group.name, loc="left")
        panel.locator_params(axis="y", nbins=5)
    for i, panel in enumerate(panels):
        first = panels[i - i % len(groups)]  # series beside each other share the scorer's scale
        if panel is not first:
            panel.sharey(first)
            first.autoscale(axis="y")
    panels[-1].set_xlabel("layer")
    panels[-1].set_xticks(layers[:: -(-len(layers) // TICKS)])
    legend(figure, runs, "formats")
    return Drawn(figure, f"Mean scores by layer with 95 % intervals. {'. '.join(words)}.")


def by_layer(run: Run, compared: Compared, scorer: str) -> dict[int, Estimate]:
    """The mean score of each layer's neurons, lowest layer first."""
    ids: dict[int, list[str]] = {}
    for id in neurons_of(compared, run, scorer):
        if run.results[id].layer >= 0:
            ids.setdefault(run.results[id].layer, []).append(id)
    found = {layer: estimate(values(run, ids[layer], scorer)) for layer in sorted(ids)}
    return {layer: one for layer, one in found.items() if one is not None}


def _line(panel: Axes, found: dict[float, Estimate], look: Look) -> None:
    means = [one.mean for one in found.values()]
    panel.plot(list(found), means, look.marker + "-", color=look.color, markersize=3)
    for at, one in found.items():
        bars = error(one.mean, one.lower, one.upper)
        panel.errorbar(at, one.mean, yerr=bars, color=look.color, linewidth=0.6, alpha=0.6)


def _words(found: dict[int, Estimate]) -> str:
    """Lowest and highest layer of a run: all numbers would be too many to listen to."""
    low, high = (pick(found, key=lambda layer: found[layer].mean) for pick in (min, max))
    return (
        f"lowest in layer {low} ({found[low].mean:.2f}), "
        f"highest in layer {high} ({found[high].mean:.2f})"
    )
