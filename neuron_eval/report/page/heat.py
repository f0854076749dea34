"""Held-out excerpts of one neuron, over all runs, as levels that a page can draw."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from neuron_eval.logs.runs import NeuronResult, Predicted
from neuron_eval.messages import visible
from neuron_eval.records.heatmap import SHADES, shades
from neuron_eval.simulation.present import background, counted_or

LEVELS = "0123456789a"
"""One character a level: 0 is nothing, ``a`` the highest of the neuron."""


def heat(results: Sequence[NeuronResult | None]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Excerpts with the truth, each once, and what every run simulated for them.

    Truth runs from 0 to its highest activation in the neuron's excerpts. Simulation runs, per
    run, from its median, which is what it says of tokens that it has nothing to say of, to its
    highest value. Ignored tokens, which are not scored, are at nothing.

    Args:
        results: What each run says of the neuron; None where it has not got it.

    Returns:
        The excerpts, each with ``name``, ``tokens``, ``peak`` and ``true`` (a level a token); and
        for each run either None or a dict of ``low``, ``high`` and ``levels``, which for each
        excerpt holds a level a token, or None where the run has no values.
    """
    excerpts: list[Predicted] = []
    # First those that ignore least, whose truth is whole.
    every = [one for result in results if result for one in result.predicted]
    for one in sorted(every, key=lambda one: len(one.record.ignored)):
        if not any(_same(one, other) for other in excerpts):
            excerpts.append(one)
    peak = max((v for one in excerpts for v in one.record.activations), default=0.0)
    drawn = [
        {
            "name": visible(one.excerpt),
            "tokens": [visible(token) for token in one.record.tokens],
            "peak": short(one.record.peak),
            "true": levels(one.record.activations, 0.0, peak),
        }
        for one in excerpts
    ]
    return drawn, [_simulated(result, excerpts) for result in results]


def levels(values: Sequence[float], low: float, high: float) -> str:
    """Values as characters of `LEVELS`, shape [T]: ``low`` and below 0, ``high`` the last."""
    assert len(LEVELS) == SHADES + 1
    return "".join(LEVELS[shade] for shade in shades(values, low, high))


def short(value: float) -> float:
    """A number of three significant digits, for a legend."""
    return float(f"{value:.3g}")


def _simulated(result: NeuronResult | None, order: Sequence[Predicted]) -> dict[str, Any] | None:
    known = [one for one in result.predicted if all(map(isfinite, one.expected))] if result else []
    if not known:
        return None
    expected = [v for one in known for v in one.record.counted(one.expected)]
    if not expected:
        return None
    low, high = background(expected), max(expected)

    def of(excerpt: Predicted) -> str | None:
        mine = (one for one in known if _same(one, excerpt))
        return next((levels(counted_or(low, o.record, o.expected), low, high) for o in mine), None)

    return {"low": short(low), "high": short(high), "levels": list(map(of, order))}


def _same(one: Predicted, other: Predicted) -> bool:
    """Whether two runs mean one excerpt, whichever of its tokens each ignores.

    Runs may have been dealt other excerpts under one name, so the name is not enough.
    """
    a, b = one.record, other.record
    ignored = {*a.ignored, *b.ignored}
    return (one.excerpt, a.tokens) == (other.excerpt, b.tokens) and all(
        x == y
        for i, (x, y) in enumerate(zip(a.activations, b.activations, strict=True))
        if i not in ignored
    )
