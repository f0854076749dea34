"""Activations as they are stored, as models see them, and those that explain nothing.

Models see whole numbers from 0 to 10 (Bills et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records.types import ActivationRecord, NeuronRecord, RecordError

LEVELS = 10
"""Normalised activations are whole numbers from 0 to this."""


def highest(excerpts: Sequence[ActivationRecord]) -> float:
    """The highest raw activation of all excerpts after a relu, so at least 0."""
    return max((0.0, *(excerpt.peak for excerpt in excerpts)))


def lowest(excerpts: Sequence[ActivationRecord]) -> float:
    """The lowest raw activation of all excerpts that counts; 0 without any."""
    values = (min(e.counted(e.activations), default=0.0) for e in excerpts)
    return min(values, default=0.0)


def normalise(activations: Iterable[float], maximum: float) -> list[int]:
    """Raw activations as whole numbers 0..10: min(10, floor(10 max(x, 0) / maximum)).

    With a maximum of 0 or below everything is 0.
    """
    if maximum <= 0:
        return [0 for _ in activations]
    return [min(LEVELS, math.floor(LEVELS * max(x, 0.0) / maximum)) for x in activations]


DIGITS = 4
"""Significant digits of a stored activation: relative error at most 0.05 %."""

# Looked up instead of computed, because `pow` may be off in the last bit, and then a stored
# activation would be 0.12340000000000001.
_POWERS = np.array([float(f"1e{k}") for k in range(64)])


def round_significant(values: NDArray[Any]) -> NDArray[np.float64]:
    """Finite numbers of single precision with `DIGITS` significant digits; no negative zero.

    The rounding never turns an order round (a <= b stays a <= b), so the peak of rounded
    activations is the rounded peak.
    """
    exact = np.asarray(values, dtype=np.float64)
    size = np.abs(exact)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0))).astype(np.int64)
    shift = DIGITS - 1 - exponent
    up, down = _POWERS[np.clip(shift, 0, None)], _POWERS[np.clip(-shift, 0, None)]
    rounded: NDArray[np.float64] = np.round(exact * up / down) * down / up
    return rounded + 0.0


class UnfitNeuronError(RecordError):
    """A sound record of a neuron that there is nothing to explain of."""


def why_unfit(neuron: NeuronRecord) -> str | None:
    """What is the matter with a neuron, in a clause that begins with its kind; None if nothing is.

    - ``dead``: no token of its excerpts has an activation above 0.
    - ``fires everywhere``: each token of all its excerpts, random ones too, has an activation of
      at least a tenth of the highest, so that none is 0 on the scale of 0 to 10.
    - ``one text``: its top excerpts (without ignored tokens, up to white space) are all the same.
    """
    records = [excerpt.record for excerpt in neuron.excerpts]
    values = [value for record in records for value in record.counted(record.activations)]
    if not values:
        return None
    peak = max(values)
    if peak <= 0:
        return f"dead: none of its {len(values)} activations is above 0"
    if normalise([min(values)], peak)[0] > 0:
        return (
            f"fires everywhere: each of its {len(values)} activations is at least a tenth of the "
            f"highest, {peak:g}"
        )
    return _one_text(neuron)


def _one_text(neuron: NeuronRecord) -> str | None:
    top = neuron.top or neuron.random
    # A source may have left out repeats; what is then left of them is one excerpt.
    if neuron.given_splits or len(top) + neuron.repeated < 2 or len(set(map(_folded, top))) != 1:
        return None
    return f"one text: its top excerpts all read {' '.join(top[0].text.split())[:60]!r}"


def _folded(record: ActivationRecord) -> str:
    return " ".join("".join(record.counted(record.tokens)).split())
