"""Metrics of the scorer `rating`; each gives several numbers under plain names, or none.

A neuron that was shown twice counts by its first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from inspect_ai.scorer import Metric, SampleScore, Value, metric

from neuron_eval.intervals import mean_interval
from neuron_eval.metrics import NAN
from neuron_eval.rating.attention import Said, consistency
from neuron_eval.rating.places import places


@metric
def by_format() -> Metric:
    """Of each format its mean ``rating`` with ``lower`` and ``upper``, and how often ``chosen``.

    The ends are those of the bootstrap interval over neurons, NaN for fewer than two. ``chosen``
    is the share of neurons, in [0, 1]; formats that say the same are credited alike, so the
    shares may add up to more than 1.
    """

    def compute(scores: list[SampleScore]) -> Value:
        first = [about for about in map(_about, scores) if not about["repeat_of"]]
        columns = dict.fromkeys(column for about in first for column in about["ratings"])
        values: dict[str, str | int | float | bool | None] = {}
        for column in columns:
            rated = [about for about in first if column in about["ratings"]]
            ratings = [about["ratings"][column] for about in rated]
            lower, upper = mean_interval(ratings) or (NAN, NAN)
            values[f"{column} rating"] = fmean(ratings)
            values[f"{column} lower"], values[f"{column} upper"] = lower, upper
            values[f"{column} chosen"] = fmean(about["best"][column] for about in rated)
        return values

    return compute


@metric
def by_place() -> Metric:
    """Whether the place in which an explanation is shown counts, where there are several orders.

    Of each place, from 1, by how much the ``rating`` of what stood there is above the question's
    mean, and by how much it was ``chosen`` more often than by chance. All are near 0 without a
    bias.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: dict[str, str | int | float | bool | None] = {}
        for place in places([_about(score) for score in scores]):
            values[f"place {place.number} rating"] = place.rating
            values[f"place {place.number} chosen"] = place.chosen
        return values

    return compute


@metric
def attention() -> Metric:
    """How attentive the rater was, where that was checked.

    Of neurons shown twice ``repeated difference``, the mean absolute difference of the two
    ratings, and ``repeated same best``, the share with the same choice; of planted explanations
    ``planted rating``, ``planted lowest`` and ``planted chosen``, the latter two as shares.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: dict[str, str | int | float | bool | None] = {}
        first = {str(score.sample_id): _said(_about(score)) for score in scores}
        again = [about for about in map(_about, scores) if about["repeat_of"]]
        agreed = consistency(
            (first[about["repeat_of"]], _said(about))
            for about in again
            if about["repeat_of"] in first
        )
        if agreed is not None:
            values["repeated difference"], values["repeated same best"] = agreed
        planted = [about["planted"] for about in map(_about, scores) if about["planted"]]
        for name in ("rating", "lowest", "chosen") if planted else ():
            values[f"planted {name}"] = fmean(one[name] for one in planted)
        return values

    return compute


def _about(score: SampleScore) -> Mapping[str, Any]:
    return score.score.metadata or {}


def _said(about: Mapping[str, Any]) -> Said:
    return Said(about["ratings"], about["best"])
