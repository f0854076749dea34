"""Figures of one panel a scorer, formats from top to bottom, series beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuron_eval.logs.runs import Run
from neuron_eval.reporting import comparing
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import CommonNeurons, compare, label, scorers, values
from neuron_eval.reporting.controls import control_ids
from neuron_eval.reporting.differences import comparisons
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn, Look
from neuron_eval.reporting.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Draw = Callable[[Axes, str, Run, float, Look], str]
    """Draws a run's mark for a scorer in a panel at a height; in words, or nothing."""

DOTS = 400  # more neurons than this are shown by as many of them, evenly spaced in rank
GREYS = ("#3c3c3c", "#9a9a9a")
DASHES: Any = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), "solid")


def draw_scores(collected: Collected) -> Drawn | str:
    """Mean score with its interval, or a sentence on why there is no figure."""
    runs, shown = collected.runs, scorers(collected.runs)
    if not shown:
        return "No figure of scores: nothing was scored."
    compared = {scorer: compare(runs, scorer) for scorer in shown}
    means = {
        (scorer, run.log): mean
        for scorer, common in compared.items()
        for run in common.runs
        if (mean := estimate(values(run, common.ids(run), scorer))) is not None
    }
    lines = _control_lines(collected.controls, compared)
    figure, words = _by_format(runs, shown, _marks(means), lines=lines)
    return Drawn(figure, f"Mean scores with 95 % intervals. {words}.")


def _control_lines(
    controls: Sequence[Run], compared: Mapping[str, CommonNeurons]
) -> dict[str, dict[str, float]]:
    """By scorer and control its mean score; where it is over fewer neurons, its name says so."""
    lines: dict[str, dict[str, float]] = {scorer: {} for scorer in compared}
    for run in controls:
        ids = {scorer: control_ids(run, common) for scorer, common in compared.items()}
        fewer = [len(ids[s]) for s, of in compared.items() if 0 < len(ids[s]) < len(of.neurons)]
        name = label(run, controls) + (f" ({min(fewer)} neurons)" if fewer else "")
        for scorer in compared:
            if (mean := estimate(values(run, ids[scorer], scorer))) is not None:
                lines[scorer][name] = mean.mean
    return lines


def draw_differences(collected: Collected, baseline: str) -> Drawn | str:
    """Mean paired difference to the baseline's format, or a sentence on why there is no figure."""
    runs = collected.runs
    every = [c for scorer in scorers(runs) for c in comparisons(runs, baseline, scorer)[0]]
    if not every:
        return f"No figure of differences: no run to compare with the baseline, {baseline}."
    paired = {(c.scorer, c.run.log): c.paired for c in every}
    shown = list(dict.fromkeys(c.scorer for c in every))
    compared = {c.run.format for c in every}
    drawn = [run for run in runs if run.format in compared]
    marks = _marks(paired, "+.2f")
    figure, words = _by_format(runs, shown, marks, drawn=drawn)
    text = f"Mean differences to {baseline} on the same neurons, with 95 % intervals."
    return Drawn(figure, f"{text} {words}.")


def draw_distribution(collected: Collected) -> Drawn | str:
    """Every neuron's score, a strip of dots with a box, or a sentence on why there is no figure."""
    runs, shown = collected.runs, scorers(collected.runs)
    if not shown:
        return "No figure of the distribution of scores: nothing was scored."
    compared = {scorer: compare(runs, scorer) for scorer in shown}
    width = 0.6 / len(drawing.series(runs))

    def draw(panel: Axes, scorer: str, run: Run, y: float, look: Look) -> str:
        scores = values(run, compared[scorer].ids(run), scorer)
        if not scores:
            return ""
        _strip(panel, scores, y, width, look)
        low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
        return drawing.interval_words(Estimate(middle, low, high, len(scores)))

    figure, words = _by_format(runs, shown, draw, spread=1.6)
    return Drawn(figure, f"Medians and quartiles of scores. {words}.")


def _marks(means: Mapping[tuple[str, str], Estimate], spec: str = ".2f") -> Draw:
    def draw(panel: Axes, scorer: str, run: Run, y: float, look: Look) -> str:
        mean = means.get((scorer, run.log))
        if mean is None:
            return ""
        panel.errorbar(mean.mean, y, xerr=drawing.error(mean), **look.mark)
        return drawing.interval_words(mean, spec)

    return draw


