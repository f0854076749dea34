"""Shards: the chosen neurons in parts, so that several machines can each run one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neuron_eval.messages import InputError, shown
from neuron_eval.records.treatment import hashed
from neuron_eval.sources.base import NeuronKey

SHARD = "shard"
"""What a log of a shard has in its header's metadata."""

_WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


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
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or not 1 <= shard.number <= shard.of:
        of = shard.of if shard and shard.of else 16
        raise InputError(
            f"shard={shown(value)}: expected which shard of how many, from 1/{of} to {of}/{of}"
        )
    return shard
