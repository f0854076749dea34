"""Mean paired difference to the baseline with its interval, one panel a scorer."""

from __future__ import annotations

from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import label, scorer_name, scorers
from neuron_eval.report.figures.key import legend, legend_lines, run_looks
from neuron_eval.report.figures.panels import grid, offset
from neuron_eval.report.figures.series import Drawn, axis_label, error, formats, series
from neuron_eval.report.figures.style import GREY
from neuron_eval.report.pairing import comparisons
from neuron_eval.report.statistics import Paired

NAME, TITLE = "differences", "Paired difference to the baseline: mean with 95 % interval"


def draw(collected: Collected, baseline: str) -> Drawn | str:
    """The figure, or a sentence on why there is none.

    Args:
        collected: The runs.
        baseline: The format that the others are compared with.
    """
    runs, names = collected.runs, scorers(collected.runs)
    every = {name: found for name in names if (found := comparisons(runs, baseline, name)[0])}
    if not every:
        return f"No figure of differences: no run to compare with the baseline, {baseline}."
    rows = formats(one.run for found in every.values() for one in found)
    rows = [name for name in formats(runs) if name in rows]
    groups = series(runs)
    place = {run.log: offset(i, len(groups)) for i, g in enumerate(groups) for run in g.runs}
    by_log = run_looks(runs)
    figure, panels = grid(list(every), rows, len(groups), legend=legend_lines(runs, "series"))
    words: list[str] = []
    for panel, (scorer, found) in zip(panels, every.items(), strict=True):
        panel.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        panel.set_xlabel(f"difference in\n{axis_label(scorer, wrap=True)}")
        for one in found:
            result, look = one.paired, by_log[one.run.log]
            panel.errorbar(
                result.difference,
                rows.index(one.run.format) + place[one.run.log],
                xerr=error(result.difference, result.lower, result.upper),
                fmt=look.marker,
                color=look.color,
                capsize=2,
            )
        said = ", ".join(f"{label(one.run, runs)} {_words(one.paired)}" for one in found)
        words.append(f"{scorer_name(scorer)}: {said}")
    legend(figure, runs, "series")
    text = f"Mean differences to {baseline} on the same neurons, with 95 % intervals."
    return Drawn(figure, f"{text} {'. '.join(words)}.")


def _words(found: Paired) -> str:
    if found.lower is None or found.upper is None:
        return f"{found.difference:+.2f}"
    return f"{found.difference:+.2f} ({found.lower:+.2f} to {found.upper:+.2f})"
