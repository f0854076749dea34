"""Mean score against mean prompt tokens, with the frontier: what no cheaper format beats."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from neuron_eval.logs.runs import Run
from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import compare, label, scorer_name, scorers, values
from neuron_eval.report.figures.key import legend, legend_lines, run_looks
from neuron_eval.report.figures.series import (
    Drawn,
    axis_label,
    error,
    neurons_of,
    with_interval,
)
from neuron_eval.report.figures.style import GREY, blank
from neuron_eval.report.statistics import Estimate, estimate

NAME, TITLE = (
    "tokens",
    "Score against prompt tokens, and the frontier of what nothing cheaper beats",
)


class Point(NamedTuple):
    """A run's cost and its score."""

    tokens: float
    """Prompt tokens of the explainer a neuron, mean."""

    score: Estimate
    """The mean score."""

    run: Run
    """The run."""


def draw(collected: Collected) -> Drawn | str:
    """The figure, or a sentence on why there is none."""
    runs = collected.runs
    found = {scorer: points for scorer in scorers(runs) if (points := _points(collected, scorer))}
    if not found:
        return "No figure of score against tokens: no run has both scores and prompt tokens."
    names = {run.log: label(run, runs) for points in found.values() for _, _, run in points}
    figure = blank(0.5 + 1.5 * len(found) + 0.15 * legend_lines(runs, "both"))
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    by_log = run_looks(runs)
    words: list[str] = []
    for panel, (scorer, points) in zip(panels, found.items(), strict=True):
        best = frontier(points)
        lines = panel.step(
            [*(p.tokens for p in best), max(p.tokens for p in points)],
            [*(p.score.mean for p in best), best[-1].score.mean],
            where="post", color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1,
            label="frontier",
        )  # fmt: skip
        for tokens, score, run in points:
            panel.errorbar(
                tokens,
                score.mean,
                yerr=error(score.mean, score.lower, score.upper),
                fmt=by_log[run.log].marker,
                color=by_log[run.log].color,
                capsize=2,
            )
        panel.set_ylabel(axis_label(scorer, wrap=True))
        panel.locator_params(axis="y", nbins=5)
        said = ", ".join(
            f"{names[p.run.log]} {p.tokens:,.0f} tokens, {with_interval(p.score)}"
            + (" on the frontier" if p in best else "")
            for p in points
        )
        words.append(f"{scorer_name(scorer)}: {said}")
    panels[-1].set_xlabel("explainer’s prompt (tokens a neuron)")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    legend(figure, runs, "both", more=lines[:1])
    return Drawn(figure, f"Mean scores with 95 % intervals by prompt tokens. {'. '.join(words)}.")


def frontier(points: Sequence[Point]) -> list[Point]:
    """Points with a higher score than every other that is as cheap or cheaper; cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.tokens, -p.score.mean)):
        if not best or point.score.mean > best[-1].score.mean:
            best.append(point)
    return best


def _points(collected: Collected, scorer: str) -> list[Point]:
    """Tokens and scores over the same neurons; runs whose provider reports no tokens left out."""
    compared = compare(collected.runs, scorer)
    points = []
    for run in compared.runs:
        ids = neurons_of(compared, run, scorer)
        used = [tokens for id in ids if (tokens := run.results[id].prompt_tokens) is not None]
        score = estimate(values(run, ids, scorer))
        if used and score is not None:
            points.append(Point(fmean(used), score, run))
    return points
