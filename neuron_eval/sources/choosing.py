"""Which neurons of a source: the neuron sets of Lee et al. 2023, and plain ranges.

| select | which |
|---|---|
| all | every one, or the first ``limit`` |
| random | ``per_layer`` drawn from each layer |
| interpretable | ``per_layer`` drawn from those of each layer that score ``threshold`` or more |
| top_per_layer | the ``per_layer`` with the highest scores in each layer |
| top | the ``limit`` (1,000) with the highest scores of the whole network |

What is drawn depends on the seed, the layer and the neuron alone: each neuron has a place in a
seeded order, and the first in that order are taken. So the same neurons come out whatever order
or file their scores come in, and a score is looked up only until enough are found.
"""

from __future__ import annotations

import heapq
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any, Literal, TypeVar, get_args

from neuron_eval.messages import InputError, shown
from neuron_eval.parameters import check_choice, check_number, check_real, check_text
from neuron_eval.records.treatment import hashed
from neuron_eval.sources.base import NeuronKey, ScoredNeuron

Select = Literal["all", "random", "interpretable", "top_per_layer", "top"]
# The sets that need published scores, and those that take so many from each layer.
SCORED: tuple[Select, ...] = ("interpretable", "top_per_layer", "top")
LAYERED: tuple[Select, ...] = ("random", "interpretable", "top_per_layer")
# The published sizes.
PER_LAYER = 20
THRESHOLD = 0.35
TOP = 1000

K = TypeVar("K", NeuronKey, ScoredNeuron)

Scores = Callable[[Iterable[NeuronKey]], Iterator[ScoredNeuron]]
"""Looks up scores, with ids, lazily and in order; see `neuron_eval.sources.base.Source.scores`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which neurons the user asked for; made by `parse_choice`."""

    neurons: str  # the source, see `neuron_eval.sources.open_source`
    layers: Ranges | None = None
    index: Ranges | None = None  # only these neurons of each layer
    select: str = "all"  # one of `Select`
    per_layer: int = PER_LAYER
    threshold: float = THRESHOLD  # the lowest score that counts as interpretable
    limit: int | None = None  # at most so many in all
    seed: int = 0
    scores: str | None = None  # a CSV file of published scores and explanations
    shard: Shard | None = None  # only this part of what the others choose

    @property
    def restricted(self) -> bool:
        """Whether some neurons of the source are not wanted, before any are drawn."""
        return not (self.layers is None and self.index is None)

    def admits(self, key: NeuronKey) -> bool:
        return (self.layers is None or key.layer in self.layers) and (
            self.index is None or key.neuron in self.index
        )


def parse_choice(
    neurons: object,
    *,
    layers: object = None,
    index: object = None,
    select: object = "all",
    per_layer: object = None,
    threshold: object = None,
    limit: object = None,
    seed: object = 0,
    scores: object = None,
    shard: object = None,
) -> Choice:
    """What users write after ``-T`` or as options, checked; all of it has a part in the set."""
    wanted = check_choice("select", select, get_args(Select))
    if per_layer is not None:
        _only("per_layer", per_layer, wanted, LAYERED)
    if threshold is not None:
        _only("threshold", threshold, wanted, ("interpretable",))
    return Choice(
        neurons=check_text("neurons", neurons),
        layers=None if layers is None else parse_ranges("layers", layers),
        index=None if index is None else parse_ranges("index", index),
        select=wanted,
        per_layer=PER_LAYER if per_layer is None else check_number("per_layer", per_layer, least=1),
        threshold=THRESHOLD if threshold is None else check_real("threshold", threshold, "0.35"),
        limit=None if limit is None else check_number("limit", limit, least=1),
        seed=check_number("seed", seed, least=0),
        scores=None if scores is None else check_text("scores", scores),
        shard=None if shard is None else parse_shard(shard),
    )


def draw(keys: Iterable[NeuronKey], choice: Choice, scores: Scores) -> list[NeuronKey]:
    """The chosen neurons, in the source's order, which is that of the keys."""
    admitted = (key for key in keys if choice.admits(key))
    if choice.select == "all":
        return list(islice(admitted, choice.limit))
    candidates = list(admitted)
    chosen: Sequence[NeuronKey | ScoredNeuron]
    if choice.select in ("random", "interpretable"):
        layers = _by_layer(candidates)
        chosen = [key for layer in layers for key in _drawn(layer, choice, scores)]
        if choice.limit is not None:
            chosen = heapq.nsmallest(choice.limit, chosen, key=lambda key: place(choice.seed, key))
    else:
        chosen = _highest(candidates, choice, scores)
    kept = {key.id for key in chosen}
    return [key for key in candidates if key.id in kept]


