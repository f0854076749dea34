"""How many neurons it takes to show a difference."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

POWER = 0.8
SIGNIFICANCE = 0.05

NO_DIFFERENCE = 1e-12
"""Mean differences up to here are none."""

MOST_NEURONS = 10**7
"""Where the search ends."""

LARGEST_EFFECT = 50.0
"""In standard deviations; two neurons show it, and scipy's distributions hold up to here."""


def neurons_needed(differences: ArrayLike) -> int | None:
    """How many neurons a difference of this size needs for 80 % power.

    For a two-sided paired t test at 0.05, if the mean and the standard deviation of the
    differences are those that were seen.

    Returns:
        At least 2 and at most `MOST_NEURONS`; None where the mean difference is 0 or there are
        fewer than two neurons.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.size < 2 or abs(array.mean()) <= NO_DIFFERENCE:
        return None
    spread = float(array.std(ddof=1))
    effect = abs(float(array.mean())) / spread if spread > 0 else math.inf
    return _fewest(min(effect, LARGEST_EFFECT))


def power(effect: float, n: int) -> float:
    """Power of the two-sided paired t test at 0.05, of ``effect`` standard deviations."""
    from scipy.stats import nct, t

    limit, shift = float(t.ppf(1 - SIGNIFICANCE / 2, n - 1)), effect * math.sqrt(n)
    return float(nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift))


def _fewest(effect: float) -> int:
    """The smallest number of neurons with enough power, by bisection."""
    enough = 2
    while enough < MOST_NEURONS and power(effect, enough) < POWER:
        enough = min(2 * enough, MOST_NEURONS)
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if power(effect, middle) < POWER else (few, middle)
    return max(enough, 2)
