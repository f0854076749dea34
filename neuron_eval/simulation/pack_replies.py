"""Replies about several excerpts: what is kept of them, and when the question is asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.simulation import (
    BrokenReplyError,
    HopelessReplyError,
    Simulated,
    UnreadableReplyError,
)
from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.reading import cut_off

Part = Simulated | UnreadableReplyError
"""What a reply holds of one excerpt, or what is wrong with it."""

Read = Simulated | NoReadableReplyError
"""What was read of one excerpt, or that no reply could be."""


@dataclass(frozen=True, slots=True)
class PackQuestion:
    """What a request asks about its E excerpts."""

    count: int
    """E, at least 1."""

    messages: list[ChatMessage]
    read: Callable[[ModelOutput], list[Part]]
    """From a reply to its E parts. Raises `UnreadableReplyError` if there is nothing to read."""

    again: Callable[[str], str]
    """From what was wrong to the message that asks again."""

    stop: list[str]
    """What a reply holds only behind what was asked for."""


async def ask_pack(asker: Asker, question: PackQuestion, room: int, attempts: int) -> list[Read]:
    """One request for E excerpts, and again until every excerpt has been read once.

    Several are asked for no more after a reply that was cut off behind some that could be read,
    nor after two of which nothing could be. A reply has at most ``room`` output tokens.
    """
    several = question.count > 1
    kept: dict[int, Simulated] = {}
    replies = 0

    def read_rest(output: ModelOutput) -> None:
        nonlocal replies
        replies += 1
        try:
            _keep(question.read(output), kept)
        except UnreadableReplyError as error:
            if several and (cut_off(output) if kept else replies > 1):
                raise HopelessReplyError(str(error)) from error
            raise

    # after as many replies as may be an earlier run asked for smaller parts; after fewer, for none
    past = not several or attempts < ATTEMPTS
    try:
        await asker.ask(
            question.messages, read_rest, question.again, room, attempts, question.stop, past
        )
    except NoReadableReplyError as error:
        return [kept.get(i, error) for i in range(question.count)]
    return [kept[i] for i in range(question.count)]


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
