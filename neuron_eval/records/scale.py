"""The scale of 0 to 10 on which models see activations (Bills et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from neuron_eval.records.types import ActivationRecord

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

    Args:
        activations: Raw activations, shape [T].
        maximum: The raw activation that becomes 10; at 0 or below, everything is 0.
    """
    if maximum <= 0:
        return [0 for _ in activations]
    return [min(LEVELS, math.floor(LEVELS * max(x, 0.0) / maximum)) for x in activations]
