"""The report's statistics: numbers of neurons in, numbers out, ``None`` where there are none.

A neuron is the unit. Its epochs are averaged before anything here sees them, so that resampling
neurons resamples whole clusters of epochs.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuron_eval.stats import LEVEL, SEED, mean_interval

TIE = 1e-12  # differences up to here are none
FEW = 20  # with fewer neurons an interval holds the truth less often than it says
RESAMPLES = 1_000  # of neurons, for an interval of a statistic that is no mean
Places = NDArray[np.intp]  # which points, in what order and how often
POWER = 0.8
SIGNIFICANCE = 0.05
MOST_NEURONS = 10**7  # where the search for the number of neurons needed ends
# In standard deviations; two neurons show it, and scipy's distributions hold up to here.
LARGEST_EFFECT = 50.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, or another statistic, over n neurons, with its 95 % interval.

    Without an interval, as for a single neuron, its ends are None.
    """

    mean: float
    lower: float | None
    upper: float | None
    n: int

    @property
    def ends(self) -> tuple[float, float]:
        """The interval's; without one the mean itself, twice."""
        if self.lower is None or self.upper is None:
            return self.mean, self.mean
        return self.lower, self.upper


@dataclass(frozen=True, slots=True)
class Paired(Estimate):
    """Differences on the same neurons, this minus the baseline, and how many are positive.

    The p is the uncorrected one of `signed_rank`; ``needed`` is from `neurons_needed`.
    """

    wins: int
    ties: int
    losses: int
    p: float | None
    needed: int | None


def estimate(values: ArrayLike) -> Estimate | None:
    """The mean of values of shape [N], finite, one per neuron; None if N is 0."""
    array = _finite(values)
    if not array.size:
        return None
    lower, upper = mean_interval(array) or (None, None)
    return Estimate(float(array.mean()), lower, upper, array.size)


def paired(values: ArrayLike, baseline: ArrayLike) -> Paired | None:
    """Compare two finite arrays, shape [N], of the same neurons in order; None if N is 0."""
    own, other = _finite(values), _finite(baseline)
    if own.shape != other.shape:
        raise ValueError(f"expected the same neurons on both sides: {own.shape}, {other.shape}")
    differences = own - other
    differences[np.abs(differences) <= TIE] = 0.0
    mean = estimate(differences)
    if mean is None:
        return None
    return Paired(
        *(mean.mean, mean.lower, mean.upper, mean.n),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        p=signed_rank(differences),
        needed=neurons_needed(differences),
    )


def told_apart(values: ArrayLike, baseline: ArrayLike) -> bool:
    """As `paired`: whether the interval of the difference leaves out 0; False for one neuron."""
    interval = mean_interval(_finite(values) - _finite(baseline))
    return interval is not None and (interval[0] > TIE or interval[1] < -TIE)


def signed_rank(differences: ArrayLike) -> float | None:
    """The two-sided p of Wilcoxon's signed-rank test without zeros; None if nothing is left."""
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
    """Holm's correction over a family of those tested; scipy has Benjamini and Hochberg's only."""
    tested = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        corrected[i] = highest
    return corrected


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Rank correlation of shapes [N], in [-1, 1]; None if a side is constant or N below 3."""
    from scipy.stats import spearmanr

    x, y = _finite(a), _finite(b)
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(spearmanr(x, y).statistic)


def neurons_needed(differences: ArrayLike) -> int | None:
    """How many neurons a difference of this size needs for 80 % power.

    For a two-sided paired t test at 0.05, if the mean and the standard deviation of the
    differences are those that were seen; from 2 to `MOST_NEURONS`. None where the mean difference
    is 0 or there are fewer than two neurons.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.size < 2 or abs(array.mean()) <= TIE:
        return None
    spread = float(array.std(ddof=1))
    effect = abs(float(array.mean())) / spread if spread > 0 else math.inf
    effect, few, enough = min(effect, LARGEST_EFFECT), 1, 2
    while enough < MOST_NEURONS and power(effect, enough) < POWER:
        few, enough = enough, min(2 * enough, MOST_NEURONS)
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if power(effect, middle) < POWER else (few, middle)
    return enough


def power(effect: float, n: int) -> float:
    """Power of the two-sided paired t test at 0.05, of ``effect`` standard deviations."""
    from scipy.stats import nct, t

    limit, shift = float(t.ppf(1 - SIGNIFICANCE / 2, n - 1)), effect * math.sqrt(n)
    return float(nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift))


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("expected finite values of shape [N]")
    return array


def clustered(
    counts: Sequence[int], statistic: Callable[[Places], float | None], resamples: int = RESAMPLES
) -> Estimate | None:
    """A statistic with its percentile bootstrap interval over neurons; None if it has no value.

    By hand: scipy's bootstrap resamples points and not clusters of them, and knows no None. There
    is no interval for fewer than three neurons, nor where a tenth of the resamples has no value.

    Args:
        counts: How many points each neuron has, shape [N]; the first neuron's points come first.
        statistic: From the places of points, drawn with their neurons, to a number or None.
        resamples: How often to draw; 0 for no interval.
    """
    starts = np.concatenate(([0], np.cumsum(counts)))
    value = statistic(np.arange(starts[-1]))
    if value is None:
        return None
    if not resamples or len(counts) < 3:
        return Estimate(value, None, None, len(counts))
    points = np.split(np.arange(starts[-1]), starts[1:-1])
    drawn = np.random.default_rng(SEED).integers(len(counts), size=(resamples, len(counts)))
    resampled = [statistic(np.concatenate([points[i] for i in neurons])) for neurons in drawn]
    values = [value for value in resampled if value is not None]
    if len(values) < 0.9 * resamples:
        return Estimate(value, None, None, len(counts))
    rest = 100 * (1 - LEVEL) / 2
    lower, upper = np.percentile(values, (rest, 100 - rest))
    return Estimate(value, float(lower), float(upper), len(counts))
