"""Asking a language model until its reply can be read; shared by every way that reads replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal, Self, TypeVar

from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
)
from inspect_ai.util import display_counter

from neuron_eval.explain.solvers import reasons
from neuron_eval.inspect_private import active_generate_config
from neuron_eval.models.refused_parameters import limits_model, room_given
from neuron_eval.models.replies import starved
from neuron_eval.models.requests import cache_policy, came_from_cache
from neuron_eval.models.server_errors import ModelError, raise_failure
from neuron_eval.simulation import (
    BrokenReplyError,
    HopelessReplyError,
    Simulator,
    UnreadableReplyError,
)
from neuron_eval.simulation.limits import (
    LEAST_OUTPUT,
    RoomRefusedError,
    forget_logprobs,
    learnt,
    note_refusal,
    with_logprobs,
)

R = TypeVar("R")

Cache = CachePolicy | Literal[False]

ATTEMPTS = 3  # how often one question is asked: once, and again twice


class NoReadableReplyError(UnreadableReplyError):
    """No reply could be read, of ``count``; Inspect's cache did not answer ``made`` of them."""

    def __init__(self, count: int, last: UnreadableReplyError, made: int) -> None:
        self.count = count
        self.made = made
        self.last = last
        super().__init__(
            str(last) if count == 1 else f"{count} unreadable replies, the last: {last}"
        )

    def followed(self, by: NoReadableReplyError) -> NoReadableReplyError:
        """This, and then that of a smaller question."""
        return NoReadableReplyError(self.count + by.count, by.last, self.made + by.made)


