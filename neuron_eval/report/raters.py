"""What a rater, person or model, says of the explanations of neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuron_eval.rating.asking import is_person
from neuron_eval.rating.judging import Judgement, PlaceBias, Planted


@dataclass(frozen=True, slots=True)
class RatedNeuron:
    """A neuron, and what the rater said of it."""

    id: str
    """The neuron's id, the same as in logs of explanations."""

    explanations: Mapping[str, str]
    """By column, without white space around them."""

    said: Judgement | None
    """The means over orders and epochs; None if it was not rated."""

    again: Judgement | None = None
    """What was said when it was shown for the second time, if it was."""

    planted: tuple[Planted, ...] = ()
    """Of each epoch, what became of the planted explanation of another neuron, if there was one
    and the neuron was rated."""

    reason: str = ""
    """Why it was not rated; empty if it was."""

    comment: str = ""
    """What else the rater said."""

    seconds: float | None = None
    """How long a person took; None where nobody measured."""


@dataclass(frozen=True, slots=True)
class Rater:
    """One log of ratings."""

    log: str
    """Where the log is."""

    name: str
    """The model that rated; people are ``human/NAME``."""

    columns: tuple[str, ...]
    """The formats, or columns of a file, that were rated."""

    excerpts: str
    """Which excerpts the rater saw: ``train`` or ``valid``."""

    pack: str
    """The digest of the pack that worded the questions."""

    identity: str
    """All settings that a rating depends on, see `neuron_eval.logs.identity`."""

    neurons: tuple[RatedNeuron, ...]
    """Each once; more than once where explanations differ, if several logs are put together."""

    places: tuple[PlaceBias, ...] = field(default=())
    """Where there were several orders, what each place got."""

    @property
    def person(self) -> bool:
        """Whether it is a person."""
        return is_person(self.name)

    @property
    def said(self) -> list[Judgement]:
        """What was said of the neurons that were rated."""
        return [one.said for one in self.neurons if one.said is not None]
