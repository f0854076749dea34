"""How well predicted activations match true ones, by each measure in use; ``None`` if undefined.

Which of them notice an explanation that is too narrow or too broad is the question of Oikarinen et
al. 2025 (arXiv 2506.05774); `Measure.unnoticed` gives the answer for each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuron_eval.stats import is_constant, pearson

ALPHA = 0.005  # the share of a neuron's tokens, the highest ones, that counts as active
_CONSTANT = "the true or the predicted activations are all alike"
_ONE_CLASS = "no token is active, or every one is"
_S_AND_Q = "where s is the share active and q the mean prediction"
_BROAD = "an explanation that fits twice as much as it should"
_TOP = f"{_BROAD}, where top excerpts are added to natural text"
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
        return float(self.shares @ self.soft)

    @property
    def negatives(self) -> float:
        return float(self.shares @ ~self.active)

    @property
    def rejected(self) -> float:
        """The share of tokens that are silent and predicted to be."""
        return float((self.shares * ~self.active) @ (1 - self.soft))


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


def _spearman(given: Compared) -> float | None:
    if is_constant(given.true) or is_constant(given.predicted):
        return None
    true, predicted = _ranks(given.true, given.shares), _ranks(given.predicted, given.shares)
    return pearson(true, predicted, given.weights)


def _ranks(values: Values, shares: Values) -> Values:
    """The share below each value and half of that at it: tokens count by their weights."""
    _, place = np.unique(values, return_inverse=True)
    share = np.bincount(place, shares)
    return np.asarray((np.cumsum(share) - share / 2)[place])


def _cosine(given: Compared) -> float | None:
    t, p = np.abs(given.true).max(), np.abs(given.predicted).max()
    if not (t and p):
        return None
    root = np.sqrt(given.shares)
    true, predicted = root * (given.true / t), root * (given.predicted / p)
    return float(true @ predicted / (np.linalg.norm(true) * np.linalg.norm(predicted)))


def _by_sklearn(name: str, given: Compared) -> float:
    from sklearn import metrics

    score = getattr(metrics, name)
    return float(score(given.active, given.predicted, sample_weight=given.weights))


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for a neuron's predicted activations.

    Its formula calls the true activations t, the predicted ones p, and whether a token is active a,
    which is 1 or 0.
    """

    label: str  # for tables; its name is that in small letters
    value: Callable[[Compared], float | None]
    formula: str
    chance: str  # its value for predictions that are independent of the truth
    unnoticed: str = _TOP  # what hardly lowers it
    undefined: str = _ONE_CLASS  # when it is None
    two_classes: bool = True  # whether some tokens must be active and some not
    low: float = 0.0  # of its theoretical range
    high: float = 1.0

    def of(self, given: Compared) -> float | None:
        active = given.active
        nothing = not active.size or (self.two_classes and active.all() == active.any())
        value = None if nothing else self.value(given)
        return None if value is None else float(min(max(value, self.low), self.high))


def measures(
    true: ArrayLike, predicted: ArrayLike, active: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, float | None]:
    """Every measure of `MEASURES` by name; None where it is undefined.

    Args:
        true: Raw activations, shape [N].
        predicted: Predicted activations, shape [N], where 1 is fully active. What is below 0 or
            above 1 counts as 0 or 1 wherever predictions are compared with `active`.
        active: Which true activations count as active, shape [N].
        weights: How much each token counts, at least 0, shape [N]; None if all count alike.

    Raises:
        ValueError: Shapes differ, a value is not finite, or a weight is negative.
    """
    t, p = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    a = np.asarray(active, dtype=np.bool_)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    arrays = [t, p, a] if w is None else [t, p, a, w]
    if t.ndim != 1 or any(array.shape != t.shape for array in arrays):
        raise ValueError(f"expected arrays of one shape [N], got {[x.shape for x in arrays]}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("expected finite values only")
    if w is not None:
        if (w < 0).any():
            raise ValueError("expected weights of at least 0")
        w = w / (w.max(initial=0.0) or 1.0)
        counted = w > 0
        t, p, a, w = t[counted], p[counted], a[counted], w[counted]
    given = Compared(t, p, a, w)
    return {name: measure.of(given) for name, measure in MEASURES.items()}


MEASURES: Mapping[str, Measure] = {
    measure.label.lower().replace(" ", "_"): measure
    for measure in (
        Measure(
            "Pearson", lambda c: pearson(c.true, c.predicted, c.weights),
            "cov(t, p) / (sd(t) sd(p))", "0",
            undefined=_CONSTANT, two_classes=False, low=-1.0,
        ),
        Measure(
            "Spearman", _spearman, "Pearson of the ranks; ties share their mean", "0",
            f"{_BROAD}: most ranks are those of silent tokens", _CONSTANT, False, -1.0,
        ),
        Measure(
            "Cosine", _cosine, "Σtp / √(Σt² Σp²)",
            "mean(t) mean(p) / √(mean(t²) mean(p²)), where t is true and p predicted",
            undefined="the true or the predicted activations are all 0",
            two_classes=False, low=-1.0,
        ),
        Measure(
            "AUPRC", lambda c: _by_sklearn("average_precision_score", c),
            "Σ recall gained × precision, over thresholds of p", "the share of active tokens",
        ),
        Measure(
            "F1", lambda c: 2 * c.hits / (c.positives + c.called),
            "2 Σap / (Σa + Σp)", f"2sq / (s + q), {_S_AND_Q}",
        ),
        Measure(
            "IoU", lambda c: c.hits / (c.positives + c.called - c.hits),
            "Σap / (Σa + Σp - Σap)", f"sq / (s + q - sq), {_S_AND_Q}",
        ),
        Measure(
            "AUROC", lambda c: _by_sklearn("roc_auc_score", c),
            "share of pairs (active, silent) that p orders rightly", "0.5",
            f"{_BROAD}: most tokens stay silent",
        ),
        Measure(
            "Recall", lambda c: c.hits / c.positives, "Σap / Σa", "the mean prediction",
            "an explanation that fits more than it should, even everything",
        ),
        Measure(
            "Precision", lambda c: c.hits / c.called if c.called > 0 else None,
            "Σap / Σp", "the share of active tokens",
            "an explanation that fits half of what it should",
            "no token is active, or every one is, or the predictions are all 0",
        ),
        Measure(
            "Accuracy", lambda c: c.hits + c.rejected,
            "mean of ap + (1 - a)(1 - p)", f"sq + (1 - s)(1 - q), {_S_AND_Q}",
            "an explanation that fits half or twice of what it should: nearly all is silent",
        ),
        Measure(
            "Balanced accuracy", lambda c: (c.hits / c.positives + c.rejected / c.negatives) / 2,
            "(Σap / Σa + Σ(1 - a)(1 - p) / Σ(1 - a)) / 2", "0.5",
            f"{_BROAD}: most tokens stay silent",
        ),
    )
}  # fmt: skip
