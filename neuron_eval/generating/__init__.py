"""A score by experiment: texts that fit an explanation, and what the neuron does on them.

A writer, who sees the explanation and nothing of the neuron, writes texts that fit it, and changes
each of them so that it does not. The subject is run on both.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuron_eval.records import ActivationRecord, Excerpt

MEANING = (
    "a writer writes texts that fit the explanation, and the subject is run on them; this is how "
    "often the neuron's peak there is above that in a random excerpt (AUROC). Chance gets 0.5. It "
    "does not see what else the neuron fires on: an explanation that is too narrow loses nothing."
)
"""What the score measures and what it does not notice, in a line."""

CHANCE = 0.5

TEXTS = 5  # so many fit, and so many are near

LEAST = 2  # fewer texts, or fewer random excerpts, say nothing of a neuron


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer wrote, up to as many texts as it was asked for."""

    texts: tuple[str, ...]  # of one line each, no two the same
    missing: int  # how many more were asked for
    problem: str = ""  # why they are missing; empty if none is


@dataclass(frozen=True, slots=True)
class Tried:
    """The writer's texts with the neuron's activations, and the excerpts that they are up to."""

    fitting: tuple[ActivationRecord, ...]
    near: tuple[ActivationRecord, ...]
    random: tuple[Excerpt, ...]  # held out
