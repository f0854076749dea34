"""Replies about several excerpts: what is kept of them, and when the question is asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.base import (
    BrokenReplyError,
    HopelessReplyError,
    Simulated,
    UnreadableReplyError,
)
from neuron_eval.simulation.reading import cut_off

Part = Simulated | UnreadableReplyError
"""What a reply holds of one excerpt, or what is wrong with it."""

Asked = Simulated | NoReadableReplyError
"""What was read of one excerpt, or that no reply could be."""


async def ask_pack(
    asker: Asker,
    count: int,
    messages: Sequence[ChatMessage],
    read: Callable[[ModelOutput], Sequence[Part]],
    again: Callable[[str], str],
    max_tokens: int,
    attempts: int,
    stop: Sequence[str] = (),
) -> list[Asked]:
    """One request for several excerpts, and again until every excerpt has been read once.

    Several are asked for no more after a reply that was cut off behind some that could be read,
    nor after two of which nothing could be.

    Args:
        asker: The simulator.
        count: How many excerpts the question is about, E.
        messages: The question.
        read: Reads a reply: E parts; raises `UnreadableReplyError` if there is nothing to read.
        again: From what was wrong to the message that asks again.
        max_tokens: The longest sensible reply.
        attempts: How many requests may be made, at least 1.
        stop: Where a reply ends that goes on behind the last excerpt.

    Returns:
        For each excerpt what was read, or that nothing could be.
    """
    kept: dict[int, Simulated] = {}
    replies = 0

    def read_rest(output: ModelOutput) -> None:
        nonlocal replies
        replies += 1
        try:
            _keep(read(output), kept)
        except UnreadableReplyError as error:
            if count > 1 and (cut_off(output) if kept else replies > 1):
                raise HopelessReplyError(str(error)) from error
            raise

    # after as many replies as may be an earlier run asked for smaller parts; after fewer, for none
    past = count == 1 or attempts < ATTEMPTS
    try:
        await asker.ask(messages, read_rest, again, max_tokens, attempts, stop, past)
    except NoReadableReplyError as error:
        return [kept.get(i, error) for i in range(count)]
    return [kept[i] for i in range(count)]


def _keep(parts: Sequence[Part], kept: dict[int, Simulated]) -> None:
    """Keep of a reply what was read for the first time.

    Raises:
        UnreadableReplyError: Something is still unread; says what is wrong with it.
    """
    problems: list[UnreadableReplyError] = []
    for i, part in enumerate(parts):
        if isinstance(part, Simulated):
            kept.setdefault(i, part)
        elif i not in kept:
            problems.append(part)
    # The model is told what it is to blame for; of the rest only if there is nothing else.
    blamed = [p for p in problems if not isinstance(p, BrokenReplyError)]
    if problems:
        error = UnreadableReplyError if blamed else BrokenReplyError
        raise error("; ".join(map(str, blamed or problems)))
