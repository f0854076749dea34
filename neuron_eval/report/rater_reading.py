"""From a log of ratings to what its rater says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from inspect_ai.log import EvalLog, EvalSample

from neuron_eval.rating.places import places
from neuron_eval.rating.said import About, Said, mean_said, said_in
from neuron_eval.rating.turns import Planted
from neuron_eval.report.identity import rater_identity
from neuron_eval.report.raters import RatedNeuron, Rater
from neuron_eval.report.run_reading import by_neuron

SCORE = "rating"
"""The scorer's name."""


def read_rater(header: EvalLog) -> Rater:
    """One log.

    Args:
        header: The log without its samples.
    """
    about = header.eval.metadata or {}
    neurons: dict[str, RatedNeuron] = {}
    again: dict[str, Said | None] = {}
    rated: list[About] = []
    for samples in by_neuron(header):
        said = [one for one in map(_about, samples) if said_in(one)]
        rated += said
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
        pack=str(about.get("rating_pack_sha256", "")),
        identity=rater_identity(header),
        neurons=tuple(replace(one, again=again.get(id)) for id, one in neurons.items()),
        places=tuple(places(rated)),
    )


def _neuron(samples: Sequence[EvalSample], said: Sequence[About]) -> RatedNeuron:
    """Average the epochs of one neuron."""
    told: Mapping[str, str] = (samples[0].metadata or {}).get("explanations", {})
    times = [seconds for sample in samples if (seconds := _seconds(sample)) is not None]
    return RatedNeuron(
        id=str(samples[0].id),
        explanations={column: text.strip() for column, text in told.items()},
        said=_mean(said),
        planted=tuple(Planted(**about["planted"]) for about in said if about.get("planted")),
        reason="" if said else _reason(samples[0]),
        comment="\n".join(about["comment"] for about in said if about.get("comment")),
        seconds=fmean(times) if times else None,
    )


def _mean(said: Sequence[About]) -> Said | None:
    return mean_said([one for about in said if (one := said_in(about))])


def _about(sample: EvalSample) -> About:
    """The metadata of the sample's rating."""
    score = (sample.scores or {}).get(SCORE)
    return (score.metadata or {}) if score else {}


def _reason(sample: EvalSample) -> str:
    if sample.error:
        return sample.error.message
    score = (sample.scores or {}).get(SCORE)
    if score is None:
        return "not scored by the scorer rating"
    return score.explanation or score.reason or "no reason given"


def _seconds(sample: EvalSample) -> float | None:
    found = _about(sample).get("seconds")
    return None if found is None else float(found)
