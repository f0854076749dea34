"""A neuron as one sample holds it: its identity and the excerpts dealt to each use.

Only what is used goes into a sample, as one JSON string: nested lists of tokens cost Inspect
about 100 ms a sample, a string costs nothing, and what was shown and scored stays in the log.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, count, groupby
from operator import attrgetter
from typing import Any, Literal, cast, get_args

from neuron_eval.parameters import check_choice
from neuron_eval.records import (
    ActivationRecord,
    Excerpt,
    NeuronRecord,
    RecordError,
    SplitName,
    TooFewExcerptsError,
)
from neuron_eval.records.treatment import seeded

Scored = Literal["top_random", "random", "quantiles"]
SCORED: Scored = "top_random"
"""Which held-out excerpts are scored where the user does not say, as published."""

USES: tuple[SplitName, ...] = ("train", "calibration", "valid")
"""The splits that a sample holds: shown to the explainer, fitted on, scored."""

# What a sample holds of its neuron besides excerpts
IDENTITY = (
    *("id", "model", "layer", "neuron", "group"),
    *("quantiles", "quantile_boundaries", "cutoff"),
)


@dataclass(frozen=True, slots=True)
class DealtNeuron:
    """The excerpts of one neuron that one sample uses."""

    neuron: NeuronRecord  # identity and quantile boundaries; its own excerpt lists are empty
    train: tuple[Excerpt, ...]  # what the explainer sees
    calibration: tuple[Excerpt, ...]  # what calibration is fitted on
    valid: tuple[Excerpt, ...]  # what is held out and scored

    @property
    def shown(self) -> tuple[ActivationRecord, ...]:
        return tuple(excerpt.record for excerpt in self.train)

    def places(self) -> dict[str, str]:
        """For each use, where its excerpts stand in the record, such as ``top 0, 4, 8``."""
        return {use: _places(getattr(self, use)) for use in USES}


def which_scored(excerpts: Iterable[Excerpt]) -> Scored:
    """What scored excerpts are of, by their kinds."""
    kinds = {excerpt.kind for excerpt in excerpts}
    if kinds == {"quantile"}:
        return "quantiles"
    return "random" if kinds == {"random"} else SCORED


def check_scored(excerpts_scored: str) -> Scored:
    return cast(Scored, check_choice("excerpts_scored", excerpts_scored, get_args(Scored)))


def deal(neuron: NeuronRecord, n: int, scored: Scored = SCORED) -> DealtNeuron:
    """Deal a checked record's excerpts to train, calibration and valid, ``n`` of a kind to each.

    Scored are the top and random excerpts of valid; its random ones alone; or excerpts of every
    stratum, with nothing to fit on.

    Raises:
        TooFewExcerptsError: The record holds too few.
        RecordError: An excerpt that the explainer sees has the text of one that is fitted on or
            scored.
    """
    identity = _identity(neuron)
    train = neuron.split("train", n)
    shown = {excerpt.record.text: excerpt for excerpt in train}
    if scored == "quantiles":
        dealt = DealtNeuron(identity, train, (), stratified(neuron, n, shown))
    else:
        calibration, valid = neuron.split("calibration", n), neuron.split("valid", n)
        if scored == "random":
            calibration, valid = _random(neuron, calibration), _random(neuron, valid)
        dealt = DealtNeuron(identity, train, calibration, valid)
    for excerpt in dealt.calibration + dealt.valid:
        if excerpt.record.text in shown:
            raise RecordError(
                f"neuron {neuron.id}: excerpt {excerpt.name} is held out but has the text of "
                f"excerpt {shown[excerpt.record.text].name}, which the explainer sees"
            )
    return dealt


def stratified(neuron: NeuronRecord, n: int, shown: Collection[str]) -> tuple[Excerpt, ...]:
    """Up to ``n`` excerpts of every stratum, drawn by the neuron's id, none with a text ``shown``.

    Of the stratum with the largest share up to as many as of all others together: where the neuron
    is silent the explanation may fit now and then, and few excerpts would miss that. A stratum of
    which all was shown is left out; that nothing is left is a `TooFewExcerptsError`.
    """
    drawn: list[Excerpt] = []
    index = count()
    commonest = max(neuron.strata, key=lambda stratum: stratum.share, default=None)
    for number, stratum in enumerate(neuron.strata):
        most = n * max(1, len(neuron.strata) - 1) if stratum is commonest else n
        placed = [
            Excerpt("quantile", next(index), record, number, stratum.share)
            for record in stratum.excerpts
        ]
        free = [excerpt for excerpt in placed if excerpt.record.text not in shown]
        # Drawn again, since a source may have sorted them.
        order = seeded(f"{neuron.id}/stratum {number}").permutation(len(free))
        drawn += (free[i] for i in sorted(order[:most].tolist()))
    if not neuron.strata:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: it has no excerpts by quantile of activation (field 'strata'), "
            "which excerpts_scored=quantiles scores; OpenAI's records, delphi's caches, "
            "Neuronpedia's features with all their bins, and what neuron-eval record writes have "
            "them"
        )
    if not drawn:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: the explainer sees every excerpt of field 'strata', so none is "
            "left for excerpts_scored=quantiles"
        )
    return tuple(drawn)


def _random(neuron: NeuronRecord, excerpts: tuple[Excerpt, ...]) -> tuple[Excerpt, ...]:
    random = tuple(excerpt for excerpt in excerpts if excerpt.kind == "random")
    if excerpts and not random:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: field 'splits' holds no random excerpt that is held out, which "
            "excerpts_scored=random scores; use excerpts_scored=top_random"
        )
    return random


def deal_all(neuron: NeuronRecord, n: int) -> DealtNeuron:
    """Deal the excerpts of valid as `deal` does, and every other one to calibration.

    For what needs all that is recorded of a neuron, and explains nothing.
    """
    if not neuron.random:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: field 'random' holds no excerpts, so there is no sample of all "
            "text; use neurons that have some"
        )
    valid = neuron.split("valid", n)
    names = {excerpt.name for excerpt in valid}
    others = tuple(excerpt for excerpt in neuron.excerpts if excerpt.name not in names)
    return DealtNeuron(_identity(neuron), (), others, valid)


def _identity(neuron: NeuronRecord) -> NeuronRecord:
    return NeuronRecord(**{name: getattr(neuron, name) for name in IDENTITY})


def to_text(dealt: DealtNeuron) -> str:
    """The JSON string that a sample's metadata holds.

    All ASCII: Python keeps other texts in two or four bytes a character, and again as UTF-8.
    """
    data = {name: getattr(dealt.neuron, name) for name in IDENTITY}
    for use in USES:
        data[use] = [
            # The text in one piece and its tokens' lengths: prompts in the log have the same text.
            [e.kind, e.index, e.record.text, [len(t) for t in e.record.tokens]]
            + [e.record.activations]
            # Only where there are any, which keeps logs small.
            + ([e.record.ignored] if e.record.ignored or e.kind == "quantile" else [])
            + ([e.stratum, e.share] if e.kind == "quantile" else [])
            for e in getattr(dealt, use)
        ]
    return json.dumps(data, separators=(",", ":"))


def from_metadata(metadata: Mapping[str, Any] | None, sample: object) -> DealtNeuron:
    """Read the metadata of the sample with this id back; a RecordError if it holds no neuron."""
    if not metadata or not isinstance(metadata.get("record"), str):
        raise RecordError(
            f"sample {sample}: metadata holds no 'record'; neuron_eval's solvers and scorers work "
            "on its own datasets, for instance those of the task neuron_eval/explain"
        )
    return from_text(metadata["record"])


def from_text(text: str) -> DealtNeuron:
    """What `to_text` wrote, and what earlier logs hold."""
    data: dict[str, Any] = json.loads(text)
    data.setdefault("quantiles", ())  # which earlier logs lack
    identity = {name: data[name] for name in IDENTITY}
    for name in ("quantiles", "quantile_boundaries"):
        identity[name] = tuple(identity[name])
    return DealtNeuron(
        NeuronRecord(**identity),
        **{use: tuple(_excerpt(*item) for item in data[use]) for use in USES},
    )


def _excerpt(kind: Any, index: int, text: str | list[str], *rest: Any) -> Excerpt:
    if isinstance(text, str):
        lengths, activations, *other = rest
        ends = list(accumulate(lengths))
        tokens = tuple(text[end - length : end] for length, end in zip(lengths, ends, strict=True))
    else:  # tokens, in earlier logs
        tokens, (activations, *other) = tuple(text), rest
    ignored = tuple(other[0]) if other else ()
    return Excerpt(kind, index, ActivationRecord(tokens, tuple(activations), ignored), *other[1:])


def _places(excerpts: tuple[Excerpt, ...]) -> str:
    kinds = groupby(excerpts, key=attrgetter("kind"))
    return "; ".join(f"{kind} {', '.join(str(e.index) for e in placed)}" for kind, placed in kinds)


@dataclass(frozen=True, slots=True)
class ChosenNeuron:
    """A neuron ready to be made a sample of, its excerpts as the sample holds them.

    As text they take an eighth of the memory that tokens and numbers take.
    """

    identity: NeuronRecord  # with its explanations and its page, without excerpts
    record: str  # the excerpts, see `to_text`
    places: Mapping[str, str]  # where these are in the source's record

    @property
    def dealt(self) -> DealtNeuron:
        return from_text(self.record)
