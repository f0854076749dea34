"""Which measure a log's simulation score is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from inspect_ai.log import EvalLog

from neuron_eval.logs.runs import SIMULATION, NeuronResult
from neuron_eval.simulation.headline import HEADLINE, score_of

V = TypeVar("V")


def headline_of(log: EvalLog) -> str:
    """The measure that the simulation's score is, in a log's header."""
    for score in log.results.scores if log.results else []:
        if score.name == SIMULATION:
            return str(score.params.get("headline", HEADLINE))
    return str((log.eval.metadata or {}).get("headline", HEADLINE))


def by_headline(result: NeuronResult, headline: str) -> NeuronResult:
    """The same with the simulation's score named by its measure, so that no two are taken for one.

    The usual measure's name stays.
    """

    def named(scores: Mapping[str, V]) -> dict[str, V]:
        return {score_of(headline) if s == SIMULATION else s: v for s, v in scores.items()}

    of_text = result.scores_of_text
    return replace(
        result,
        scores=named(result.scores),
        scores_of_text=None if of_text is None else named(of_text),
        unscored=named(result.unscored),
    )
