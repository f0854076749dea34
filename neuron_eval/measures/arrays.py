"""True and predicted activations of the tokens that count, and what is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuron_eval.stats import is_constant, pearson

ALPHA = 0.005
"""The share of a neuron's tokens, the highest ones, that counts as active."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compared:
    """N tokens that count, each array of shape [N]; see `measures`."""

    true: Values
    predicted: Values
    active: NDArray[np.bool_]
    weights: Values | None  # the largest is 1; None if all are alike

    @property
    def shares(self) -> Values:
        """The weights, with a sum of 1."""
        weights = np.ones_like(self.true) if self.weights is None else self.weights
        return np.asarray(weights / weights.sum())

    @property
    def soft(self) -> Values:
        """How far each token is predicted to be active, in [0, 1]."""
        return np.clip(self.predicted, 0.0, 1.0)

    @property
    def hits(self) -> float:
        return float((self.shares * self.active) @ self.soft)

    @property
    def positives(self) -> float:
        return float(self.shares @ self.active)

    @property
    def called(self) -> float:
        """The share predicted to be active."""
        return float(self.shares @ self.soft)

    @property
    def negatives(self) -> float:
        return float(self.shares @ ~self.active)

    @property
    def rejected(self) -> float:
        """The share of tokens that are silent and predicted to be."""
        return float((self.shares * ~self.active) @ (1 - self.soft))


def compared(
    true: ArrayLike, predicted: ArrayLike, active: ArrayLike, weights: ArrayLike | None = None
) -> Compared:
    """Checked arrays without the tokens of weight 0; arguments and errors are `measures`'."""
    t, p = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    a = np.asarray(active, dtype=np.bool_)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    arrays = [t, p, a] if w is None else [t, p, a, w]
    if t.ndim != 1 or any(array.shape != t.shape for array in arrays):
        raise ValueError(f"expected arrays of one shape [N], got {[x.shape for x in arrays]}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("expected finite values only")
    if w is None:
        return Compared(t, p, a, None)
    if (w < 0).any():
        raise ValueError("expected weights of at least 0")
    w = w / (w.max(initial=0.0) or 1.0)
    counted = w > 0
    return Compared(t[counted], p[counted], a[counted], w[counted])


def threshold(
    natural: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    levels: Sequence[float] = (),
    boundaries: Sequence[float] = (),
    alpha: float = ALPHA,
) -> float:
    """The raw activation, at least 0, that a token must exceed to count as active.

    Where a record's levels reach 1 - alpha, it is the boundary there; between two levels it is
    interpolated, linearly in the logarithm of the share above. Otherwise it is the highest value
    that at least a share alpha of the given tokens exceeds. Tokens that tie are active together or
    not at all. Never below 0: where less than the share alpha fires, whatever fires is active, and
    of a silent neuron nothing is.

    Args:
        natural: Raw activations in a sample of natural text, shape [N].
        weights: How much each token counts, shape [N]; None if all count alike.
        levels: The levels of a record's quantile boundaries, ascending, each in (0, 1).
        boundaries: The activations at these levels.
        alpha: The share of tokens that is active, in (0, 1).
    """
    if levels and levels[-1] >= 1 - alpha - 1e-12:
        surprise = -np.log1p(-np.asarray(levels, dtype=np.float64))
        return max(float(np.interp(-np.log(alpha), surprise, boundaries)), 0.0)
    values = np.asarray(natural, dtype=np.float64)
    if not values.size:
        return 0.0
    counts = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    distinct, place = np.unique(values, return_inverse=True)
    share = np.bincount(place, counts) / counts.sum()
    above = np.append(np.cumsum(share[::-1])[::-1][1:], 0.0)  # the share that exceeds each
    exceeded = distinct[above >= alpha - 1e-12]
    return max(float(exceeded.max(initial=0.0)), 0.0)


def labelled(value: Callable[[Compared], float | None]) -> Callable[[Compared], float | None]:
    """None unless some tokens are active and some are not: else there is nothing to tell apart."""

    def checked(given: Compared) -> float | None:
        return value(given) if given.active.any() and not given.active.all() else None

    return checked


def pearson_of(given: Compared) -> float | None:
    return pearson(given.true, given.predicted, given.weights)


def spearman(given: Compared) -> float | None:
    if not given.true.size or is_constant(given.true) or is_constant(given.predicted):
        return None
    true, predicted = _ranks(given.true, given.shares), _ranks(given.predicted, given.shares)
    return pearson(true, predicted, given.weights)


def _ranks(values: Values, shares: Values) -> Values:
    """The share below each value and half of that at it: tokens count by their weights."""
    _, place = np.unique(values, return_inverse=True)
    share = np.bincount(place, shares)
    return np.asarray((np.cumsum(share) - share / 2)[place])


def cosine(given: Compared) -> float | None:
    t, p = np.abs(given.true).max(), np.abs(given.predicted).max()
    if t == 0 or p == 0:
        return None
    root = np.sqrt(given.shares)
    true, predicted = root * (given.true / t), root * (given.predicted / p)
    return float(true @ predicted / (np.linalg.norm(true) * np.linalg.norm(predicted)))


@labelled
def auprc(given: Compared) -> float:
    from sklearn.metrics import average_precision_score

    return float(
        average_precision_score(given.active, given.predicted, sample_weight=given.weights)
    )


@labelled
def auroc(given: Compared) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(given.active, given.predicted, sample_weight=given.weights))


@labelled
def f1(given: Compared) -> float:
    return 2 * given.hits / (given.positives + given.called)


@labelled
def iou(given: Compared) -> float:
    return given.hits / (given.positives + given.called - given.hits)


@labelled
def recall(given: Compared) -> float:
    return given.hits / given.positives


@labelled
def precision(given: Compared) -> float | None:
    return given.hits / given.called if given.called > 0 else None


@labelled
def accuracy(given: Compared) -> float:
    return given.hits + given.rejected


@labelled
def balanced_accuracy(given: Compared) -> float:
    return (given.hits / given.positives + given.rejected / given.negatives) / 2
