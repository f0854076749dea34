"""What one rater said of one neuron: one turn an order, and what follows for each column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neuron_eval.rating.answer import Answer, Skipped
from neuron_eval.rating.build import Candidate
from neuron_eval.rating.question import Question

STORE = "rating"
"""Where a sample's store holds what its rater said."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and what came of it."""

    order: tuple[Candidate, ...]
    """The explanations as they were shown, N of them."""

    ratings: tuple[int, ...] = ()
    """By place, shape [N]; empty if there is no answer."""

    best: int = -1
    """The place of the best, from 0; -1 if there is no answer."""

    comment: str = ""
    """What else the rater said."""

    skipped: str = ""
    """Why the rater skipped the question; empty if it did not."""

    problem: str = ""
    """Why the answer could not be used; empty if it could."""

    def to_json(self) -> dict[str, Any]:
        """For a sample's store."""
        return {
            "order": [
                {"explanation": one.explanation, "columns": list(one.columns)} for one in self.order
            ],
            "ratings": list(self.ratings),
            "best": self.best,
            "comment": self.comment,
            "skipped": self.skipped,
            "problem": self.problem,
        }


def from_json(data: Mapping[str, Any]) -> Turn:
    """What `Turn.to_json` wrote."""
    order = (Candidate(one["explanation"], tuple(one["columns"])) for one in data["order"])
    return Turn(
        tuple(order),
        tuple(data["ratings"]),
        data["best"],
        data["comment"],
        data["skipped"],
        data["problem"],
    )


def answered(order: Sequence[Candidate], question: Question, answer: Answer | Skipped) -> Turn:
    """The turn of a question that got a sound answer."""
    if isinstance(answer, Skipped):
        return Turn(tuple(order), skipped=answer.reason)
    letters = question.letters
    return Turn(
        order=tuple(order),
        ratings=tuple(answer.ratings[one] for one in letters),
        best=letters.index(answer.best),
        comment=answer.comment,
    )


@dataclass(frozen=True, slots=True)
class Planted:
    """What became of the explanation of another neuron."""

    rating: float
    """Its rating, mean over the orders."""

    lowest: bool
    """Whether nothing was rated lower, and something higher."""

    chosen: float
    """Its share of the choice."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rater thinks of a neuron's explanations, over all orders that were answered."""

    ratings: Mapping[str, float]
    """By column, the mean rating."""

    best: Mapping[str, float]
    """By column, 1 for the one chosen most often and 0 for the others; where K explanations were
    chosen equally often, 1/K each. Columns that say the same are credited alike."""

    planted: Planted | None
    """The planted explanation, if there was one."""


def judge(turns: Sequence[Turn]) -> Judgement | None:
    """Put the turns of one neuron together; None if none was answered."""
    rated = [turn for turn in turns if turn.ratings]
    if not rated:
        return None
    given: dict[Candidate, list[int]] = {}
    for turn in rated:
        for one, rating in zip(turn.order, turn.ratings, strict=True):
            given.setdefault(one, []).append(rating)
    means = {one: fmean(ratings) for one, ratings in given.items()}
    chosen = Counter(turn.order[turn.best] for turn in rated)
    winners = [one for one, count in chosen.items() if count == max(chosen.values())]
    credit = {one: 1 / len(winners) if one in winners else 0.0 for one in means}
    planted = next((one for one in means if not one.columns), None)
    return Judgement(
        ratings={column: mean for one, mean in means.items() for column in one.columns},
        best={column: share for one, share in credit.items() for column in one.columns},
        planted=None if planted is None else _planted(planted, means, credit),
    )


def _planted(
    planted: Candidate, means: Mapping[Candidate, float], credit: Mapping[Candidate, float]
) -> Planted:
    rating = means[planted]
    lowest = rating == min(means.values()) < max(means.values())
    return Planted(rating, lowest, credit[planted])


About = Mapping[str, Any]
"""A score's metadata, see `neuron_eval.scorers.rating`."""


@dataclass(frozen=True, slots=True)
class Said:
    """Ratings and choice, of one time that a neuron was shown or the mean of several."""

    ratings: Mapping[str, float]
    """By column, on the scale from 1 to 5."""

    best: Mapping[str, float]
    """By column, its share of the choice as the best, in [0, 1]; columns that say the same are
    credited alike."""


def said_in(about: About | None) -> Said | None:
    """What a score's metadata say; None if the neuron was not rated."""
    if not about or not about.get("ratings"):
        return None
    return Said(dict(about["ratings"]), dict(about["best"]))


def mean_said(said: Sequence[Said]) -> Said | None:
    """The mean over epochs, logs or people; None of nothing.

    Args:
        said: All of the same columns.
    """
    if not said:
        return None
    columns = said[0].ratings
    return Said(
        {column: fmean(one.ratings[column] for one in said) for column in columns},
        {column: fmean(one.best[column] for one in said) for column in columns},
    )


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
