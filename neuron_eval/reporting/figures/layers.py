"""The figure of scores by layer: a small panel per format, so that no line covers another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from neuron_eval.logs.runs import Run
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
                    _draw_line(panel, means[run.log], by_log[run.log])
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


def _draw_line(panel: Axes, means: Means, look: Look) -> None:
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
