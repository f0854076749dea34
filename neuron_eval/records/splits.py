"""A neuron as one sample holds it: its identity and the excerpts dealt to each use.

Only what is used goes into a sample, as one JSON string: nested lists of tokens cost Inspect
about 100 ms a sample, a string costs nothing, and what was shown and scored stays in the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, RecordError, SplitName

USES: tuple[SplitName, ...] = ("train", "calibration", "valid")
"""The splits that a sample holds: shown to the explainer, fitted on, scored."""

IDENTITY = (
    *("id", "model", "layer", "neuron", "group"),
    *("quantiles", "quantile_boundaries", "cutoff"),
)
"""What a sample holds of its neuron besides excerpts."""


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


def deal(neuron: NeuronRecord, n: int) -> DealtNeuron:
    """Deal a checked record's excerpts to train, calibration and valid, ``n`` of a kind to each.

    Raises:
        TooFewExcerptsError: The record holds too few.
        RecordError: An excerpt that the explainer sees has the text of one that is fitted on or
            scored.
    """
    identity = NeuronRecord(**{name: getattr(neuron, name) for name in IDENTITY})
    dealt = DealtNeuron(identity, **{use: neuron.split(use, n) for use in USES})
    shown = {excerpt.record.text: excerpt for excerpt in dealt.train}
    for excerpt in dealt.calibration + dealt.valid:
        if excerpt.record.text in shown:
            raise RecordError(
                f"neuron {neuron.id}: excerpt {excerpt.name} is held out but has the text of "
                f"excerpt {shown[excerpt.record.text].name}, which the explainer sees"
            )
    return dealt


def to_text(dealt: DealtNeuron) -> str:
    """The JSON string that a sample's metadata holds."""
    data = {name: getattr(dealt.neuron, name) for name in IDENTITY}
    for use in USES:
        data[use] = [
            [e.kind, e.index, e.record.tokens, e.record.activations]
            # Only where there are any, which keeps logs small.
            + ([e.record.ignored] if e.record.ignored else [])
            for e in getattr(dealt, use)
        ]
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def from_metadata(metadata: Mapping[str, Any] | None, sample: object) -> DealtNeuron:
    """Read a sample's metadata back; ``sample`` is its id.

    Raises:
        RecordError: The sample holds no neuron.
    """
    if not metadata or not isinstance(metadata.get("record"), str):
        raise RecordError(
            f"sample {sample}: metadata holds no 'record'; neuron_eval's solvers and scorers work "
            "on its own datasets, for instance those of the task neuron_eval/explain"
        )
    data: dict[str, Any] = json.loads(metadata["record"])
    data.setdefault("quantiles", ())  # which earlier logs lack
    identity = {name: data[name] for name in IDENTITY}
    for name in ("quantiles", "quantile_boundaries"):
        identity[name] = tuple(identity[name])
    return DealtNeuron(
        NeuronRecord(**identity),
        **{use: tuple(_excerpt(*item) for item in data[use]) for use in USES},
    )


def _excerpt(
    kind: Any,
    index: int,
    tokens: list[str],
    activations: list[float],
    ignored: list[int] | tuple[()] = (),
) -> Excerpt:
    record = ActivationRecord(tuple(tokens), tuple(activations), tuple(ignored))
    return Excerpt(kind, index, record)


def _places(excerpts: tuple[Excerpt, ...]) -> str:
    groups: dict[str, list[str]] = {}
    for excerpt in excerpts:
        groups.setdefault(excerpt.kind, []).append(str(excerpt.index))
    return "; ".join(f"{kind} {', '.join(indices)}" for kind, indices in groups.items())
