"""Several excerpts in one request, and what becomes of those that the reply leaves unread.

A pack whose reply may not fit into the output tokens that user or server allow is halved before it
is asked, and where the server refuses so many. A reply that cannot be read as a whole is asked for
again. What of it could be read is kept: an excerpt takes the first of its parts that is complete.
Excerpts without one after the last try are asked for once more, apart; only then have they failed.

A smaller question is a better one than the same again: after a reply that was cut off what it
left unread is asked for apart, and a pack of which nothing could be read twice is asked for in two
halves. One way or the other a pack costs at most four replies. A model that leaves excerpts of its
packs unread as a rule gets smaller ones (`neuron_eval.simulation.limits.fitting_size`).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Self, TypeVar

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.models.requests import together
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import Excerpt
from neuron_eval.records.activations import highest, normalise
from neuron_eval.simulation import (
    BrokenReplyError,
    Failed,
    HopelessReplyError,
    Outcome,
    Simulated,
    Simulation,
    Simulator,
    Tokens,
    UnreadableReplyError,
)
from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.limits import RoomRefusedError, fitting_size, note_pack
from neuron_eval.simulation.reading import cut_off

T = TypeVar("T")
R = TypeVar("R")

Part = Simulated | UnreadableReplyError
"""What a reply holds of one excerpt, or what is wrong with it."""

Read = Simulated | NoReadableReplyError  # what was read of one excerpt, or that no reply could be

MOST_REPLIES = 4  # so many replies about a pack, at most, where one is enough if all goes well


def grouped(items: Sequence[T], size: int) -> list[list[T]]:
    """Cut into as few groups of at most ``size`` as there can be, as even as they can be."""
    if size < 1:
        raise ValueError(f"excerpts_per_call={size}: expected a whole number of at least 1")
    count = -(-len(items) // size)
    bounds = [len(items) * i // count for i in range(count + 1)] if count else []
    return [list(items[a:b]) for a, b in pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class PackQuestion(Generic[R]):
    """What a request asks about its E = ``count`` >= 1 excerpts."""

    count: int
    messages: list[ChatMessage]
    read: Callable[[ModelOutput], Sequence[R | UnreadableReplyError]]
    """From a reply to its E parts. Raises `UnreadableReplyError` if there is nothing to read."""

    again: Callable[[str], str]  # from what was wrong to the message that asks again
    stop: list[str]  # what a reply holds only behind what was asked for


class PackedSimulation(Simulation):
    """A way that asks for several excerpts at once; it says what to ask, and how replies read."""

    excerpts_per_call = 1

    def __init__(self, asker: Asker, wording: Any, excerpts_per_call: int | None = None) -> None:
        self.model = asker.name
        self._asker = asker
        self._wording = wording
        self._size = self.excerpts_per_call if excerpts_per_call is None else excerpts_per_call

    @classmethod
    def bind(cls, simulator: Simulator, pack: Pack, excerpts_per_call: int | None) -> Self:
        return cls(Asker.of(simulator), pack.simulation_wording(cls.name), excerpts_per_call)

    @classmethod
    @abstractmethod
    def question(
        cls, explanation: str, excerpts: Tokens, wording: Any, model: str
    ) -> PackQuestion[Simulated]:
        """What is asked about E >= 1 excerpts; ``model`` is the simulator's name."""

    @classmethod
    @abstractmethod
    def room(cls, excerpts: Tokens) -> int:
        """The most output tokens of a good reply, in any tokenizer."""

    @classmethod
    def requests(
        cls, explanation: str, excerpts: Sequence[Excerpt], pack: Pack, model: str, size: int | None
    ) -> Iterator[tuple[list[ChatMessage], str]]:
        wording = pack.simulation_wording(cls.name)
        for group in grouped(excerpts, size or cls.excerpts_per_call):
            records = [excerpt.record for excerpt in group]
            top = highest(records)
            levels = [normalise(record.activations, top) for record in records]
            lines = cls.reply(_tokens(group), levels)
            text = "".join(str(piece) for line in lines for piece in line)
            question = cls.question(explanation, _tokens(group), wording, model)
            yield question.messages, text.strip("\n")

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `Simulation`; raises `RoomRefusedError` where no excerpt fits, even alone."""
        size = fitting_size(self._asker.model, self.name, self._size)
        parts = await self._packs(explanation, grouped(excerpts, size))
        return [
            part
            if isinstance(part, Simulated)
            else Failed(f"excerpt {excerpt.name}: {part}{self._short_of_room(excerpt)}")
            for excerpt, part in zip(excerpts, parts, strict=True)
        ]

    async def _packs(self, explanation: str, groups: Sequence[Sequence[Excerpt]]) -> list[Read]:
        packs = await together(*(self._pack(explanation, group) for group in groups))
        return [part for pack in packs for part in pack]

    async def _pack(self, explanation: str, group: Sequence[Excerpt]) -> list[Read]:
        """A part for each excerpt of a pack, which is halved until its reply fits."""
        needed = room = self.room(_tokens(group))
        halves = grouped(group, -(-len(group) // 2))
        while True:
            most = self._asker.most
            if len(group) > 1 and most is not None and room > most:
                return await self._packs(explanation, halves)
            try:
                return await self._within(explanation, group, room, MOST_REPLIES)
            except RoomRefusedError as error:
                if len(group) > 1:
                    return await self._packs(explanation, halves)
                # a server that names one limit and refuses it is not followed down one by one
                room = min(error.given, room // 2) if room < needed else error.given

    async def _within(
        self, explanation: str, group: Sequence[Excerpt], room: int, left: int
    ) -> list[Read]:
        """A part for each excerpt of a request, and of smaller ones about what is left unread.

        A reply has at most ``room`` output tokens; there may be ``left`` replies, at least 1.
        """
        question = self.question(explanation, _tokens(group), self._wording, self.model)
        parts = await ask_pack(self._asker, question, room, min(left, ATTEMPTS))
        failed = {i: part for i, part in enumerate(parts) if not isinstance(part, Simulated)}
        if len(group) > 1:
            note_pack(self._asker.model, self.name, len(group), complete=not failed)
        if not failed or len(group) == 1:
            return parts
        # what Inspect's cache answered costs nothing, so that a later run asks for what is unread
        left -= max(part.made for part in failed.values())
        smaller = [list(failed)]
        if len(failed) == len(group):
            smaller = grouped(list(failed), -(-len(group) // 2))
        for after, unread in zip(reversed(range(len(smaller))), smaller, strict=True):
            share = left - after
            if share <= 0:
                continue
            left -= share
            excerpts = [group[i] for i in unread]
            room = self.room(_tokens(excerpts))
            try:
                apart = await self._within(explanation, excerpts, room, share)
            except RoomRefusedError:
                continue  # as much was given before: what it says of it is not to be built on
            for i, part in zip(unread, apart, strict=True):
                parts[i] = part if isinstance(part, Simulated) else failed[i].followed(part)
        return parts

    def _short_of_room(self, excerpt: Excerpt) -> str:
        """What to say where an excerpt alone may need more output tokens than there may be."""
        most, room = self._asker.most, self.room(_tokens([excerpt]))
        if most is None or most >= room:
            return ""
        return f" (a reply may have {most} output tokens, and this excerpt may need {room})"


def _tokens(excerpts: Sequence[Excerpt]) -> Tokens:
    return [excerpt.record.tokens for excerpt in excerpts]


async def ask_pack(
    asker: Asker, question: PackQuestion[R], room: int, attempts: int
) -> list[R | NoReadableReplyError]:
    """One request for E excerpts, and again until every excerpt has been read once.

    Several are asked for no more after a reply that was cut off behind some that could be read,
    nor after two of which nothing could be. A reply has at most ``room`` output tokens.
    """
    several = question.count > 1
    kept: dict[int, R] = {}
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


def _keep(parts: Sequence[R | UnreadableReplyError], kept: dict[int, R]) -> None:
    """Keep of a reply what was read for the first time; raise what is wrong with all else."""
    problems: list[UnreadableReplyError] = []
    for i, part in enumerate(parts):
        if not isinstance(part, UnreadableReplyError):
            kept.setdefault(i, part)
        elif i not in kept:
            problems.append(part)
    # The model is told what it is to blame for; of the rest only if there is nothing else.
    blamed = [p for p in problems if not isinstance(p, BrokenReplyError)]
    if problems:
        error = UnreadableReplyError if blamed else BrokenReplyError
        raise error("; ".join(map(str, blamed or problems)))
