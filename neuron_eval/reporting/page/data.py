"""What the runs say of each neuron, as JSON-able data for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import visible, visible_lines
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import RATING_BY, label, rater_label, scorer_name, scorer_names
from neuron_eval.reporting.page.excerpts import (
    activity_data,
    heat,
    highest,
    rounded,
    shown_excerpts,
)
from neuron_eval.reporting.raters import RatedNeuron, best_texts, with_ratings

DIGITS = 4  # decimals of a score on the page; tables and CSV hold the full number


def page_data(collected: Collected, viewer: str | None = None) -> dict[str, Any]:
    """Runs and neurons, for the page's script; every text is safe to show as it is.

    A neuron's ``runs`` has one entry a run, in their order: None where the run has not got the
    neuron. Ratings are among ``scorers``; ``comments`` are the raters'.
    """
    raters = {rater_label(rater, collected.raters): rater for rater in collected.raters}
    runs: Sequence[Run] = collected.runs
    scorers = scorer_names(runs)
    for name, rater in raters.items():
        runs = with_ratings(runs, rater, f"{RATING_BY}{name}")
        scorers.append(f"{RATING_BY}{name}")
    ids = dict.fromkeys(id for run in runs for id in run.results)
    neurons = [_neuron(id, runs, scorers, linked=viewer is not None) for id in ids]
    rated = {name: {n.id: n for n in rater.neurons} for name, rater in raters.items()}
    for neuron, id in zip(neurons, ids, strict=True):
        by_rater = {name: of[id] for name, of in rated.items() if id in of}
        _add_choices(neuron, by_rater, [run.results.get(id) for run in runs])
    return {
        "viewer": viewer,
        "scorers": [visible(scorer_name(name)) for name in scorers],
        "runs": [{"label": visible(label(r, runs)), "log": _file(r.log)} for r in runs],
        "neurons": neurons,
    }


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
        "top": rounded(highest(results)),
        "runs": [
            None if result is None else _explained(result, scorers) | {"simulated": heated}
            for result, heated in zip(results, simulated, strict=True)
        ],
    }
    activity = next((result.activity for result in known if result.activity), None)
    more = {
        "shown": shown_excerpts(results, runs),
        "activity": activity and activity_data(activity),
        "page": next((_https(result.page) for result in known if result.page), ""),
        "sample": quote(id, safe="", errors="replace") if linked else "",
    }
    return data | {name: value for name, value in more.items() if value}


def _file(log: str) -> str:
    """A log's name as the viewer has it in addresses."""
    return quote(log.rpartition("/")[2], errors="replace")


def _https(address: str) -> str:
    """The address if it is one to follow from a page: a log may hold anything."""
    return visible(address) if address.startswith("https://") else ""


def _add_choices(
    neuron: dict[str, Any],
    by_rater: Mapping[str, RatedNeuron],
    results: Sequence[NeuronResult | None],
) -> None:
    """Who chose which explanation as the best, and what raters had to say of the neuron."""
    comments = [(name, rated.comment) for name, rated in by_rater.items() if rated.comment]
    if comments:
        neuron["comments"] = [f"{visible(name)}: {visible_lines(c)}" for name, c in comments]
    for shown, result in zip(neuron["runs"], results, strict=True):
        if result is None:
            continue
        text = result.explanation.strip()
        chosen = [visible(name) for name, rated in by_rater.items() if text in best_texts(rated)]
        if chosen:
            shown["chosen"] = chosen


def _explained(result: NeuronResult, scorers: Sequence[str]) -> dict[str, Any]:
    """One run's explanation; what is empty is left out, which keeps the page small."""
    scores = [result.scores.get(name) for name in scorers]
    more = {
        "unscored": {
            str(i): [visible(reason) for reason in dict.fromkeys(reasons)]
            for i, name in enumerate(scorers)
            if (reasons := result.unscored.get(name))
        },
        "failures": [visible(reason) for reason in dict.fromkeys(result.excerpt_failures)],
        "errors": [visible_lines(error) for error in result.errors],
        "epochs": result.epochs if result.epochs > 1 else None,
        "log": _file(result.log),
    }
    return {
        "explanation": visible_lines(result.explanation),
        "scores": [None if s is None else round(s, DIGITS) for s in scores],
    } | {name: value for name, value in more.items() if value}
