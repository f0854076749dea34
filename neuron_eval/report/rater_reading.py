"""From a log of ratings to what its rater says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from inspect_ai.log import EvalLog, EvalSample

from neuron_eval.rating.attention import Said
from neuron_eval.rating.places import places
from neuron_eval.rating.turns import Planted
from neuron_eval.report.identity import rater_identity
from neuron_eval.report.raters import RatedNeuron, Rater
from neuron_eval.report.run_reading import by_neuron

SCORE = "rating"

About = Mapping[str, Any]
"""A score's metadata, see `neuron_eval.scorers.rating`."""


def read_rater(header: EvalLog) -> Rater:
    """One log.

    Args:
        header: The log without its samples.
    """
    about = header.eval.metadata or {}
    neurons: dict[str, RatedNeuron] = {}
    again: dict[str, Said | None] = {}
    scores: list[About] = []
    for samples in by_neuron(header):
        said = [found for sample in samples if (found := _said(sample))]
        scores += said
        repeat_of = (samples[0].metadata or {}).get("repeat_of")
        if repeat_of:
            again[str(repeat_of)] = _mean(said)
        else:
            neurons[str(samples[0].id)] = _neuron(samples, said)
    return Rater(
        log=header.location,
        name=header.eval.model,
        columns=tuple(about["rated_columns"]),
        excerpts=str(about.get("excerpts", "")),
        identity=rater_identity(header),
        neurons={id: replace(one, again=again.get(id)) for id, one in neurons.items()},
        places=tuple(places(scores)),
    )


def _neuron(samples: Sequence[EvalSample], said: Sequence[About]) -> RatedNeuron:
    """Average the epochs of one neuron."""
    told: Mapping[str, str] = (samples[0].metadata or {}).get("explanations", {})
    planted = said[0].get("planted") if said else None
    times = [seconds for sample in samples if (seconds := _seconds(sample)) is not None]
    return RatedNeuron(
        id=str(samples[0].id),
        explanations={column: text.strip() for column, text in told.items()},
        said=_mean(said),
        planted=Planted(**planted) if planted else None,
        reason="" if said else _reason(samples[0]),
        comment="\n".join(one["comment"] for one in said if one.get("comment")),
        seconds=fmean(times) if times else None,
    )


def _said(sample: EvalSample) -> About | None:
    """The metadata of the sample's rating; None if there is none."""
    score = (sample.scores or {}).get(SCORE)
    about = (score.metadata or {}) if score else {}
    return about if about.get("ratings") else None


def _mean(said: Sequence[About]) -> Said | None:
    """The mean of several epochs."""
    if not said:
        return None
    ratings, best = (
        {column: fmean(one[field][column] for one in said) for column in said[0][field]}
        for field in ("ratings", "best")
    )
    return Said(ratings, best)


def _reason(sample: EvalSample) -> str:
    if sample.error:
        return sample.error.message
    score = (sample.scores or {}).get(SCORE)
    if score is None:
        return "not scored by the scorer rating"
    return score.explanation or score.reason or "no reason given"


def _seconds(sample: EvalSample) -> float | None:
    score = (sample.scores or {}).get(SCORE)
    kept = ((score.metadata or {}) if score else {}).get("seconds")
    measured = (sample.output.metadata or {}).get("seconds") if sample.output else None
    found = measured if kept is None else kept
    return None if found is None else float(found)
