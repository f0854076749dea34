"""From a log of ratings to what its rater says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from inspect_ai.log import EvalLog, EvalSample

from neuron_eval.logs.files import RATED, RATING, choose, short, wrong
from neuron_eval.logs.reading import Samples
from neuron_eval.messages import InputError
from neuron_eval.rating.asking import is_person
from neuron_eval.rating.judging import (
    About,
    Judgement,
    Planted,
    judgement_in,
    mean_judgement,
    places,
)
from neuron_eval.report.rater_identity import rater_identity
from neuron_eval.report.raters import RatedNeuron, Rater


@dataclass(frozen=True, slots=True)
class Asked:
    """What a log of ratings was read to."""

    rater: Rater | None
    """The rater; None if nothing of the log can be used."""

    note: str = ""
    """A sentence on what could not be read."""


def choose_rated(found: Sequence[EvalLog], notes: list[str]) -> list[EvalLog]:
    """The logs of ratings that count, people first, by name, by excerpts and by time.

    Args:
        found: See `neuron_eval.logs.files.choose`, as is ``notes``.
        notes: What is left out.
    """
    return sorted(choose(found, RATED, rater_identity, notes), key=_by_name)


def _by_name(log: EvalLog) -> tuple[bool, str, str, str]:
    model, excerpts = log.eval.model, str((log.eval.metadata or {}).get("excerpts"))
    return not is_person(model), model, excerpts, log.eval.created


def read_raters(headers: Sequence[EvalLog]) -> list[Asked]:
    """One rater a log.

    Args:
        headers: The logs without their samples.
    """
    return [_read(header) for header in headers]


def _read(header: EvalLog) -> Asked:
    try:
        return _read_rater(header)
    except Exception as error:  # of a file that may hold anything
        return Asked(None, f"{short(header.location)} cannot be read: {wrong(error)}")


def _read_rater(header: EvalLog) -> Asked:
    about = header.eval.metadata or {}
    neurons: dict[str, RatedNeuron] = {}
    again: dict[str, Judgement | None] = {}
    rated: list[About] = []
    samples = Samples(header.location)
    columns = _columns(about)
    for epochs in samples.by_neuron():
        try:
            said = [one for one in map(_about, epochs) if judgement_in(one)]
            for one in map(judgement_in, said):
                _check(one, columns)
            mean, neuron = _mean(said), _neuron(epochs, said)
            places(said)
        except Exception as error:
            samples.leave_out(epochs, error)
            continue
        rated += said
        repeat_of = (epochs[0].metadata or {}).get("repeat_of")
        if repeat_of:
            again[str(repeat_of)] = mean
        else:
            neurons[neuron.id] = neuron
    if not neurons:
        return Asked(None, samples.note)
    rater = Rater(
        log=header.location,
        name=header.eval.model,
        columns=columns,
        excerpts=str(about.get("excerpts", "")),
        pack=str(about.get("rating_pack_sha256", "")),
        identity=rater_identity(header),
        neurons=tuple(replace(one, again=again.get(id)) for id, one in neurons.items()),
        places=tuple(places(rated)),
    )
    return Asked(rater, samples.note)


def _columns(about: About) -> tuple[str, ...]:
    columns = about[RATED]
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        raise InputError(f"{RATED} is {columns!r:.60}; expected a list of names")
    return tuple(columns)


def _check(said: Judgement | None, columns: Sequence[str]) -> None:
    if said is not None and not set(said.ratings) == set(said.best) == set(columns):
        raise InputError(f"it rates {', '.join(said.ratings)}, and not {', '.join(columns)}")


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


def _mean(said: Sequence[About]) -> Judgement | None:
    return mean_judgement([one for about in said if (one := judgement_in(about))])


def _about(sample: EvalSample) -> About:
    """The metadata of the sample's rating."""
    score = (sample.scores or {}).get(RATING)
    return (score.metadata or {}) if score else {}


def _reason(sample: EvalSample) -> str:
    if sample.error:
        return sample.error.message
    score = (sample.scores or {}).get(RATING)
    if score is None:
        return "not scored by the scorer rating"
    return score.explanation or score.reason or "no reason given"


def _seconds(sample: EvalSample) -> float | None:
    found = _about(sample).get("seconds")
    return None if found is None else float(found)
