"""How sure a mean over neurons is: one bootstrap interval for logs, tables and figures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95

RESAMPLES = 10_000
SEED = 0

BATCH = 1_000
"""Resamples in memory at a time."""


def mean_interval(
    values: ArrayLike, method: str = "widened", level: float = LEVEL
) -> tuple[float, float] | None:
    """Bootstrap interval of the mean, over neurons.

    Seeded, so the same values give the same interval, in whatever order they come.

    Args:
        values: Scores or differences, shape [N], finite, one a neuron.
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
    found = bootstrap(
        (np.sort(array),),
        np.mean,
        confidence_level=widened_level(array.size, level) if method == "widened" else level,
        n_resamples=RESAMPLES,
        batch=BATCH,
        method="percentile" if method == "widened" else method,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


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