def place(seed: int, key: NeuronKey | ScoredNeuron) -> tuple[int, int, int]:
    """Where a neuron stands in the seeded order."""
    text = f"{seed}/{key.layer}/{key.neuron}" + (f"/{key.id}" if key.layer < 0 else "")
    return hashed(text), key.layer, key.neuron


def _drawn(
    layer: Sequence[NeuronKey], choice: Choice, scores: Scores
) -> Iterable[NeuronKey | ScoredNeuron]:
    """The first of the seeded order; no score is looked up after enough are high enough."""
    ordered = sorted(layer, key=lambda key: place(choice.seed, key))
    if choice.select == "random":
        return ordered[: choice.per_layer]
    good = (scored for scored in scores(ordered) if scored.score >= choice.threshold)
    return islice(good, choice.per_layer)


def _highest(keys: Sequence[NeuronKey], choice: Choice, scores: Scores) -> list[ScoredNeuron]:
    best = sorted(scores(keys), key=_rank)
    if choice.select == "top_per_layer":
        firsts = (layer[: choice.per_layer] for layer in _by_layer(best))
        best = sorted(chain.from_iterable(firsts), key=_rank)
    limit = choice.limit or (TOP if choice.select == "top" else len(best))
    return best[:limit]


def _rank(scored: ScoredNeuron) -> tuple[float, int, int, str]:
    return -scored.score, scored.layer, scored.neuron, scored.id


def _by_layer(neurons: Iterable[K]) -> Iterable[list[K]]:
    of_layer = attrgetter("layer")
    return [list(layer) for _, layer in groupby(sorted(neurons, key=of_layer), key=of_layer)]


def _only(name: str, value: object, select: str, allowed: Sequence[str]) -> None:
    if select not in allowed:
        raise InputError(f"{name}={shown(value)}: has a part in select={', '.join(allowed)} only")


_PART = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of whole numbers from 0, as closed ranges."""

    # First and last of each range, first <= last, ascending and apart from each other
    parts: tuple[tuple[int, int], ...]

    def __contains__(self, number: int) -> bool:
        behind = bisect_right(self.parts, (number, math.inf))
        return behind > 0 and number <= self.parts[behind - 1][1]

    def __str__(self) -> str:
        """As a user writes it, for instance ``0-3,10``."""
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.parts)


def parse_ranges(name: str, value: object) -> Ranges:
    """What a user wrote after ``-T layers=``: a number, a text such as ``0-3,10``, a list of these.

    Inspect splits at commas and reads numbers. ``name`` is the parameter, for the message.
    """
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    written = shown(",".join(map(str, items)))
    parts = []
    for item in items:
        match = None if isinstance(item, bool) else _PART.fullmatch(str(item).strip())
        if match is None:
            raise InputError(
                f"{name}={written}: {shown(item)} is no whole number and no range; "
                "expected for instance 5 or 0-3,10"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"{name}={written}: {shown(item)} runs backwards")
        parts.append((first, last))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if merged and first <= merged[-1][1] + 1:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return Ranges(tuple(merged))


SHARD = "shard"  # what a log of a shard has in its header's metadata
_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of any neurons; which a neuron is in depends on its id alone."""

    number: int  # from 1 to ``of``
    of: int

    def holds(self, id_: str) -> bool:
        return hashed(id_) % self.of == self.number - 1

    def take(self, keys: Sequence[NeuronKey]) -> list[NeuronKey]:
        """Those whose ids fall into this shard, in their order; an InputError if there are none."""
        kept = [key for key in keys if self.holds(key.id)]
        if not kept:
            raise InputError(
                f"shard={self}: none of the {len(keys):,} chosen neurons falls into it, so there "
                "is nothing to run, and a report of the other shards misses nothing; with fewer "
                "shards none is empty"
            )
        return kept

    def header(self, neurons: int, of_all: int) -> dict[str, Any]:
        """What a log's header says: how many neurons are this shard's, and how many all shards'."""
        return {SHARD: {"shard": str(self), "neurons": neurons, "neurons_of_all": of_all}}

    def __str__(self) -> str:
        """As a user writes it, for instance ``3/16``."""
        return f"{self.number}/{self.of}"


def parse_shard(value: object) -> Shard:
    """What a user wrote after ``-T shard=``."""
    match = _SHARD.fullmatch(value) if isinstance(value, str) else None
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or not 1 <= shard.number <= shard.of:
        of = shard.of if shard and shard.of else 16
        raise InputError(
            f"shard={shown(value)}: expected which shard of how many, from 1/{of} to {of}/{of}"
        )
    return shard
