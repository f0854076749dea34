"""The report's statistics: numbers of neurons in, numbers out, ``None`` where there are none.

A neuron is the unit. Its epochs are averaged before anything here sees them, so that resampling
neurons resamples whole clusters of epochs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuron_eval.report.power import neurons_needed
from neuron_eval.stats import mean_interval

TIE = 1e-12
"""Differences up to here are none."""

FEW = 20
"""With fewer neurons an interval holds the truth less often than it says."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over neurons with its 95 % interval."""

    mean: float
    """The mean."""

    lower: float | None
    """Lower end of the bootstrap interval; None for a single neuron."""

    upper: float | None
    """Upper end."""

    n: int
    """How many neurons, at least 1."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Differences on the same neurons: this minus the baseline."""

    difference: float
    """The mean difference."""

    lower: float | None
    """Lower end of its 95 % cluster bootstrap interval; None for a single neuron."""

    upper: float | None
    """Upper end."""

    wins: int
    """Neurons on which the difference is positive."""

    ties: int
    """Neurons on which it is none, up to `TIE`."""

    losses: int
    """Neurons on which it is negative."""

    p: float | None
    """Wilcoxon signed-rank test, two-sided, uncorrected; None if every neuron is a tie."""

    needed: int | None
    """Neurons that show such a difference with 80 % power, see `neuron_eval.report.power`."""

    @property
    def n(self) -> int:
        """How many neurons."""
        return self.wins + self.ties + self.losses


def estimate(values: ArrayLike) -> Estimate | None:
    """The mean of values of shape [N], finite, one a neuron; None if N is 0."""
    array = _finite(values)
    if not array.size:
        return None
    lower, upper = mean_interval(array) or (None, None)
    return Estimate(float(array.mean()), lower, upper, array.size)


def paired(values: ArrayLike, baseline: ArrayLike) -> Paired | None:
    """Compare two arrays of shape [N], finite, of the same neurons in the same order.

    Returns:
        None if N is 0.

    Raises:
        ValueError: The shapes differ, or a value is not finite.
    """
    mine, other = _finite(values), _finite(baseline)
    if mine.shape != other.shape:
        raise ValueError(f"expected the same neurons on both sides: {mine.shape}, {other.shape}")
    if not mine.size:
        return None
    differences = mine - other
    differences[np.abs(differences) <= TIE] = 0.0
    lower, upper = mean_interval(differences) or (None, None)
    return Paired(
        difference=float(differences.mean()),
        lower=lower,
        upper=upper,
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        p=signed_rank(differences),
        needed=neurons_needed(differences),
    )


def told_apart(values: ArrayLike, baseline: ArrayLike) -> bool:
    """Whether the 95 % interval of the mean difference leaves out 0.

    Args:
        values: Shape [N], finite, one a neuron.
        baseline: The same neurons in the same order.

    Returns:
        False if there are fewer than two neurons, and so no interval.
    """
    interval = mean_interval(_finite(values) - _finite(baseline))
    return interval is not None and (interval[0] > TIE or interval[1] < -TIE)


def signed_rank(differences: ArrayLike) -> float | None:
    """The two-sided p of Wilcoxon's signed-rank test; None if no difference is left to rank.

    Zeros are left out, as Wilcoxon has it; scipy chooses between the exact and the approximate
    distribution.
    """
    from scipy.stats import wilcoxon

    array = _finite(differences)
    if not (array != 0).any():
        return None
    with warnings.catch_warnings():
        # scipy warns where it cannot be exact; there is nothing that a reader could do.
        warnings.simplefilter("ignore")
        p = float(wilcoxon(array).pvalue)
    return p if math.isfinite(p) else None


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over a family of tests; what was not tested is not of the family."""
    tested = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        corrected[i] = highest
    return corrected


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Rank correlation of two arrays of shape [N], in [-1, 1].

    Returns:
        None if a side is constant or N is below 3: there is nothing to rank.
    """
    from scipy.stats import spearmanr

    x, y = _finite(a), _finite(b)
    if x.shape != y.shape:
        raise ValueError(f"expected two arrays of one shape, got {x.shape} and {y.shape}")
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(spearmanr(x, y).statistic)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("expected finite values of shape [N]")
    return array