class Asker:
    """A simulator with the settings that a simulation needs."""

    def __init__(self, model: Model, *, named: bool, reasoning: bool) -> None:
        """Bind to a model.

        Where the user ``named`` it as the simulator, its own temperature counts and its own token
        limit is what is asked for; an explainer that simulates does so at temperature 0, and its
        token limit is the most that is asked for. Models that think before they answer take
        neither a temperature nor log-probabilities, and need room.
        """
        self.name = str(model)
        self.model = model
        self._reasoning = reasoning
        self._own_room = reasoning or (named and model.config.max_tokens is not None)
        own = model.config.temperature if named else None
        self._temperature = None if reasoning else (0.0 if own is None else own)

    @classmethod
    def of(cls, simulator: Simulator) -> Self:
        model = simulator.model
        return cls(model, named=simulator.named, reasoning=reasons(model))

    @property
    def most(self) -> int | None:
        """The most output tokens that a request may ask for, by user and server; None if any."""
        user = self.model.config.max_tokens or active_generate_config().max_tokens
        limits = [limit for limit in (user, learnt(self.model).most_output) if limit]
        return None if self._reasoning else min(limits, default=None)

    def settings(self, max_tokens: int | None, stop: Sequence[str] = ()) -> GenerateConfig:
        """What a request says; what the user set for the simulator stays as it is."""
        responses = getattr(self.model.api, "responses_api", False)
        limits = (self.most, None if self._own_room else max_tokens)
        room = min((n for n in limits if n is not None), default=None)
        stops = stop and not (self._reasoning or responses or self.model.config.stop_seqs)
        return GenerateConfig(
            temperature=self._temperature,
            max_tokens=max(LEAST_OUTPUT, room) if room and responses else room,
            stop_seqs=list(stop) if stops else None,
        )

    async def ask(
        self,
        messages: Sequence[ChatMessage],
        read: Callable[[ModelOutput], R],
        again: Callable[[str], str] | None,
        max_tokens: int,
        attempts: int = ATTEMPTS,
        stop: Sequence[str] = (),
        past: bool = True,
    ) -> R:
        """Ask, and ask again with what was wrong, so many times in all.

        What Inspect's cache answers costs no attempt. It may hold unreadable replies; they are gone
        through as they came, and only where none of them can be read is the question asked past
        them. A NoReadableReplyError says that none was good, or that there is no use in asking
        again, a RoomRefusedError that the server does not give so many output tokens.

        Args:
            messages: The question.
            read: Raises `UnreadableReplyError` on a bad reply.
            again: From what was wrong to the message that says so; None if the model is not to be
                told, so that what it wrote at temperature 0 stays.
            max_tokens: The longest sensible reply; models that reason get their provider's limit,
                also those that only show it, by reasoning until they are cut off.
            attempts: How many requests may be made, at least 1.
            stop: Where a reply ends that goes on behind what was asked for.
            past: Whether the question is asked past unreadable replies in the cache; if not, an
                earlier run has asked smaller ones instead, whose replies are there.
        """
        made, count = 0, 0
        config = self.settings(max_tokens, stop)
        problem = UnreadableReplyError("nothing was asked")
        for cache in self._caches():
            conversation = list(messages)
            for _ in range(attempts):
                if made == attempts:
                    raise NoReadableReplyError(count, problem, made)
                try:
                    output, config = await self._reply(conversation, config, cache, max_tokens)
                except RoomRefusedError:
                    if count:  # a complaint makes the question longer than what was answered
                        raise NoReadableReplyError(count, problem, made) from None
                    raise
                count += 1
                count_reply()
                try:
                    return read(output)
                except UnreadableReplyError as error:
                    problem = error
                finally:
                    forget_logprobs(output)  # whatever comes of it
                cached = came_from_cache(output)
                made += not cached
                if isinstance(problem, HopelessReplyError):
                    raise NoReadableReplyError(count, problem, made)
                if starved(output) and config.max_tokens != self.settings(None).max_tokens:
                    config = self.settings(None)
                    continue
                if isinstance(problem, BrokenReplyError) or (again is None and cached):
                    break
                if again is None:
                    raise NoReadableReplyError(count, problem, made)
                conversation += [output.message] if output.choices else []
                conversation.append(ChatMessageUser(content=again(str(problem))))
            else:
                if not past:
                    break
        raise NoReadableReplyError(count, problem, made)

    def _caches(self) -> list[Cache]:
        """The memories that are asked in turn: each may hold what cannot be read."""
        if self._temperature not in (None, 0.0):
            return [False] * ATTEMPTS
        return [cache_policy(self.model), cache_policy(self.model, asked="again"), False]

    async def _reply(
        self, messages: list[ChatMessage], config: GenerateConfig, cache: Cache, needed: int
    ) -> tuple[ModelOutput, GenerateConfig]:
        """A reply, and the settings that it was given by.

        Where the user set more than the server gives, what it gives is asked for, if that is
        enough.
        """
        while True:
            try:
                if self._reasoning:
                    return await self.model.generate(messages, config=config, cache=cache), config
                return await with_logprobs(self.model, messages, config, cache), config
            except Exception as error:
                refused = self._room_refused(error, config)
                if refused.given < needed:
                    raise refused from error
                config = config.merge(GenerateConfig(max_tokens=refused.given))

    def _room_refused(self, error: Exception, config: GenerateConfig) -> RoomRefusedError:
        """What is left where a server refused so many output tokens; all else is raised."""
        wanted = config.max_tokens or self.model.config.max_tokens
        given = room_given(error, wanted) if wanted else None
        try:
            raise_failure("simulator", self.model, error)
        except ModelError as failure:
            if not wanted or not given or given < LEAST_OUTPUT or self._reasoning:
                raise
            limit = given if limits_model(error, wanted) else None
            note_refusal(self.model, wanted, limit, failure)
            return RoomRefusedError(failure.message, given)


_PAUSE = 0.5  # seconds between two counts on the screen, which is drawn anew for each

_replies = 0
_shown = 0.0


def count_reply() -> None:
    """Count a simulator's reply, and show how many there were in this process.

    Inspect's own progress counts samples, and one sample may take hundreds of requests.
    """
    global _replies, _shown
    _replies += 1
    if monotonic() - _shown >= _PAUSE:
        _shown = monotonic()
        display_counter("simulator replies", f"{_replies:,}")
