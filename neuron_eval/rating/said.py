"""What a rater said of a neuron's explanations, as a score's metadata hold it; means of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

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
