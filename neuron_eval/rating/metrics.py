"""Metrics of the scorer `rating`; each gives several numbers under plain names, or none.

A neuron that was shown twice counts by its first time. A neuron's epochs are averaged here: what
Inspect's reducers leave of a score's metadata is the first epoch's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from inspect_ai.scorer import Metric, SampleScore, Value, metric

from neuron_eval.metrics import NAN
from neuron_eval.rating.judging import (
    About,
    Judgement,
    consistency,
    judgement_in,
    mean_judgement,
    places,
)
from neuron_eval.stats import mean_interval

Values = dict[str, str | int | float | bool | None]


@metric(scores="unreduced")
def by_format() -> Metric:
    """Of each format its mean ``rating`` with ``lower`` and ``upper``, and how often ``chosen``.

    The ends are those of the bootstrap interval over neurons, NaN for fewer than two. ``chosen``
    is the share of neurons, in [0, 1]; formats that say the same are credited alike, so the
    shares may add up to more than 1.
    """

    def compute(scores: list[SampleScore]) -> Value:
        said = _by_neuron(scores, lambda about, id_: None if about["repeat_of"] else id_)
        values: Values = {}
        for column in dict.fromkeys(column for one in said.values() for column in one.ratings):
            rated = [one for one in said.values() if column in one.ratings]
            ratings = [one.ratings[column] for one in rated]
            lower, upper = mean_interval(ratings) or (NAN, NAN)
            values[f"{column} rating"] = fmean(ratings)
            values[f"{column} lower"], values[f"{column} upper"] = lower, upper
            values[f"{column} chosen"] = fmean(one.best[column] for one in rated)
        return values

    return compute


@metric(scores="unreduced")
def by_place() -> Metric:
    """Whether the place in which an explanation is shown counts, where there are several orders.

    Of each place, from 1, by how much the ``rating`` of what stood there is above the question's
    mean, and by how much it was ``chosen`` more often than by chance. All are near 0 without a
    bias.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: Values = {}
        for place in places([about for _, about in _rated(scores)]):
            values[f"place {place.number} rating"] = place.rating
            values[f"place {place.number} chosen"] = place.chosen
        return values

    return compute


@metric(scores="unreduced")
def attention() -> Metric:
    """How attentive the rater was, where that was checked.

    Of neurons shown twice ``repeated difference``, the mean absolute difference of the two
    ratings, and ``repeated same best``, the share with the same choice; of planted explanations
    ``planted rating``, ``planted lowest`` and ``planted chosen``, the latter two as shares.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: Values = {}
        first = _by_neuron(scores, lambda about, id_: None if about["repeat_of"] else id_)
        again = _by_neuron(scores, lambda about, id_: about["repeat_of"])
        agreed = consistency((first[id_], said) for id_, said in again.items() if id_ in first)
        if agreed is not None:
            values["repeated difference"], values["repeated same best"] = agreed
        told = [about for _, about in _rated(scores) if not about["repeat_of"]]
        planted = [about["planted"] for about in told if about["planted"]]
        for name in ("rating", "lowest", "chosen") if planted else ():
            values[f"planted {name}"] = fmean(one[name] for one in planted)
        return values

    return compute


def _rated(scores: Sequence[SampleScore]) -> list[tuple[str, About]]:
    """Sample and metadata of every epoch that was rated."""
    found = [(str(one.sample_id), one.score.metadata or {}) for one in scores]
    return [(id_, about) for id_, about in found if judgement_in(about)]


def _by_neuron(
    scores: Sequence[SampleScore], neuron: Callable[[About, str], str | None]
) -> dict[str, Judgement]:
    """By what `neuron` makes of metadata and sample, the mean of the epochs; None is left out."""
    found: dict[str, list[Judgement]] = {}
    for id_, about in _rated(scores):
        key, said = neuron(about, id_), judgement_in(about)
        if key and said:
            found.setdefault(key, []).append(said)
    return {key: mean for key, said in found.items() if (mean := mean_judgement(said))}
