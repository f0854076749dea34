"""Asking a language model until its reply can be read; shared by every way that reads replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakSet

from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
)

from neuron_eval.simulation.reading import UnreadableReplyError

R = TypeVar("R")

ATTEMPTS = 3
"""How often one question is asked: once, and again twice."""

TOP_LOGPROBS = 15
"""Alternatives asked for at each position, as published."""

CACHE = CachePolicy(expiry=None, per_epoch=False)
"""The same question has the same answer in every epoch, every eval and every later scoring."""


_REFUSES_LOGPROBS: WeakSet[ModelAPI] = WeakSet()
"""Models that answer with an error when they are asked for log-probabilities."""


class Asker:
    """A simulator with the settings that a simulation needs."""

    def __init__(self, model: Model, *, named: bool, reasoning: bool) -> None:
        """Bind to a model.

        Args:
            model: The simulator.
            named: Whether the user named it as the simulator, so that its own temperature
                counts; an explainer that simulates does so at temperature 0.
            reasoning: Whether it thinks before it answers; such models take neither a
                temperature nor log-probabilities, and need room.
        """
        self.name = str(model)
        self._model = model
        self._reasoning = reasoning
        own = model.config.temperature if named else None
        self._temperature = None if reasoning else (0.0 if own is None else own)

    async def ask(
        self,
        messages: Sequence[ChatMessage],
        read: Callable[[ModelOutput], R],
        again: Callable[[str], str],
        max_tokens: int,
    ) -> R:
        """Ask, and ask again with what was wrong, up to three times in all.

        Args:
            messages: The question.
            read: Reads a reply; raises `UnreadableReplyError` on a bad one.
            again: From what was wrong to the message that asks again.
            max_tokens: The longest sensible reply; models that reason get their provider's limit.

        Returns:
            What ``read`` made of the first good reply.

        Raises:
            UnreadableReplyError: None was good; the message is about the last.
        """
        asked = list(messages)
        problem = UnreadableReplyError("nothing was asked")
        for _ in range(ATTEMPTS):
            output = await self._generate(asked, max_tokens)
            try:
                return read(output)
            except UnreadableReplyError as error:
                problem = error
                asked += [output.message] if output.choices else []
                asked.append(ChatMessageUser(content=again(str(error))))
            finally:
                forget_logprobs(output)
        raise UnreadableReplyError(f"{ATTEMPTS} unreadable replies, the last: {problem}")

    async def _generate(self, messages: list[ChatMessage], max_tokens: int) -> ModelOutput:
        asked = not self._reasoning and self._model.api not in _REFUSES_LOGPROBS
        try:
            return await self._request(messages, max_tokens, asked)
        except Exception as error:
            # Some servers refuse the question instead of leaving log-probabilities out.
            if not asked or "logprobs" not in str(error).lower():
                raise
            _REFUSES_LOGPROBS.add(self._model.api)
            return await self._request(messages, max_tokens, logprobs=False)

    async def _request(
        self, messages: list[ChatMessage], max_tokens: int, logprobs: bool
    ) -> ModelOutput:
        config = GenerateConfig(
            temperature=self._temperature,
            max_tokens=None if self._reasoning else max_tokens,
            logprobs=True if logprobs else None,
            top_logprobs=TOP_LOGPROBS if logprobs else None,
        )
        cache = CACHE if self._temperature in (None, 0.0) else False
        return await self._model.generate(messages, config=config, cache=cache)


def forget_logprobs(output: ModelOutput) -> None:
    """Empty the log-probabilities of a reply that was read: they would only swell the log.

    The transcript's event holds a copy of the reply that shares these lists, so they are emptied
    and not taken off. What Inspect's cache holds is whole.
    """
    _forget_raw_reply(output)
    for choice in output.choices:
        for logprobs in (choice.logprobs, choice.prompt_logprobs):
            if logprobs is not None:
                logprobs.content.clear()


def _forget_raw_reply(output: ModelOutput) -> None:
    """Take the raw reply, which Inspect keeps of a model's first calls, off the reply's event."""
    read = [choice.logprobs for choice in output.choices if choice.logprobs is not None]
    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and any(
            choice.logprobs is logprobs for choice in event.output.choices for logprobs in read
        ):
            event.call = None
            return
