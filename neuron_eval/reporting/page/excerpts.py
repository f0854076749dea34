"""A neuron's excerpts as JSON-able data for the page: levels to draw, and where it fires."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from neuron_eval.logs.excerpts import Activity, Predicted
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import visible
from neuron_eval.records import ActivationRecord
from neuron_eval.records.heatmap import SHADES, shades
from neuron_eval.simulation.measure import background, counted_or

LEVELS = "0123456789a"
"""One character a level: 0 is nothing, ``a`` the highest of the neuron."""


def highest(results: Sequence[NeuronResult | None]) -> float:
    """The highest true activation of excerpts, shown and held out: truth is drawn from 0 to it."""
    held_out = (p.record.peak for result in results if result for p in result.predicted)
    shown = (e.record.peak for result in results if result for e in result.shown)
    return max((*held_out, *shown), default=0.0)


def heat(results: Sequence[NeuronResult | None]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Held-out excerpts with the truth, each once, and what every run simulated for them.

    Truth runs from 0 to the `highest`. Simulation runs, per run, from its median, which is what
    it says of tokens that it has nothing to say of, to its highest value. Ignored tokens, which
    are not scored, are at nothing. A result is None where a run has not got the neuron.

    Returns:
        The excerpts, each with ``name``, ``tokens``, ``peak`` and ``true`` (a level a token); and
        for each run either None or a dict of ``low``, ``high`` and ``levels``, which for each
        excerpt holds a level a token, or None where the run has no values.
    """
    excerpts: list[Predicted] = []
    # First those that ignore least, whose truth is whole.
    every = [excerpt for result in results if result for excerpt in result.predicted]
    for excerpt in sorted(every, key=lambda predicted: len(predicted.record.ignored)):
        if not any(_same(excerpt, other) for other in excerpts):
            excerpts.append(excerpt)
    top = highest(results)
    drawn = [_drawn(excerpt.excerpt, excerpt.record, top) for excerpt in excerpts]
    return drawn, [_simulated(result, excerpts) for result in results]


def shown_excerpts(
    results: Sequence[NeuronResult | None], runs: Sequence[Run]
) -> list[dict[str, Any]]:
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
    top, drawn = highest(results), []
    for excerpt in excerpts:
        saw = [i for i, shown in by_run.items() if excerpt in shown]
        data = _drawn(excerpt.name, excerpt.record, top)
        drawn.append(data if len(saw) == len(by_run) else data | {"runs": saw})
    return drawn


def _drawn(name: str, record: ActivationRecord, top: float) -> dict[str, Any]:
    return {
        "name": visible(name),
        "tokens": [visible(token) for token in record.tokens],
        "peak": rounded(record.peak),
        "true": _levels(record.activations, 0.0, top),
    }


def activity_data(activity: Activity) -> dict[str, Any]:
    return {
        "excerpts": activity.excerpts,
        "low": rounded(activity.low),
        "high": rounded(activity.high),
        "counts": activity.counts,
        "tokens": [[visible(t.text), rounded(t.peak), t.times] for t in activity.tokens],
    }


def _levels(values: Sequence[float], low: float, high: float) -> str:
    """Values as characters of `LEVELS`, shape [T]: ``low`` and below 0, ``high`` the last."""
    assert len(LEVELS) == SHADES + 1
    return "".join(LEVELS[shade] for shade in shades(values, low, high))


def rounded(value: float) -> float:
    """To three significant digits, for a legend."""
    return float(f"{value:.3g}")


def _simulated(result: NeuronResult | None, order: Sequence[Predicted]) -> dict[str, Any] | None:
    known = [p for p in result.predicted if all(map(isfinite, p.expected))] if result else []
    expected = [value for p in known for value in p.record.counted(p.expected)]
    if not expected:
        return None
    low, high = background(expected), max(expected)

    def of(excerpt: Predicted) -> str | None:
        same = (p for p in known if _same(p, excerpt))
        return next((_levels(counted_or(low, p.record, p.expected), low, high) for p in same), None)

    return {"low": rounded(low), "high": rounded(high), "levels": list(map(of, order))}


def _same(first: Predicted, second: Predicted) -> bool:
    """Whether two runs mean one excerpt, whichever of its tokens each ignores.

    Runs may have been dealt other excerpts under one name, so the name is not enough.
    """
    a, b = first.record, second.record
    ignored = {*a.ignored, *b.ignored}
    return (first.excerpt, a.tokens) == (second.excerpt, b.tokens) and all(
        x == y
        for i, (x, y) in enumerate(zip(a.activations, b.activations, strict=True))
        if i not in ignored
    )
