"""What the runs say of each neuron, as JSON-able data for the page."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any
from urllib.parse import quote

from neuron_eval.logs.excerpts import Predicted
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import visible, visible_lines
from neuron_eval.records import ActivationRecord
from neuron_eval.records.heatmap import SHADES, shades
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import RATING_BY, label, rater_label, scorer_name, scorer_names
from neuron_eval.reporting.raters import RatedNeuron, best_texts, with_ratings
from neuron_eval.simulation.measure import background, counted_or

Json = dict[str, Any]
ByRater = Mapping[str, RatedNeuron]
Results = Sequence[NeuronResult | None]  # of one neuron, by run; None where a run has not got it
LEVELS = "0123456789a"  # one character a level: 0 is nothing, ``a`` the highest of the neuron
DIGITS = 4  # decimals of a score on the page; tables and CSV hold the full number


def page_data(collected: Collected, viewer: str | None = None) -> Json:
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
    rated = {name: {n.id: n for n in rater.neurons} for name, rater in raters.items()}
    neurons = []
    for id in dict.fromkeys(id for run in runs for id in run.results):
        by_rater = {visible(name): of[id] for name, of in rated.items() if id in of}
        neurons.append(_neuron(id, runs, scorers, by_rater, linked=viewer is not None))
    return {
        "viewer": viewer,
        "scorers": [visible(scorer_name(name)) for name in scorers],
        "runs": [{"label": visible(label(r, runs)), "log": _file(r.log)} for r in runs],
        "neurons": neurons,
    }


def _neuron(
    id: str, runs: Sequence[Run], scorers: Sequence[str], by_rater: ByRater, linked: bool
) -> Json:
    results = [run.results.get(id) for run in runs]
    known = [result for result in results if result is not None]
    excerpts, simulated = heat(results)
    data = {
        "id": visible(id),
        "layer": known[0].layer,
        "group": visible(known[0].group),
        "reference": next((visible_lines(r.reference) for r in known if r.reference), ""),
        "excerpts": excerpts,
        "top": _rounded(_highest(results)),
        "runs": [
            None if result is None else _explained(result, scorers, by_rater, heated)
            for result, heated in zip(results, simulated, strict=True)
        ],
    }
    page = next((result.page for result in known if result.page), "")
    activity = next((result.activity for result in known if result.activity), None)
    more = {
        "shown": _shown_excerpts(results, runs),
        "activity": activity
        and {
            "excerpts": activity.excerpts,
            "low": _rounded(activity.low),
            "high": _rounded(activity.high),
            "counts": activity.counts,
            "tokens": [[visible(t.text), _rounded(t.peak), t.times] for t in activity.tokens],
        },
        "page": visible(page) if page.startswith("https://") else "",  # a log may hold anything
        "sample": quote(id, safe="", errors="replace") if linked else "",
        "comments": [
            f"{name}: {visible_lines(rated.comment)}"
            for name, rated in by_rater.items()
            if rated.comment
        ],
    }
    return data | {name: value for name, value in more.items() if value}


def _file(log: str) -> str:
    return quote(log.rpartition("/")[2], errors="replace")


def _explained(
    result: NeuronResult, scorers: Sequence[str], by_rater: ByRater, simulated: Json | None
) -> Json:
    """One run's explanation; what is empty is left out, which keeps the page small."""
    text = result.explanation.strip()
    scores = [result.scores.get(name) for name in scorers]
    more = {
        "unscored": {
            str(i): [visible(reason) for reason in dict.fromkeys(reasons)]
            for i, name in enumerate(scorers)
            if (reasons := result.unscored.get(name))
        },
        "failures": [visible(reason) for reason in dict.fromkeys(result.excerpt_failures)],
        "left_out": _left_out(result.token_failures),
        "errors": [visible_lines(error) for error in result.errors],
        "epochs": result.epochs if result.epochs > 1 else None,
        "log": _file(result.log),
        "chosen": [name for name, rated in by_rater.items() if text in best_texts(rated)],
    }
    return {
        "explanation": visible_lines(result.explanation),
        "scores": [None if s is None else round(s, DIGITS) for s in scores],
        "simulated": simulated,
    } | {name: value for name, value in more.items() if value}


def _left_out(reasons: Sequence[str]) -> str:
    """How many excerpts had tokens without a value, and why the first had."""
    if not reasons:
        return ""
    excerpts = "1 excerpt" if len(reasons) == 1 else f"{len(reasons)} excerpts"
    return f"Tokens left out in {excerpts}, the first: {visible(reasons[0])}"


