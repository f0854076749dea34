"""Expected activation: the mean of the distribution over 0..10 at one position.

The one implementation for every way to simulate that has log-probabilities (Bills et al. 2023
renormalise over the candidates that are exactly "0" … "10" and take the expectation).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation.base import BrokenReplyError

_LEVEL_TEXTS = {str(level): level for level in range(LEVELS + 1)}
_SURROUNDINGS = " \t\r\n:=▁ĠĊ"

ROUNDING = 0.01
"""How far above 0 a log-probability may be: servers compute them in half precision."""


def level_of(candidate: str) -> int | None:
    """The level that a candidate token writes, 0..10, whatever space or colon it carries.

    Returns:
        None if the token is anything else.
    """
    return _LEVEL_TEXTS.get(candidate.strip(_SURROUNDINGS))


def probability(logprob: float) -> float:
    """The probability, in [0, 1], of a natural-log probability.

    Raises:
        BrokenReplyError: It is not a number, or above 0 by more than rounding.
    """
    if math.isnan(logprob) or logprob > ROUNDING:
        raise BrokenReplyError(f"a log-probability is {logprob:g}, not a number up to 0")
    return math.exp(min(logprob, 0.0))


def level_masses(candidates: Iterable[tuple[str, float]]) -> dict[int, float]:
    """Probability mass by level, not normalised.

    Args:
        candidates: Token and natural-log probability; a token that occurs twice (a server that
            lists the chosen token beside its alternatives) counts once.

    Raises:
        BrokenReplyError: The log-probability of a level is none.
    """
    masses: dict[int, float] = {}
    for token, logprob in dict(candidates).items():
        level = level_of(token)
        if level is not None:
            masses[level] = masses.get(level, 0.0) + probability(logprob)
    return masses


def expectation(masses: dict[int, float]) -> float | None:
    """The mean level, in [0, 10], after renormalising; None without any mass."""
    total = math.fsum(masses.values())
    if total <= 0:
        return None
    return math.fsum(level * mass for level, mass in masses.items()) / total
