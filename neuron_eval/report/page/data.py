"""What the runs say, as JSON-able data for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import visible, visible_lines
from neuron_eval.report.collecting import Collected
from neuron_eval.report.comparing import (
    RATING_BY,
    label,
    rater_label,
    scorer_name,
    scorer_names,
)
from neuron_eval.report.page.heat import heat
from neuron_eval.report.rated import best_texts, with_ratings
from neuron_eval.report.raters import RatedNeuron

DIGITS = 4
"""Decimals of a score on the page; tables and CSV hold the full number."""


def page_data(collected: Collected, viewer: str | None = None) -> dict[str, Any]:
    """Runs and neurons, for the page's script; every text is safe to show as it is.

    Args:
        collected: The runs, with their excerpts.
        viewer: Where Inspect's bundled viewer lies, relative to the page; None leaves out links.

    Returns:
        ``scorers`` (names; ratings are among them), ``runs``, ``neurons`` and ``viewer``. A
        neuron's ``runs`` has one entry a run, in the order of ``runs``: None where the run has
        not got the neuron. Its ``comments`` are the raters'.
    """
    raters = {rater_label(one, collected.raters): one for one in collected.raters}
    runs: Sequence[Run] = collected.runs
    scorers = scorer_names(runs)
    for name, rater in raters.items():
        runs = with_ratings(runs, rater, f"{RATING_BY}{name}")
        scorers.append(f"{RATING_BY}{name}")
    ids = dict.fromkeys(id for run in runs for id in run.results)
    neurons = [_neuron(id, runs, scorers, linked=viewer is not None) for id in ids]
    rated = {name: {n.id: n for n in one.neurons} for name, one in raters.items()}
    for neuron, id in zip(neurons, ids, strict=True):
        said = {name: of[id] for name, of in rated.items() if id in of}
        _add_choices(neuron, said, [run.results.get(id) for run in runs])
    return {
        "viewer": viewer,
        "scorers": [visible(scorer_name(name)) for name in scorers],
        "runs": [_run(run, runs) for run in runs],
        "neurons": neurons,
    }


def about_runs(runs: Sequence[Run]) -> list[dict[str, str]]:
    """What each run is, for a table; empty where there was none."""
    return [
        {
            "label": visible(label(run, runs)),
            "format": visible(run.format),
            "explainer": visible(run.explainer),
            "simulator": visible(run.simulator),
            "embedder": visible(run.embedder),
            "neurons": visible(run.neurons),
            "count": str(len(run.results)),
            "skipped": str(run.neurons_skipped),
            "version": visible(run.version),
            "log": visible(log_file(run)),
        }
        for run in runs
    ]


def log_file(run: Run) -> str:
    """The log's file name."""
    return run.log.rpartition("/")[2]


def _run(run: Run, runs: Sequence[Run]) -> dict[str, str]:
    return {"label": visible(label(run, runs)), "log": quote(log_file(run), errors="replace")}


def _neuron(id: str, runs: Sequence[Run], scorers: Sequence[str], linked: bool) -> dict[str, Any]:
    results = [run.results.get(id) for run in runs]
    known = [result for result in results if result is not None]
    excerpts, simulated = heat(results)
    data = {
        "id": visible(id),
        "layer": known[0].layer,
        "group": visible(known[0].group),
        "reference": next((visible_lines(r.reference) for r in known if r.reference), ""),
        "excerpts": excerpts,
        "runs": [
            None if result is None else _said(result, scorers) | {"simulated": heated}
            for result, heated in zip(results, simulated, strict=True)
        ],
    }
    return data | {"sample": quote(id, safe="", errors="replace")} if linked else data


def _add_choices(
    neuron: dict[str, Any],
    said: Mapping[str, RatedNeuron],
    results: Sequence[NeuronResult | None],
) -> None:
    """Who chose which explanation as the best, and what raters had to say of the neuron."""
    comments = [(name, one.comment) for name, one in said.items() if one.comment]
    if comments:
        neuron["comments"] = [f"{visible(name)}: {visible_lines(c)}" for name, c in comments]
    for shown, result in zip(neuron["runs"], results, strict=True):
        if result is None:
            continue
        text = result.explanation.strip()
        chosen = [visible(name) for name, one in said.items() if text in best_texts(one)]
        if chosen:
            shown["chosen"] = chosen


def _said(result: NeuronResult, scorers: Sequence[str]) -> dict[str, Any]:
    """One run's explanation; what is empty is left out, which keeps the page small."""
    scores = [result.scores.get(name) for name in scorers]
    said = {
        "unscored": {
            str(i): [visible(reason) for reason in dict.fromkeys(reasons)]
            for i, name in enumerate(scorers)
            if (reasons := result.unscored.get(name))
        },
        "failures": [visible(reason) for reason in dict.fromkeys(result.excerpt_failures)],
        "errors": [visible_lines(error) for error in result.errors],
        "epochs": result.epochs if result.epochs > 1 else None,
    }
    return {
        "explanation": visible_lines(result.explanation),
        "scores": [None if s is None else round(s, DIGITS) for s in scores],
    } | {name: value for name, value in said.items() if value}
