"""Mean score by format with its interval, one panel a scorer."""

from __future__ import annotations

from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import compare, label, scorer_name, scorers, values
from neuron_eval.report.figures.key import legend, legend_lines, run_looks
from neuron_eval.report.figures.panels import grid, offset
from neuron_eval.report.figures.series import (
    Drawn,
    error,
    formats,
    neurons_of,
    series,
    with_interval,
)
from neuron_eval.report.statistics import estimate

NAME, TITLE = "scores", "Score by format: mean over neurons with 95 % interval"


def draw(collected: Collected) -> Drawn | str:
    """The figure, or a sentence on why there is none."""
    runs, shown = collected.runs, scorers(collected.runs)
    if not shown:
        return "No figure of scores: nothing was scored."
    rows, groups = formats(runs), series(runs)
    figure, panels = grid(shown, rows, len(groups), legend=legend_lines(runs, "series"))
    by_log = run_looks(runs)
    words: list[str] = []
    for panel, scorer in zip(panels, shown, strict=True):
        compared = compare(runs, scorer)
        said = []
        for i, group in enumerate(groups):
            for run in group.runs:
                found = estimate(values(run, neurons_of(compared, run, scorer), scorer))
                if found is None:
                    continue
                panel.errorbar(
                    found.mean,
                    rows.index(run.format) + offset(i, len(groups)),
                    xerr=error(found.mean, found.lower, found.upper),
                    fmt=by_log[run.log].marker,
                    color=by_log[run.log].color,
                    capsize=2,
                )
                said.append(f"{label(run, runs)} {with_interval(found)}")
        words.append(f"{scorer_name(scorer)}: {', '.join(said)}")
    legend(figure, runs, "series")
    return Drawn(figure, f"Mean scores with 95 % intervals. {'. '.join(words)}.")
