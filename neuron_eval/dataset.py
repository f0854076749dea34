"""Neuron records as an Inspect dataset: one sample a neuron."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from inspect_ai.dataset import MemoryDataset, Sample

from neuron_eval.dealt import DealtNeuron, deal, to_text
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.records import NeuronRecord, Reference, TooFewExcerptsError
from neuron_eval.sources import load_neurons

EXCERPTS = 5
"""Excerpts of each kind in each split, as published."""

MAX_UNRELATED = 100
"""At most so many references of other neurons go into a sample, drawn by the neuron's id."""

ON_SHORT = ("error", "skip")
"""What can be done with a neuron that has too few excerpts."""


@dataclass(frozen=True, slots=True)
class NeuronSet:
    """Neurons ready to be made samples of."""

    name: str
    """What the user called the set."""

    neurons: tuple[tuple[DealtNeuron, Reference | None], ...]
    """Each neuron with its reference."""

    skipped: tuple[str, ...]
    """Why each neuron that was left out was left out, one message a neuron."""


def neuron_set(neurons: str, excerpts: int = EXCERPTS, on_short: str = "error") -> NeuronSet:
    """Load a set of neurons and deal their excerpts.

    Args:
        neurons: See `neuron_eval.sources.load_neurons`.
        excerpts: Excerpts of each kind in each split, at least 1.
        on_short: What to do with a neuron that has too few: ``error``, or ``skip`` and count.

    Raises:
        TooFewExcerptsError: A neuron has too few excerpts and ``on_short`` is ``error``.
        ValueError: A parameter is not among the allowed values, or no neuron is left.
    """
    check_number("excerpts", excerpts, least=1)
    check_choice("on_short", on_short, ON_SHORT)
    found: list[tuple[DealtNeuron, Reference | None]] = []
    skipped: list[str] = []
    for record in load_neurons(neurons):
        try:
            found.append((deal(record, excerpts), record.reference))
        except TooFewExcerptsError as error:
            if on_short == "error":
                raise TooFewExcerptsError(
                    f"neurons={neurons}: {error} (-T on_short=skip leaves such neurons out)"
                ) from error
            skipped.append(str(error))
    if not found:
        raise ValueError(f"neurons={neurons}: no neuron is left, {len(skipped)} were skipped")
    return NeuronSet(neurons, tuple(found), tuple(skipped))


def dataset(chosen: NeuronSet) -> MemoryDataset:
    """An Inspect dataset, one sample a neuron, its reference as the target."""
    references = {d.neuron.id: ref.explanation for d, ref in chosen.neurons if ref is not None}
    samples = [
        Sample(
            id=dealt.neuron.id,
            input=f"Explain {describe(dealt.neuron)}.",
            target=reference.explanation if reference else "",
            metadata={
                "model": dealt.neuron.model,
                "layer": dealt.neuron.layer,
                "neuron": dealt.neuron.neuron,
                "group": dealt.neuron.group,
                "reference_source": reference.source if reference else None,
                "splits": dealt.places(),
                "unrelated_references": unrelated(
                    [text for id_, text in references.items() if id_ != dealt.neuron.id],
                    dealt.neuron.id,
                ),
                "record": to_text(dealt),
            },
        )
        for dealt, reference in chosen.neurons
    ]
    return MemoryDataset(samples, name=PurePath(chosen.name).name)


def describe(neuron: NeuronRecord) -> str:
    """The neuron in words."""
    if neuron.layer < 0:
        return f"the neuron {neuron.id}"
    return f"neuron {neuron.neuron} in layer {neuron.layer} of {neuron.model}"


def unrelated(references: Sequence[str], seed: str) -> list[str]:
    """Up to `MAX_UNRELATED` of the other neurons' references, the same ones for the same seed."""
    if len(references) <= MAX_UNRELATED:
        return list(references)
    return random.Random(seed).sample(references, MAX_UNRELATED)
