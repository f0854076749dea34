"""From a neuron and its explanations to the question, and from an answer back to the columns."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neuron_eval.dataset import describe
from neuron_eval.explain.prompting import cutoff
from neuron_eval.formats.base import Shown, letter
from neuron_eval.prompts.rating import RatingWording
from neuron_eval.rating.explained import ExplainedNeuron
from neuron_eval.rating.question import Option, Question, Scale, ShownExcerpt
from neuron_eval.records.splits import DealtNeuron

LEAST, MOST = 1, 5
"""The scale, as published."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An explanation to rate, and whose it is."""

    explanation: str
    """The text, without white space around it."""

    columns: tuple[str, ...]
    """The formats, or columns of a file, that say exactly this; none for a planted one."""


def candidates(explanations: Mapping[str, str], planted: str | None = None) -> list[Candidate]:
    """The explanations of a neuron, identical ones once.

    Args:
        explanations: By column, in the columns' order.
        planted: An explanation of another neuron to put among them.
    """
    merged: dict[str, list[str]] = {}
    for column, text in explanations.items():
        merged.setdefault(text.strip(), []).append(column)
    if planted is not None:
        merged.setdefault(planted.strip(), [])
    return [Candidate(text, tuple(columns)) for text, columns in merged.items()]


def in_order(
    found: Sequence[Candidate], seed: int, id_: str, rater: str, turn: int = 0
) -> list[Candidate]:
    """The order in which a rater sees the explanations of a neuron.

    The first order is drawn by seed, neuron and rater. The following ones turn it round, so that
    N of them show each of N explanations once at each place; then another is drawn.

    Args:
        found: The explanations.
        seed: What is drawn.
        id_: The sample's id.
        rater: The rater's name.
        turn: How often the rater was asked before.
    """
    round_, shift = divmod(turn, len(found))
    order = list(found)
    random.Random(f"{seed}\n{id_}\n{rater}\n{round_}").shuffle(order)
    return order[shift:] + order[:shift]


def question(
    id_: str,
    dealt: DealtNeuron,
    order: Sequence[Candidate],
    excerpts: str,
    wording: RatingWording,
) -> Question:
    """The question about a neuron.

    Args:
        id_: The sample's id.
        dealt: The neuron.
        order: Its explanations as they are shown.
        excerpts: Which of the neuron's are shown: ``train``, as to the explainer, or ``valid``.
        wording: The pack's.
    """
    held = {"train": dealt.train, "valid": dealt.valid}[excerpts]
    # The cutoff is the explainer's, whatever the rater sees.
    above = cutoff(dealt.neuron, dealt.shown)
    shown = Shown(tuple(excerpt.record for excerpt in held), above)
    return Question(
        id=id_,
        title=describe(dealt.neuron),
        excerpts=tuple(
            ShownExcerpt(
                name=one.name,
                tokens=one.record.tokens,
                levels=tuple(shown.normalised(one.record)),
                highlighted=tuple(shown.high(one.record)),
            )
            for one in held
        ),
        options=tuple(Option(letter(i), one.explanation) for i, one in enumerate(order)),
        scale=Scale(LEAST, MOST, wording.least_means, wording.most_means),
        instructions=wording.instructions,
    )


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
        raise ValueError(f"repeat={number}: there are only {len(neurons)} neurons")
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
        raise ValueError(f"planted=true: no neuron but {neuron.id} has an explanation of its own")
    return random.Random(f"{seed}\nplanted\n{neuron.id}").choice(found)
