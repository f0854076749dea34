"""Checks of attention, on request: neurons shown twice, and explanations of other neurons."""

from __future__ import annotations

import random
from collections.abc import Sequence

from neuron_eval.messages import InputError
from neuron_eval.rating.explained import ExplainedNeuron

AGAIN = "#2"
"""Follows the id of a neuron that is shown for the second time."""


def shown_twice(neurons: Sequence[ExplainedNeuron], number: int, seed: int) -> list[str]:
    """The ids of the neurons that are shown twice.

    Args:
        neurons: All neurons.
        number: How many are shown twice.
        seed: What is drawn.

    Raises:
        ValueError: There are fewer neurons.
    """
    if number > len(neurons):
        raise InputError(f"repeat={number}: there are only {len(neurons)} neurons")
    ids = sorted(one.id for one in neurons)
    return sorted(random.Random(f"{seed}\nrepeat").sample(ids, number))


def from_another(
    neuron: ExplainedNeuron, neurons: Sequence[ExplainedNeuron], seed: int
) -> tuple[str, str]:
    """Another neuron's explanation that is none of this neuron's, and the other's id.

    Args:
        neuron: Whose question it is planted in.
        neurons: All neurons.
        seed: What is drawn.

    Raises:
        ValueError: No other neuron has such an explanation.
    """
    own = {text.strip() for text in neuron.explanations.values()}
    found = [
        (text, other.id)
        for other in neurons
        if other.id != neuron.id
        for text in other.explanations.values()
        if text.strip() not in own
    ]
    if not found:
        raise InputError(f"planted=true: no neuron but {neuron.id} has an explanation of its own")
    return random.Random(f"{seed}\nplanted\n{neuron.id}").choice(found)
