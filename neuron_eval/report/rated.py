"""Raters and runs joined, by neuron and the explanation's text.

An explanation is the same if neuron and text are, whatever it is called in which log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.rating.judging import Judgement
from neuron_eval.report.agreeing import Value
from neuron_eval.report.raters import RatedNeuron, Rater

Explanation = tuple[str, str]
"""A neuron's id and the text."""


def by_explanation(rater: Rater) -> dict[Explanation, float]:
    """The rating of each different explanation that the rater rated."""
    return {
        (neuron.id, text): neuron.said.ratings[column]
        for neuron in rater.neurons
        if neuron.said is not None
        for column, text in neuron.explanations.items()
    }


def rating_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, of each different explanation the ratings of those who rated it, two or more."""
    told: dict[str, dict[str, list[Value]]] = {}
    for rater in raters:
        for (id, text), rating in by_explanation(rater).items():
            told.setdefault(id, {}).setdefault(text, []).append(rating)
    found = ([unit for unit in of.values() if len(unit) > 1] for of in told.values())
    return [units for units in found if units]


def choice_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, which column each rater chose; only where two or more saw the same explanations.

    Columns that say the same are one choice, as are several between which a rater was undecided.
    """
    choices: dict[tuple[str, frozenset[Explanation]], list[Value]] = {}
    for rater in raters:
        for neuron in rater.neurons:
            if neuron.said is not None:
                shown = frozenset(neuron.explanations.items())
                choices.setdefault((neuron.id, shown), []).append(_choice(neuron.said))
    return [[unit] for unit in choices.values() if len(unit) > 1]


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
    said = by_explanation(rater)

    def rated(one: NeuronResult) -> NeuronResult:
        rating = said.get((one.id, one.explanation.strip()))
        return one if rating is None else replace(one, scores={**one.scores, name: rating})

    return [
        replace(run, results={id: rated(one) for id, one in run.results.items()}) for run in runs
    ]


def scores_of_texts(runs: Sequence[Run]) -> list[Run]:
    """The runs with the scores of the explanations that they show, without other epochs'."""
    return [
        replace(
            run,
            results={
                id: one if one.scores_of_text is None else replace(one, scores=one.scores_of_text)
                for id, one in run.results.items()
            },
        )
        for run in runs
    ]


def _choice(said: Judgement) -> str:
    most = max(said.best.values())
    chosen = [column for column, share in said.best.items() if most and share == most]
    return ", ".join(sorted(chosen)) or "planted"