def _by_format(
    runs: Sequence[Run],
    shown: Sequence[str],
    draw: Draw,
    spread: float = 1.0,
    drawn: Sequence[Run] = (),
    lines: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Figure, str]:
    """The figure, and what was drawn in words, a panel a scorer.

    ``spread`` says how much room one mark takes; of runs that are ``drawn`` alone the marks are
    differences; ``lines`` are drawn at values, by panel and name.
    """
    from matplotlib.lines import Line2D

    groups, looks = drawing.series(runs), drawing.run_looks(runs)
    offsets = np.linspace(-0.3, 0.3, len(groups)) if len(groups) > 1 else [0.0]
    place = {run.log: at for at, group in zip(offsets, groups, strict=True) for run in group.runs}
    every = [run for group in groups for run in group.runs]
    rows = drawing.formats(drawn or runs)
    marks = round(spread * len(groups))
    styles = _line_styles(name for values in (lines or {}).values() for name in values)
    legend = drawing.legend_lines(runs, "series", styles)
    figure, panels = drawing.grid(shown, rows, marks, legend=legend)
    sentences: list[str] = []
    for panel, scorer in zip(panels, shown, strict=True):
        if drawn:
            panel.axvline(0, **drawing.DASHED)
            panel.set_xlabel(f"difference in\n{drawing.axis_label(scorer)}")
        words = []
        for run in drawn or every:
            y = rows.index(run.format) + place[run.log]
            if text := draw(panel, scorer, run, y, looks[run.log]):
                words.append(f"{label(run, runs)} {text}")
        for name, value in (lines or {}).get(scorer, {}).items():
            panel.axvline(value, **styles[name])
            panel.margins(x=0.08)
            words.append(f"{name} (control) {value:.2f}")
        sentences.append(f"{comparing.scorer_name(scorer)}: {', '.join(words)}")
    labelled = [Line2D([], [], label=drawing.pretty(name), **styles[name]) for name in styles]
    drawing.legend(figure, runs, "series", labelled)
    return figure, ". ".join(sentences)


def _line_styles(names: Iterable[str]) -> dict[str, Any]:
    """For each name the colour and dashes of a line that stands for it, for matplotlib."""
    return {
        name: {"color": GREYS[i // 4 % 2], "linewidth": 1, "linestyle": DASHES[i % 4], "zorder": 1}
        for i, name in enumerate(dict.fromkeys(names))
    }


def _strip(panel: Axes, scores: list[float], at: float, width: float, look: Look) -> None:
    """Dots beside each other by rank, so that equal ones do not hide each other, under a box."""
    ranked = np.sort(scores)
    if ranked.size > DOTS:
        ranked = ranked[np.linspace(0, ranked.size - 1, DOTS).round().astype(int)]
    # the golden ratio spreads neighbours in rank evenly over the width, without any chance
    spread = (np.arange(ranked.size) * 0.6180339887498949) % 1 - 0.5
    panel.plot(
        ranked, at + width * spread, ".", color=look.color, markersize=2.2, alpha=0.6,
        markeredgewidth=0, zorder=2,
    )  # fmt: skip
    _box(panel, scores, at, width * 0.375)


def _box(panel: Axes, scores: list[float], at: float, half: float) -> None:
    """Quartiles, median and whiskers; drawn here, because matplotlib's own asks for a window."""
    from matplotlib.cbook import boxplot_stats
    from matplotlib.patches import Rectangle

    (box,) = boxplot_stats(scores)
    low, first, middle, third, high = (box[k] for k in ("whislo", "q1", "med", "q3", "whishi"))
    style: Any = {"colors": "black", "linewidth": 0.7, "zorder": 3}
    panel.hlines([at, at], [low, third], [first, high], **style)
    panel.vlines([low, high], at - half / 2, at + half / 2, **style)
    panel.vlines(middle, at - half, at + half, **style | {"linewidth": 1.4})
    corner = (first, at - half)
    panel.add_patch(Rectangle(corner, third - first, 2 * half, fill=False, linewidth=0.7, zorder=3))
