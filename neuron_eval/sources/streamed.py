"""A source small enough to be read through for whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, no_scores


@dataclass(frozen=True, slots=True)
class StreamedSource:
    """Sound neurons from a function, such as those that ship."""

    name: str
    """What the user wrote."""

    open: Callable[[], Iterator[NeuronRecord]]
    """Starts reading from the beginning."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, in order."""
        return (NeuronKey(n.id, n.layer, n.neuron) for n in self.open())

    def read(self, wanted: Collection[NeuronKey] | None = None) -> Iterator[NeuronRecord]:
        """The neurons wanted, in order; all if None."""
        ids = None if wanted is None else {key.id for key in wanted}
        return (n for n in self.open() if ids is None or n.id in ids)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none."""
        raise no_scores(self.name)
