"""Excerpts of text with one neuron's activation on every token, alone and in strata."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

T = TypeVar("T")
Textual = TypeVar("Textual", "ActivationRecord", "Excerpt")
Kind = Literal["top", "random", "quantile", "sentence", "further"]
"""A recorded neuron's top and random excerpts, and those of its strata; a puzzle's sentences and
further sentences."""


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One excerpt of text and what the neuron did on it."""

    # The tokens, shape [T], T >= 1; joined they are the excerpt's text. None is empty.
    tokens: tuple[str, ...]
    # The neuron's raw activation on each token, shape [T]; any finite number, in the units of the
    # subject model (post-activation, so signed for GELU-like and gated MLPs)
    activations: tuple[float, ...]
    # Positions of tokens that are part of the text alone, ascending: they are neither marked nor
    # scored. Their activations are at most 0 and at most the lowest of the others, so that no peak
    # is there.
    ignored: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The excerpt as running text."""
        return "".join(self.tokens)

    @property
    def peak(self) -> float:
        """The highest raw activation in the excerpt."""
        return max(self.activations)

    def counted(self, values: Sequence[T]) -> Sequence[T]:
        """Those of the values, one per token, whose tokens are not ignored."""
        if not self.ignored:
            return values
        left_out = frozenset(self.ignored)
        return [value for i, value in enumerate(values) if i not in left_out]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An activation record together with where it stands in its neuron's record."""

    kind: Kind  # which of the neuron's lists the excerpt comes from
    index: int  # its place in that list, from 0
    record: ActivationRecord  # tokens and activations
    stratum: int = 0  # the number of its stratum, from 0; 0 for all where excerpts are in no strata
    share: float = 1.0  # the share of all text that its stratum stands for, in (0, 1]

    @property
    def text(self) -> str:
        return self.record.text

    @property
    def name(self) -> str:
        """A label such as ``top 2``, for errors, logs and heat maps."""
        return f"{self.kind} {self.index}"


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of all text, told by how strongly the neuron fires, and excerpts drawn from it.

    Whatever the parts are made by: as long as each excerpt is drawn uniformly from its part, one
    that weighs its share over the number drawn stands for all text without bias.
    """

    share: float  # the part of all text, in (0, 1]; those of a record sum to 1
    # Drawn uniformly from the part, none of them picked for its peak; at least one
    excerpts: tuple[ActivationRecord, ...]


def distinct(excerpts: Iterable[Textual], seen: set[str]) -> Iterator[Textual]:
    """Those whose text is not among the texts ``seen``, which get theirs as they are taken."""
    for excerpt in excerpts:
        if (text := excerpt.text) not in seen:
            seen.add(text)
            yield excerpt


def distinct_strata(strata: Iterable[Stratum]) -> tuple[Stratum, ...]:
    """The strata with each text once, in the first that has it; those left empty are left out."""
    seen: set[str] = set()
    kept = [replace(s, excerpts=tuple(distinct(s.excerpts, seen))) for s in strata]
    return tuple(stratum for stratum in kept if stratum.excerpts)
