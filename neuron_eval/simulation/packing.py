"""Several excerpts in one request, and what becomes of those that the reply leaves unread.

A reply that cannot be read as a whole is asked for again. What of it could be read is kept: an
excerpt takes the first of its parts that is complete. Excerpts without one after the last try are
asked for once more, each in a request of its own; only then have they failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.concurrently import together
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Failed, Outcome, Simulated
from neuron_eval.simulation.reading import UnreadableReplyError

T = TypeVar("T")

Part = Simulated | UnreadableReplyError
"""What a reply holds of one excerpt, or what is wrong with it."""


def grouped(items: Sequence[T], size: int) -> list[list[T]]:
    """Cut into as few groups of at most ``size`` as there can be, as even as they can be.

    Args:
        items: What to cut; may be empty.
        size: The most that a group may hold, at least 1.

    Raises:
        ValueError: The size is below 1.
    """
    if size < 1:
        raise ValueError(f"excerpts_per_call={size}: expected a whole number of at least 1")
    count = -(-len(items) // size)
    bounds = [len(items) * i // count for i in range(count + 1)] if count else []
    return [list(items[a:b]) for a, b in pairwise(bounds)]


async def in_packs(
    excerpts: Sequence[Excerpt],
    size: int,
    ask: Callable[[Sequence[Excerpt]], Awaitable[list[Outcome]]],
) -> list[Outcome]:
    """Ask for excerpts in packs, and once more by themselves for those that failed in company.

    Args:
        excerpts: E excerpts.
        size: How many may share a request, at least 1.
        ask: Asks for the excerpts of one request; an outcome for each.

    Returns:
        E outcomes, in order.
    """

    async def pack(group: list[Excerpt]) -> list[Outcome]:
        outcomes = await ask(group)
        left = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Failed)]
        if len(group) == 1 or not left:
            return outcomes
        alone = await together(*(ask([group[i]]) for i in left))
        for i, (outcome,) in zip(left, alone, strict=True):
            outcomes[i] = outcome
        return outcomes

    packs = await together(*(pack(group) for group in grouped(excerpts, size)))
    return [outcome for outcomes in packs for outcome in outcomes]


async def ask_pack(
    asker: Asker,
    excerpts: Sequence[Excerpt],
    messages: Sequence[ChatMessage],
    read: Callable[[ModelOutput], Sequence[Part]],
    again: Callable[[str], str],
    max_tokens: int,
) -> list[Outcome]:
    """One request for several excerpts, and again until every excerpt has been read once.

    Args:
        asker: The simulator.
        excerpts: E excerpts.
        messages: The question.
        read: Reads a reply: E parts; raises `UnreadableReplyError` if there is nothing to read.
        again: From what was wrong to the message that asks again.
        max_tokens: The longest sensible reply.

    Returns:
        E outcomes, in order.
    """
    kept: dict[int, Simulated] = {}

    def read_rest(output: ModelOutput) -> None:
        problems = []
        for i, part in enumerate(read(output)):
            if isinstance(part, UnreadableReplyError):
                problems += [str(part)] if i not in kept else []
            else:
                kept.setdefault(i, part)
        if problems:
            raise UnreadableReplyError("; ".join(problems))

    try:
        await asker.ask(messages, read_rest, again, max_tokens)
    except UnreadableReplyError as error:
        return [
            kept.get(i) or Failed(f"excerpt {excerpt.name}: {error}")
            for i, excerpt in enumerate(excerpts)
        ]
    return [kept[i] for i in range(len(excerpts))]
