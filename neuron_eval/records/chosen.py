"""A neuron ready to be made a sample of: its excerpts as text, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from neuron_eval.records import NeuronRecord, Reference
from neuron_eval.records.splits import DealtNeuron, from_text, to_text


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of a neuron besides its activations."""

    reference: Reference | None  # what AdaCS compares with
    others: tuple[Reference, ...]
    wrong: tuple[str, ...]
    page: str = ""  # where its publisher shows it


@dataclass(frozen=True, slots=True)
class ChosenNeuron:
    """A neuron ready to be made a sample of, its excerpts as the sample holds them.

    As text they take an eighth of the memory that tokens and numbers take.
    """

    identity: NeuronRecord  # without excerpts
    record: str  # the neuron's excerpts, see `neuron_eval.records.splits.to_text`
    places: Mapping[str, str]  # where these are in the source's record
    published: Published

    @classmethod
    def of(cls, dealt: DealtNeuron, published: Published) -> Self:
        return cls(dealt.neuron, to_text(dealt), dealt.places(), published)

    @property
    def dealt(self) -> DealtNeuron:
        return from_text(self.record)
