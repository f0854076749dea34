"""How far raters agree: with each other, and with themselves put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuron_eval.intervals import LEVEL, SEED
from neuron_eval.rating.attention import Said
from neuron_eval.report.raters import RatedNeuron, Rater
from neuron_eval.report.runs import Run

RESAMPLES = 1_000
"""Of neurons, for an interval of a statistic that is no mean."""

Value = float | str
Unit = Sequence[Value]
"""What several raters said of one thing."""

Places = NDArray[np.intp]
"""Which points, in what order and how often."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A statistic with its interval."""

    value: float
    """In [-1, 1]."""

    lower: float | None
    """Lower end of the 95 % interval; None where it was not asked for or cannot be had."""

    upper: float | None
    """Upper end."""


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

    said = {value for units in neurons for unit in units for value in unit}
    if len(said) < 2:
        return None
    alpha = krippendorff_alpha(level)
    scores = [SampleScore(score=Score(value=list(unit))) for units in neurons for unit in units]

    def statistic(chosen: Places) -> float:
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
    found = [statistic(np.concatenate([points[i] for i in neurons])) for neurons in drawn]
    values = [one for one in found if one is not None]
    if len(values) < 0.9 * resamples:
        return Agreement(value, None, None)
    rest = 100 * (1 - LEVEL) / 2
    lower, upper = np.percentile(values, (rest, 100 - rest))
    return Agreement(value, float(lower), float(upper))


def rating_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, of each different explanation the ratings of those who rated it, two or more.

    An explanation is the same if neuron and text are, whatever it is called in which log.
    """
    texts: dict[str, dict[str, list[Value]]] = {}
    for rater in raters:
        for id, neuron in rater.neurons.items():
            for text, rating in by_text(neuron).items():
                texts.setdefault(id, {}).setdefault(text, []).append(rating)
    found = ([unit for unit in of.values() if len(unit) > 1] for of in texts.values())
    return [units for units in found if units]


def choice_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, which column each rater chose; only where two or more saw the same explanations.

    Columns that say the same are one choice, as are several between which a rater was undecided.
    """
    choices: dict[tuple[str, frozenset[tuple[str, str]]], list[Value]] = {}
    for rater in raters:
        for id, said in rater.rated.items():
            shown = frozenset(rater.neurons[id].explanations.items())
            choices.setdefault((id, shown), []).append(_choice(said))
    return [[unit] for unit in choices.values() if len(unit) > 1]


def by_text(neuron: RatedNeuron) -> dict[str, float]:
    """The rating of each different explanation; none if the neuron was not rated."""
    if neuron.said is None:
        return {}
    return {text: neuron.said.ratings[column] for column, text in neuron.explanations.items()}


def best_texts(neuron: RatedNeuron) -> set[str]:
    """The explanations that were chosen as the best; none if the neuron was not rated."""
    best = {} if neuron.said is None else neuron.said.best
    return {neuron.explanations[column] for column, share in best.items() if share}


def with_ratings(runs: Sequence[Run], rater: Rater, name: str) -> list[Run]:
    """The runs, with the rating of each explanation that the rater saw word for word.

    Args:
        runs: Any runs.
        rater: Whose ratings.
        name: What the rating is called among a neuron's scores.
    """
    said = {id: by_text(neuron) for id, neuron in rater.neurons.items()}
    return [
        replace(
            run,
            results={
                id: replace(one, scores={**one.scores, name: rating})
                if (rating := said.get(id, {}).get(one.explanation.strip())) is not None
                else one
                for id, one in run.results.items()
            },
        )
        for run in runs
    ]


def all_people(raters: Sequence[Rater]) -> list[Rater]:
    """The means of the people who rated the same columns, as if they were one rater.

    A neuron counts if any of them rated it and all saw the same explanations of it.

    Returns:
        One for each set of columns that at least two people rated.
    """
    groups: dict[tuple[str, ...], list[Rater]] = {}
    for rater in raters:
        if rater.person:
            groups.setdefault(rater.columns, []).append(rater)
    return [_together(group) for group in groups.values() if len({one.name for one in group}) > 1]


def _together(raters: Sequence[Rater]) -> Rater:
    neurons: dict[str, RatedNeuron] = {}
    for id in dict.fromkeys(id for rater in raters for id in rater.neurons):
        shown = [rater.neurons[id] for rater in raters if id in rater.neurons]
        said = [one.said for one in shown if one.said is not None]
        if said and all(one.explanations == shown[0].explanations for one in shown):
            neurons[id] = RatedNeuron(id, shown[0].explanations, _mean(said))
    names = len({rater.name for rater in raters})
    return replace(
        raters[0], log="", name=f"all people ({names})", neurons=neurons, places=(), identity="{}"
    )


def _mean(said: Sequence[Said]) -> Said:
    columns = said[0].ratings
    return Said(
        {column: fmean(one.ratings[column] for one in said) for column in columns},
        {column: fmean(one.best[column] for one in said) for column in columns},
    )


def _choice(said: Said) -> str:
    most = max(said.best.values())
    chosen: Mapping[str, float] = said.best if most else {}
    return ", ".join(sorted(c for c, share in chosen.items() if share == most)) or "planted"
