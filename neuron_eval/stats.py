"""The numbers of a score, and how sure their mean is; ``None`` where there is no measurement.

Definitions follow Bills et al. 2023: correlation and explained variance over the concatenation of
all scored excerpts, not the mean over excerpts.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class LinearCalibration:
    """true = slope * predicted + intercept, in raw activation; same shape."""

    slope: float
    intercept: float

    def __call__(self, predicted: ArrayLike) -> NDArray[np.float64]:
        return self.slope * np.asarray(predicted, dtype=np.float64) + self.intercept


@dataclass(frozen=True, slots=True)
class PercentileCalibration:
    """Each prediction becomes the true activation at its own percentile, between known points."""

    predicted: tuple[float, ...]  # distinct ones of the calibration split, ascending, shape [K]
    true: tuple[float, ...]  # the raw activation at each one's percentile, ascending, shape [K]

    def __call__(self, predicted: ArrayLike) -> NDArray[np.float64]:
        return np.interp(np.asarray(predicted, dtype=np.float64), self.predicted, self.true)


Calibrator = LinearCalibration | PercentileCalibration

CONSTANT = 1e-12  # values whose spread is below this share of the largest differ by rounding alone


def is_constant(values: ArrayLike) -> bool:
    """Whether finite values, shape [N], N >= 1, are all the same but for rounding.

    An expectation is a sum of up to 11 products, and the same distribution need not give the same
    last digits twice.
    """
    v = _unit(np.asarray(values, dtype=np.float64))
    return bool(np.ptp(v) <= CONSTANT)


def pearson(
    true: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> float | None:
    """Pearson correlation of two arrays of shape [N], in [-1, 1].

    ``weights``, above 0, shape [N], say how much each value counts; None if all count alike. None
    if a side is constant (see `is_constant`) or has fewer than two values: nothing was measured.

    Raises:
        ValueError: The shapes differ, or a value is not finite.
    """
    t, p = _pair(true, predicted)
    if t.size < 2 or is_constant(t) or is_constant(p):
        return None
    t, p = _unit(t), _unit(p)
    if weights is not None:
        root = np.sqrt(_unit(np.asarray(weights, dtype=np.float64)))
        t, p = (root * (v - np.average(v, weights=root**2)) for v in (t, p))
        t, p = _unit(t), _unit(p)
        norms = float(np.linalg.norm(t) * np.linalg.norm(p))
        return float(np.clip(t @ p / norms, -1, 1)) if norms else None
    t, p = _unit(t - t.mean()), _unit(p - p.mean())
    correlation = float(np.corrcoef(t, p)[0, 1])
    return correlation if np.isfinite(correlation) else None


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same values with the largest at 1 or -1, so that squares neither vanish nor overflow."""
    largest = np.abs(values).max()
    return values / largest if largest else values


def _in_range(
    true: NDArray[np.float64], predicted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both times the power of two that brings the largest true value near 1: no digit changes."""
    _, exponent = np.frexp(np.abs(true).max(initial=0.0))
    return np.ldexp(true, -exponent), np.ldexp(predicted, -exponent)


def r_squared(true: ArrayLike, predicted: ArrayLike) -> float | None:
    """1 - mean((t - p)²) / mean(t²), at most 1; None if every true value is 0."""
    t, p = _in_range(*_pair(true, predicted))
    return _share_explained(t**2, (t - p) ** 2)


def absolute_deviation_explained(true: ArrayLike, predicted: ArrayLike) -> float | None:
    """1 - mean|t - p| / mean|t|, at most 1; None if every true value is 0."""
    t, p = _in_range(*_pair(true, predicted))
    return _share_explained(np.abs(t), np.abs(t - p))


def _share_explained(total: NDArray[np.float64], left: NDArray[np.float64]) -> float | None:
    scale = float(np.mean(total)) if total.size else 0.0
    return None if scale == 0 else 1 - float(np.mean(left)) / scale


def fit_linear(true: ArrayLike, predicted: ArrayLike) -> LinearCalibration | None:
    """Least squares on the calibration split, shapes [N]; None if predictions are constant."""
    from sklearn.linear_model import LinearRegression

    t, p = _pair(true, predicted)
    if p.size < 2 or is_constant(p):
        return None
    _, exponent = np.frexp(np.abs(t).max())
    # Near 1, where no square overflows; a power of two changes no digit.
    line = LinearRegression().fit(p.reshape(-1, 1), np.ldexp(t, -exponent))
    slope, intercept = np.ldexp([line.coef_[0], line.intercept_], exponent)
    return LinearCalibration(float(slope), float(intercept))


def fit_percentiles(true: ArrayLike, predicted: ArrayLike) -> PercentileCalibration | None:
    """Match the distribution of predictions to that of the truth on the calibration split.

    Equal predictions share the mean of their percentiles. None if all are: they have none.
    """
    t, p = _pair(true, predicted)
    if p.size < 2 or is_constant(p):
        return None
    points, counts = np.unique(p, return_counts=True)
    middle = (np.cumsum(counts) - (counts + 1) / 2) / (p.size - 1)
    true = np.quantile(t, middle)
    return PercentileCalibration(tuple(map(float, points)), tuple(map(float, true)))


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"expected two arrays of one shape [N], got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("expected finite values only")
    return x, y


LEVEL = 0.95
RESAMPLES = 10_000
SEED = 0
BATCH = 1_000  # resamples in memory at a time


def mean_interval(
    values: ArrayLike, method: str = "widened", level: float = LEVEL
) -> tuple[float, float] | None:
    """Bootstrap interval of the mean, over neurons.

    Seeded, so the same values give the same interval, in whatever order they come.

    Args:
        values: Scores or differences, shape [N], finite, one per neuron.
        method: ``widened`` takes percentiles at `widened_level`; ``percentile`` and ``BCa`` are
            scipy's as they are, for comparison.
        level: Coverage, in (0, 1).

    Returns:
        Lower and upper end; None for fewer than two neurons.

    Raises:
        ValueError: A value is not finite.
    """
    from scipy.stats import bootstrap

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers of shape [N], got shape {array.shape}")
    if array.size < 2:
        return None
    if np.ptp(array) == 0:
        return float(array[0]), float(array[0])
    interval = bootstrap(
        (np.sort(array),),
        np.mean,
        confidence_level=widened_level(array.size, level) if method == "widened" else level,
        n_resamples=RESAMPLES,
        batch=BATCH,
        method="percentile" if method == "widened" else method,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def half_width(values: ArrayLike, level: float = LEVEL) -> float:
    """Half of Student's interval of the mean of values of shape [N]; infinite if N < 2.

    For what is asked often: `mean_interval` takes a hundred times as long, and is about as wide.
    """
    from scipy.stats import t

    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return math.inf
    reach = float(t.ppf((1 + level) / 2, array.size - 1))
    return reach * float(array.std(ddof=1)) / math.sqrt(array.size)


def widened_level(n: int, level: float = LEVEL) -> float:
    """The level at which a percentile interval of a mean of ``n`` values covers ``level``.

    Percentiles of resampled means are too near to each other for a small sample: the bootstrap
    divides by n where the variance needs n - 1, and it knows nothing of Student's t. Hesterberg
    (2015, The American Statistician 69, 371) takes percentiles further out instead, so that they
    are as wide as the t interval where the values are normal, and still follow the skew where
    they are not. benchmarks/coverage.py measures both.
    """
    from scipy.stats import norm, t

    if n < 2:
        return level
    reach = math.sqrt(n / (n - 1)) * float(t.ppf((1 + level) / 2, n - 1))
    return float(1 - 2 * norm.sf(reach))
