"""Statistics of agreement: Krippendorff's alpha, and intervals of what is no mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuron_eval.stats import LEVEL, SEED

RESAMPLES = 1_000
"""Of neurons, for an interval of a statistic that is no mean."""

Value = float | str
Unit = Sequence[Value]
"""What several raters said of one thing."""

Places = NDArray[np.intp]
"""Which points, in what order and how often."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A statistic in [-1, 1] with its 95 % interval: None if not asked for, or not to be had."""

    value: float
    lower: float | None
    upper: float | None


def krippendorff(
    neurons: Sequence[Sequence[Unit]],
    level: Literal["nominal", "ordinal"],
    interval: bool = True,
) -> Agreement | None:
    """Krippendorff's alpha, as Inspect has it.

    Args:
        neurons: Of each neuron its units, each with what two raters or more said.
        level: ``ordinal`` for ratings, ``nominal`` for choices.
        interval: Whether to resample neurons for an interval.

    Returns:
        None if there are no units, or everybody said the same of everything: nothing can be told
        from chance then.
    """
    from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha

    values = [frozenset(unit) for units in neurons for unit in units]
    if not values:
        return None
    alpha = krippendorff_alpha(level)
    scores = [SampleScore(score=Score(value=list(unit))) for units in neurons for unit in units]

    def statistic(chosen: Places) -> float | None:
        # Where everybody always says the same, Inspect's alpha is 1 by convention.
        if len(frozenset().union(*(values[i] for i in chosen))) < 2:
            return None
        return float(alpha([scores[i] for i in chosen]))  # type: ignore[arg-type]

    # Inspect's takes 3 ms for 1,000 units.
    resamples = max(200, min(RESAMPLES, 400_000 // len(scores)))
    return clustered([len(units) for units in neurons], statistic, resamples if interval else 0)


def clustered(
    counts: Sequence[int],
    statistic: Callable[[Places], float | None],
    resamples: int = RESAMPLES,
) -> Agreement | None:
    """A statistic with its percentile bootstrap interval over neurons.

    By hand: scipy's bootstrap resamples points and not clusters of them, and knows no None.

    Args:
        counts: How many points each neuron has, shape [N]; the points of a neuron follow each
            other, those of the first neuron first.
        statistic: From the places of points, drawn with their neurons, to a number; None where
            it has none.
        resamples: How often to draw; 0 for no interval.

    Returns:
        None if the statistic has no value. There is no interval for fewer than three neurons, nor
        where it has no value in a tenth of the resamples.
    """
    starts = np.concatenate(([0], np.cumsum(counts)))
    value = statistic(np.arange(starts[-1]))
    if value is None:
        return None
    if not resamples or len(counts) < 3:
        return Agreement(value, None, None)
    points = [np.arange(starts[i], starts[i + 1]) for i in range(len(counts))]
    drawn = np.random.default_rng(SEED).integers(len(counts), size=(resamples, len(counts)))
    resampled = [statistic(np.concatenate([points[i] for i in neurons])) for neurons in drawn]
    values = [value for value in resampled if value is not None]
    if len(values) < 0.9 * resamples:
        return Agreement(value, None, None)
    rest = 100 * (1 - LEVEL) / 2
    lower, upper = np.percentile(values, (rest, 100 - rest))
    return Agreement(value, float(lower), float(upper))
