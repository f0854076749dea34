"""Neurons with what is said of them, and choosing among them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuron_eval.records.splits import DealtNeuron
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import place


@dataclass(frozen=True, slots=True)
class ExplainedNeuron:
    """A neuron and what is said of it."""

    dealt: DealtNeuron
    """Its record."""

    explanations: Mapping[str, str]
    """By column, each with something in it."""

    @property
    def id(self) -> str:
        """The neuron's id."""
        return self.dealt.neuron.id


@dataclass(frozen=True, slots=True)
class Explained:
    """What is to be rated."""

    columns: tuple[str, ...]
    """The formats, or the file's columns."""

    neurons: tuple[ExplainedNeuron, ...]
    """The neurons that every column explains, at least one."""

    about: Mapping[str, Any]
    """For the log's header: names without folders, digests, how many neurons were left out."""


def wanted_columns(wanted: Sequence[str], columns: Sequence[str], path: str) -> tuple[str, ...]:
    """The columns that the user wants, in the order they have; all if none is named.

    Raises:
        ValueError: There is no such column; the message lists those there are.
    """
    found = {name.strip().lower(): name for name in columns}
    unknown = [name for name in wanted if name.strip().lower() not in found]
    if unknown:
        raise ValueError(f"columns={unknown[0]}: {path} has {', '.join(columns)}")
    kept = {found[name.strip().lower()] for name in wanted} or set(columns)
    return tuple(name for name in columns if name in kept)


def drawn(keys: Sequence[NeuronKey], limit: int | None, seed: int) -> Sequence[NeuronKey]:
    """At most ``limit`` neurons, by their places in the seed's order; in the order given."""
    if limit is None or limit >= len(keys):
        return keys
    kept = {one.id for one in heapq.nsmallest(limit, keys, key=lambda key: place(seed, key))}
    return [key for key in keys if key.id in kept]


def key_of(dealt: DealtNeuron) -> NeuronKey:
    """The neuron's name in sources."""
    neuron = dealt.neuron
    return NeuronKey(neuron.id, neuron.layer, neuron.neuron)
