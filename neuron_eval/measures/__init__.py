"""How well predicted activations match true ones, by each measure in use; ``None`` if undefined.

Which of them notice an explanation that is too narrow or too broad is the question of Oikarinen et
al. 2025 (arXiv 2506.05774); `Measure.unnoticed` gives the answer for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from neuron_eval.measures.arrays import (
    ALPHA,
    Compared,
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    compared,
    cosine,
    f1,
    iou,
    pearson_of,
    precision,
    recall,
    spearman,
    threshold,
)

__all__ = ["ALPHA", "MEASURES", "Measure", "measures", "threshold"]

_CONSTANT = "the true or the predicted activations are all alike"
_ONE_CLASS = "no token is active, or every one is"
_S_AND_Q = "where s is the share active and q the mean prediction"
_BROAD = "an explanation that fits twice as much as it should"
_TOP = f"{_BROAD}, where top excerpts are added to natural text"


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for a neuron's predicted activations.

    Its formula calls the true activations t, the predicted ones p, and whether a token is active a,
    which is 1 or 0.
    """

    name: str
    label: str  # for tables
    value: Callable[[Compared], float | None]
    formula: str
    chance: str  # its value for predictions that are independent of the truth
    unnoticed: str = _TOP  # what hardly lowers it
    undefined: str = _ONE_CLASS  # when it is None
    low: float = 0.0  # of its theoretical range
    high: float = 1.0

    def compute(
        self,
        true: ArrayLike,
        predicted: ArrayLike,
        active: ArrayLike,
        weights: ArrayLike | None = None,
    ) -> float | None:
        """The measure in [`low`, `high`], or None; arguments and errors are `measures`'."""
        return self.of(compared(true, predicted, active, weights))

    def of(self, given: Compared) -> float | None:
        value = self.value(given) if given.true.size else None
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
    given = compared(true, predicted, active, weights)
    return {name: measure.of(given) for name, measure in MEASURES.items()}


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "pearson",
            "Pearson",
            pearson_of,
            "cov(t, p) / (sd(t) sd(p))",
            "0",
            undefined=_CONSTANT,
            low=-1.0,
        ),
        Measure(
            "spearman",
            "Spearman",
            spearman,
            "Pearson of the ranks; ties share their mean",
            "0",
            f"{_BROAD}: most ranks are those of silent tokens",
            _CONSTANT,
            -1.0,
        ),
        Measure(
            "cosine",
            "Cosine",
            cosine,
            "Σtp / √(Σt² Σp²)",
            "mean(t) mean(p) / √(mean(t²) mean(p²)), where t is true and p predicted",
            undefined="the true or the predicted activations are all 0",
            low=-1.0,
        ),
        Measure(
            "auprc",
            "AUPRC",
            auprc,
            "Σ recall gained × precision, over thresholds of p",
            "the share of active tokens",
        ),
        Measure("f1", "F1", f1, "2 Σap / (Σa + Σp)", f"2sq / (s + q), {_S_AND_Q}"),
        Measure("iou", "IoU", iou, "Σap / (Σa + Σp - Σap)", f"sq / (s + q - sq), {_S_AND_Q}"),
        Measure(
            "auroc",
            "AUROC",
            auroc,
            "share of pairs (active, silent) that p orders rightly",
            "0.5",
            f"{_BROAD}: most tokens stay silent",
        ),
        Measure(
            "recall",
            "Recall",
            recall,
            "Σap / Σa",
            "the mean prediction",
            "an explanation that fits more than it should, even everything",
        ),
        Measure(
            "precision",
            "Precision",
            precision,
            "Σap / Σp",
            "the share of active tokens",
            "an explanation that fits half of what it should",
            "no token is active, or every one is, or the predictions are all 0",
        ),
        Measure(
            "accuracy",
            "Accuracy",
            accuracy,
            "mean of ap + (1 - a)(1 - p)",
            f"sq + (1 - s)(1 - q), {_S_AND_Q}",
            "an explanation that fits half or twice of what it should: nearly all is silent",
        ),
        Measure(
            "balanced_accuracy",
            "Balanced accuracy",
            balanced_accuracy,
            "(Σap / Σa + Σ(1 - a)(1 - p) / Σ(1 - a)) / 2",
            "0.5",
            f"{_BROAD}: most tokens stay silent",
        ),
    )
}
"""Every measure by name."""
