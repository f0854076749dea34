"""Whether the place in which an explanation is shown counts, where there are several orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """One of the places in which explanations were shown; without a bias both numbers are near 0.

    Both are relative to the question, because questions with many different explanations have
    places that others have not.
    """

    number: int
    """From 1."""

    rating: float
    """Mean over questions: the rating of what stood there, minus the question's mean rating."""

    chosen: float
    """Mean over questions: whether it was chosen (0 or 1), minus the share that chance gives it."""

    questions: int
    """How many questions had that place."""


def places(scores: Sequence[Mapping[str, Any]]) -> list[Place]:
    """What stood first, second, …, over all neurons that were asked about in several orders.

    Args:
        scores: Metadata of scores, see `neuron_eval.scorers.rating`.
    """
    turns = [
        turn
        for about in scores
        if about["orders"] > 1
        for turn in about["places"]
        if len(turn["ratings"]) > 1  # where all say the same there is no place to prefer
    ]
    found = []
    for number in range(1, 1 + max((len(turn["ratings"]) for turn in turns), default=0)):
        there = [turn for turn in turns if len(turn["ratings"]) >= number]
        rating = fmean(turn["ratings"][number - 1] - fmean(turn["ratings"]) for turn in there)
        chosen = fmean((turn["best"] == number) - 1 / len(turn["ratings"]) for turn in there)
        found.append(Place(number, rating, chosen, len(there)))
    return found
