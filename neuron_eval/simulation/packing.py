"""Several excerpts in one request, and what becomes of those that the reply leaves unread.

A pack whose reply may not fit into the output tokens that user or server allow is halved before it
is asked, and where the server refuses so many. A reply that cannot be read as a whole is asked for
again. What of it could be read is kept: an excerpt takes the first of its parts that is complete.
Excerpts without one after the last try are asked for once more, apart; only then have they failed.

A smaller question is a better one than the same again: after a reply that was cut off what it
left unread is asked for apart, and a pack of which nothing could be read twice is asked for in two
halves. One way or the other a pack costs at most four replies. A model that leaves excerpts of its
packs unread as a rule gets smaller ones (`neuron_eval.simulation.pack_sizes`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from neuron_eval.models.requests import together
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import (
    ATTEMPTS,
    Asker,
    NoReadableReplyError,
)
from neuron_eval.simulation.base import (
    Failed,
    Outcome,
    Simulated,
)
from neuron_eval.simulation.pack_replies import Asked
from neuron_eval.simulation.pack_sizes import fitting_size, note_pack
from neuron_eval.simulation.room import RoomRefusedError

T = TypeVar("T")

MOST_REPLIES = 4
"""So many replies about a pack, at most, where one is enough if all goes well."""


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


@dataclass(frozen=True, slots=True)
class Packs:
    """How a way to simulate asks for several excerpts at once."""

    way: str
    """The way's name."""

    asker: Asker
    """The simulator."""

    size: int
    """How many excerpts may share a request, at least 1."""

    room: Callable[[Sequence[Excerpt]], int]
    """The most output tokens that a good reply about some excerpts takes."""

    ask: Callable[[Sequence[Excerpt], int, int], Awaitable[list[Asked]]]
    """Asks for the excerpts of one request; given the most output tokens of its reply and the most
    requests. Gives a part for each excerpt."""

    async def outcomes(self, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """Ask for E excerpts.

        Returns:
            E outcomes, in order.

        Raises:
            RoomRefusedError: The server gives no room even for one excerpt alone.
        """
        size = fitting_size(self.asker.model, self.way, self.size)
        packs = await together(*(self._pack(group) for group in grouped(excerpts, size)))
        parts = [part for pack in packs for part in pack]
        return [
            part
            if isinstance(part, Simulated)
            else Failed(f"excerpt {excerpt.name}: {part}{self._short_of_room(excerpt)}")
            for excerpt, part in zip(excerpts, parts, strict=True)
        ]

    async def _pack(self, group: Sequence[Excerpt]) -> list[Asked]:
        """A part for each excerpt of a pack, which is halved until its reply fits."""
        room = self.room(group)
        while True:
            most = self.asker.most
            if len(group) > 1 and most is not None and room > most:
                return await self._halved(group)
            try:
                return await self._within(group, room, MOST_REPLIES)
            except RoomRefusedError as error:
                if len(group) > 1:
                    return await self._halved(group)
                # a server that names one limit and refuses it is not followed down one by one
                room = min(error.given, room // 2) if room < self.room(group) else error.given

    async def _halved(self, group: Sequence[Excerpt]) -> list[Asked]:
        halves = grouped(group, -(-len(group) // 2))
        packs = await together(*(self._pack(half) for half in halves))
        return [part for pack in packs for part in pack]

    async def _within(self, group: Sequence[Excerpt], room: int, left: int) -> list[Asked]:
        """A part for each excerpt of a request, and of smaller ones about what is left unread.

        Args:
            group: The excerpts.
            room: The most output tokens of a reply.
            left: How many replies there may be, at least 1.
        """
        attempts = min(left, ATTEMPTS)
        parts = await self.ask(group, room, attempts)
        failed = {i: part for i, part in enumerate(parts) if not isinstance(part, Simulated)}
        if len(group) > 1:
            note_pack(self.asker.model, self.way, len(group), whole=not failed)
        if not failed or len(group) == 1:
            return parts
        # what Inspect's cache answered costs nothing, so that a later run asks for what is unread
        left -= max(part.made for part in failed.values())
        smaller = [list(failed)]
        if len(failed) == len(group):
            smaller = grouped(list(failed), -(-len(group) // 2))
        for after, unread in zip(reversed(range(len(smaller))), smaller, strict=True):
            share = left - after
            if share > 0:
                excerpts = [group[i] for i in unread]
                left -= share
                try:
                    apart = await self._within(excerpts, self.room(excerpts), share)
                except RoomRefusedError:
                    continue  # as much was given before: what it says of it is not to be built on
                parts = _replaced(parts, dict(zip(unread, apart, strict=True)))
        return parts

    def _short_of_room(self, excerpt: Excerpt) -> str:
        """What to say where an excerpt alone may need more output tokens than there may be."""
        most, room = self.asker.most, self.room([excerpt])
        if most is None or most >= room:
            return ""
        return f" (a reply may have {most} output tokens, and this excerpt may need {room})"


def _replaced(parts: Sequence[Asked], later: Mapping[int, Asked]) -> list[Asked]:
    """What is known of excerpts, some of which were asked for once more."""
    return [_later(part, later[i]) if i in later else part for i, part in enumerate(parts)]


def _later(before: Asked, after: Asked) -> Asked:
    """What is known of an excerpt that was asked for twice."""
    if isinstance(before, NoReadableReplyError) and isinstance(after, NoReadableReplyError):
        return NoReadableReplyError(
            before.count + after.count, after.last, before.made + after.made
        )
    return after
