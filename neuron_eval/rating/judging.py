"""What a rater thinks of a neuron's explanations: one turn an order, and what follows of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neuron_eval.rating.answer import Answer, Skipped
from neuron_eval.rating.build import Candidate
from neuron_eval.rating.question import Question

STORE = "rating"  # where a sample's store holds the turns
About = Mapping[str, Any]  # a score's metadata, see `neuron_eval.scorers.rating`


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and what came of it."""

    order: tuple[Candidate, ...]  # the explanations as they were shown, N of them
    ratings: tuple[int, ...] = ()  # by place, shape [N]; empty if there is no answer
    best: int = -1  # the place of the best, from 0; -1 if there is no answer
    comment: str = ""

    skipped: str = ""  # why the rater skipped the question; empty if it did not
    problem: str = ""  # why the answer could not be used; empty if it could

    @property
    def open(self) -> bool:
        """Whether nobody has been asked yet."""
        return not (self.ratings or self.skipped or self.problem)


def from_json(data: Mapping[str, Any]) -> Turn:
    """The turn that a sample's store holds as a dictionary."""
    order = (Candidate(c["explanation"], tuple(c["columns"])) for c in data["order"])
    return Turn(**{**data, "order": tuple(order), "ratings": tuple(data["ratings"])})


def answered(order: Sequence[Candidate], question: Question, answer: Answer | Skipped) -> Turn:
    """The turn of a question that got a sound answer."""
    if isinstance(answer, Skipped):
        return Turn(tuple(order), skipped=answer.reason)
    letters = question.letters
    return Turn(
        order=tuple(order),
        ratings=tuple(answer.ratings[letter] for letter in letters),
        best=letters.index(answer.best),
        comment=answer.comment,
    )


@dataclass(frozen=True, slots=True)
class Planted:
    """What became of the explanation of another neuron."""

    rating: float  # the mean over the orders
    lowest: bool  # whether nothing was rated lower, and something higher
    chosen: float  # its share of the choice, in [0, 1]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rater thinks of a neuron's explanations, over its orders, or epochs, logs, people."""

    ratings: Mapping[str, float]  # by column, the mean rating, on the scale from 1 to 5
    # By column, 1 for the one chosen most often and 0 for the others; where K explanations were
    # chosen equally often, 1/K each. Columns that say the same are credited alike.
    best: Mapping[str, float]
    planted: Planted | None = None  # the planted explanation, if there was one


def judge(turns: Sequence[Turn]) -> Judgement | None:
    """Put the turns of one neuron together; None if none was answered."""
    rated = [turn for turn in turns if turn.ratings]
    if not rated:
        return None
    given: dict[Candidate, list[int]] = {}
    for turn in rated:
        for candidate, rating in zip(turn.order, turn.ratings, strict=True):
            given.setdefault(candidate, []).append(rating)
    means = {candidate: fmean(ratings) for candidate, ratings in given.items()}
    chosen = Counter(turn.order[turn.best] for turn in rated)
    winners = [candidate for candidate, count in chosen.items() if count == max(chosen.values())]
    credit = {c: 1 / len(winners) if c in winners else 0.0 for c in means}
    planted, low, high = None, min(means.values()), max(means.values())
    for candidate, mean in means.items():
        if not candidate.columns:
            planted = Planted(mean, mean == low < high, credit[candidate])
    return Judgement(
        ratings={column: mean for c, mean in means.items() for column in c.columns},
        best={column: share for c, share in credit.items() for column in c.columns},
        planted=planted,
    )


def judgement_in(about: About | None) -> Judgement | None:
    """Ratings and choice as a score's metadata hold them; None if the neuron was not rated."""
    if not about or not about.get("ratings"):
        return None
    return Judgement(dict(about["ratings"]), dict(about["best"]))


def mean_judgement(judgements: Sequence[Judgement]) -> Judgement | None:
    """The mean of several judgements of the same columns; None of nothing."""
    if not judgements:
        return None
    columns = judgements[0].ratings
    return Judgement(
        {column: fmean(judged.ratings[column] for judged in judgements) for column in columns},
        {column: fmean(judged.best[column] for judged in judgements) for column in columns},
    )


def consistency(pairs: Iterable[tuple[Judgement, Judgement]]) -> tuple[float, float] | None:
    """How much a rater agrees with itself on neurons that it saw twice; None if there are none.

    The mean absolute difference of the two ratings of an explanation, and the share of neurons
    with the same best explanation.
    """
    twice = list(pairs)
    if not twice:
        return None
    differences = [
        abs(first.ratings[column] - second.ratings[column])
        for first, second in twice
        for column in first.ratings
    ]
    return fmean(differences), fmean(first.best == second.best for first, second in twice)


@dataclass(frozen=True, slots=True)
class PlaceBias:
    """What it brings to be shown in a place; without a bias both numbers are near 0.

    Both are relative to the question: those with many explanations have places others have not.
    """

    number: int  # which place, from 1
    # Means over questions: the rating of what stood there, minus the question's mean rating;
    # and whether it was chosen (0 or 1), minus the share that chance gives it.
    rating: float
    chosen: float
    questions: int  # how many questions had that place


def places(scores: Sequence[About]) -> list[PlaceBias]:
    """What stood first, second, …, over all neurons that were asked about in several orders."""
    turns = [
        turn
        for about in scores
        if about["orders"] > 1
        for turn in about["places"]
        if len(turn["ratings"]) > 1  # where all say the same there is no place to prefer
    ]
    biases = []
    for number in range(1, 1 + max((len(turn["ratings"]) for turn in turns), default=0)):
        there = [turn for turn in turns if len(turn["ratings"]) >= number]
        rating = fmean(turn["ratings"][number - 1] - fmean(turn["ratings"]) for turn in there)
        chosen = fmean((turn["best"] == number) - 1 / len(turn["ratings"]) for turn in there)
        biases.append(PlaceBias(number, rating, chosen, len(there)))
    return biases