def _highest(results: Results) -> float:
    """The highest true activation of excerpts, shown and held out: truth is drawn from 0 to it."""
    held_out = (p.record.peak for result in results if result for p in result.predicted)
    shown = (e.record.peak for result in results if result for e in result.shown)
    return max((*held_out, *shown), default=0.0)


def heat(results: Results) -> tuple[list[Json], list[Any]]:
    """Held-out excerpts with the truth, each once, and what every run simulated for them.

    Truth runs from 0 to the `_highest`. Simulation runs, per run, from its median, which is what
    it says of tokens that it has nothing to say of, to its highest value. Tokens that are not
    scored are at nothing: ignored ones, and in the simulation those without a value.

    Returns:
        The excerpts, each with ``name``, ``tokens``, ``peak`` and ``true`` (a level a token); and
        for each run either None or a dict of ``low``, ``high`` and ``levels``, which for each
        excerpt holds a level a token, or None where the run has no values.
    """
    excerpts: list[Predicted] = []
    # First those that ignore least, whose truth is whole; that of tokens without a value is known.
    every = [excerpt for result in results if result for excerpt in result.predicted]
    for excerpt in sorted(
        every, key=lambda p: sum(isfinite(p.expected[i]) for i in p.record.ignored)
    ):
        if not any(_same(excerpt, other) for other in excerpts):
            excerpts.append(excerpt)
    top = _highest(results)
    drawn = [_drawn(excerpt.excerpt, excerpt.record, top) for excerpt in excerpts]
    return drawn, [_simulated(result, excerpts) for result in results]


def _shown_excerpts(results: Results, runs: Sequence[Run]) -> list[Json]:
    """What explainers saw, each excerpt once, as `heat` has the held-out ones.

    ``runs`` of an excerpt are the runs that showed it, by their number, where not all did whose
    explainer saw any. Explanations that existed already come from no such excerpts.
    """
    by_run = {
        i: result.shown
        for i, (result, run) in enumerate(zip(results, runs, strict=True))
        if result and result.shown and not run.given
    }
    excerpts = dict.fromkeys(excerpt for shown in by_run.values() for excerpt in shown)
    top, drawn = _highest(results), []
    for excerpt in excerpts:
        saw = [i for i, shown in by_run.items() if excerpt in shown]
        data = _drawn(excerpt.name, excerpt.record, top)
        drawn.append(data if len(saw) == len(by_run) else data | {"runs": saw})
    return drawn


def _drawn(name: str, record: ActivationRecord, top: float) -> Json:
    return {
        "name": visible(name),
        "tokens": [visible(token) for token in record.tokens],
        "peak": _rounded(record.peak),
        "true": _levels(record.activations, 0.0, top),
    }


def _levels(values: Sequence[float], low: float, high: float) -> str:
    """Values as characters of `LEVELS`, shape [T]: ``low`` and below 0, ``high`` the last."""
    assert len(LEVELS) == SHADES + 1
    return "".join(LEVELS[shade] for shade in shades(values, low, high))


def _rounded(value: float) -> float:
    """To three significant digits, for a legend."""
    return float(f"{value:.3g}")


def _simulated(result: NeuronResult | None, order: Sequence[Predicted]) -> Json | None:
    predicted = result.predicted if result else ()
    known = [p for p in predicted if all(map(isfinite, p.record.counted(p.expected)))]
    expected = [value for p in known for value in p.record.counted(p.expected)]
    if not expected:
        return None
    low, high = background(expected), max(expected)

    def of(excerpt: Predicted) -> str | None:
        same = (p for p in known if _same(p, excerpt))
        return next((_levels(counted_or(low, p.record, p.expected), low, high) for p in same), None)

    return {"low": _rounded(low), "high": _rounded(high), "levels": list(map(of, order))}


def _same(first: Predicted, second: Predicted) -> bool:
    """Whether two runs mean one excerpt, whatever each ignores; its name is not enough."""
    a, b = first.record, second.record
    ignored = {*a.ignored, *b.ignored}
    return (first.excerpt, a.tokens) == (second.excerpt, b.tokens) and all(
        x == y
        for i, (x, y) in enumerate(zip(a.activations, b.activations, strict=True))
        if i not in ignored
    )
