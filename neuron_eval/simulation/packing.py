"""Several excerpts in one request, and what becomes of those that the reply leaves unread.

A reply that cannot be read as a whole is asked for again. What of it could be read is kept: an
excerpt takes the first of its parts that is complete. Excerpts without one after the last try are
asked for once more, in a request of their own; only then have they failed. Where no reply could
be read at all there is no such request: it would be the first one over again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.concurrently import together
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.base import (
    BrokenReplyError,
    Failed,
    Outcome,
    Simulated,
    UnreadableReplyError,
)

T = TypeVar("T")

Part = Simulated | UnreadableReplyError
"""What a reply holds of one excerpt, or what is wrong with it."""

Asked = Simulated | NoReadableReplyError
"""What was read of one excerpt, or that no reply could be."""


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
    ask: Callable[[Sequence[Excerpt], int], Awaitable[list[Asked]]],
) -> list[Outcome]:
    """Ask for excerpts in packs, and once more, apart, for those of a pack that were not read.

    A pack costs at most four requests, one of them if all goes well.

    Args:
        excerpts: E excerpts.
        size: How many may share a request, at least 1.
        ask: Asks for the excerpts of one request, at most so many times; a part for each.

    Returns:
        E outcomes, in order.
    """

    async def pack(group: list[Excerpt]) -> list[Asked]:
        parts = await ask(group, ATTEMPTS)
        left = [i for i, part in enumerate(parts) if isinstance(part, NoReadableReplyError)]
        if 0 < len(left) < len(group):
            apart = await ask([group[i] for i in left], 1)
            for i, part in zip(left, apart, strict=True):
                parts[i] = _later(parts[i], part)
        return parts

    packs = await together(*(pack(group) for group in grouped(excerpts, size)))
    parts = [part for pack in packs for part in pack]
    return [
        part if isinstance(part, Simulated) else Failed(f"excerpt {excerpt.name}: {part}")
        for excerpt, part in zip(excerpts, parts, strict=True)
    ]


def _later(before: Asked, after: Asked) -> Asked:
    """What is known of an excerpt that was asked for twice."""
    if isinstance(before, NoReadableReplyError) and isinstance(after, NoReadableReplyError):
        return NoReadableReplyError(before.count + after.count, after.last)
    return after


async def ask_pack(
    asker: Asker,
    count: int,
    messages: Sequence[ChatMessage],
    read: Callable[[ModelOutput], Sequence[Part]],
    again: Callable[[str], str],
    max_tokens: int,
    attempts: int,
) -> list[Asked]:
    """One request for several excerpts, and again until every excerpt has been read once.

    Args:
        asker: The simulator.
        count: How many excerpts the question is about, E.
        messages: The question.
        read: Reads a reply: E parts; raises `UnreadableReplyError` if there is nothing to read.
        again: From what was wrong to the message that asks again.
        max_tokens: The longest sensible reply.
        attempts: How many requests may be made, at least 1.

    Returns:
        For each excerpt what was read, or that nothing could be.
    """
    kept: dict[int, Simulated] = {}

    def read_rest(output: ModelOutput) -> None:
        problems: list[UnreadableReplyError] = []
        for i, part in enumerate(read(output)):
            if isinstance(part, Simulated):
                kept.setdefault(i, part)
            elif i not in kept:
                problems.append(part)
        # The model is told what it is to blame for; of the rest only if there is nothing else.
        blamed = [p for p in problems if not isinstance(p, BrokenReplyError)]
        if problems:
            error = UnreadableReplyError if blamed else BrokenReplyError
            raise error("; ".join(map(str, blamed or problems)))

    try:
        await asker.ask(messages, read_rest, again, max_tokens, attempts)
    except NoReadableReplyError as error:
        return [kept.get(i, error) for i in range(count)]
    return [kept[i] for i in range(count)]
