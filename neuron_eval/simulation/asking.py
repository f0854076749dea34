"""Asking a language model until its reply can be read; shared by every way that reads replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

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

from neuron_eval.caching import cache_policy
from neuron_eval.server_errors import answered
from neuron_eval.simulation.reading import UnreadableReplyError

R = TypeVar("R")

ATTEMPTS = 3
"""How often one question is asked: once, and again twice."""

ALTERNATIVES = (15, 5, 0)
"""Alternatives asked for at each position: as published, as the meanest servers give, none."""

LEAST_OUTPUT = 16
"""The least room that OpenAI's Responses API accepts for a reply."""

_ALTERNATIVES: WeakKeyDictionary[ModelAPI, int] = WeakKeyDictionary()
"""How many alternatives a model's server has given, where it refused to give as many as wanted."""


class Asker:
    """A simulator with the settings that a simulation needs."""

    def __init__(self, model: Model, *, named: bool, reasoning: bool) -> None:
        """Bind to a model.

        Args:
            model: The simulator.
            named: Whether the user named it as the simulator, so that its own temperature and
                token limit count; an explainer that simulates does so at temperature 0.
            reasoning: Whether it thinks before it answers; such models take neither a
                temperature nor log-probabilities, and need room.
        """
        self.name = str(model)
        self._model = model
        self._reasoning = reasoning
        self._own_room = reasoning or (named and model.config.max_tokens is not None)
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
                return _read_once(output, read)
            except UnreadableReplyError as error:
                if not _came_from_cache(output):
                    problem = error
                else:
                    # What could not be read once need not stay so: the cache is passed over.
                    output = await self._generate(asked, max_tokens, fresh=True)
                    try:
                        return _read_once(output, read)
                    except UnreadableReplyError as again_unreadable:
                        problem = again_unreadable
            asked += [output.message] if output.choices else []
            asked.append(ChatMessageUser(content=again(str(problem))))
        raise UnreadableReplyError(f"{ATTEMPTS} unreadable replies, the last: {problem}")

    async def _generate(
        self, messages: list[ChatMessage], max_tokens: int, fresh: bool = False
    ) -> ModelOutput:
        least = LEAST_OUTPUT if getattr(self._model.api, "responses_api", False) else 1
        config = GenerateConfig(
            temperature=self._temperature,
            max_tokens=None if self._own_room else max(least, max_tokens),
        )
        deterministic = self._temperature in (None, 0.0) and not fresh
        cache = cache_policy(self._model) if deterministic else False
        if self._reasoning:
            reply = self._model.generate(messages, config=config, cache=cache)
            return await answered("simulator", self._model, reply)
        reply = with_logprobs(self._model, messages, config, cache)
        return await answered("simulator", self._model, reply)


async def with_logprobs(
    model: Model, messages: list[ChatMessage], config: GenerateConfig, cache: CachePolicy | bool
) -> ModelOutput:
    """Generate with as many alternatives a position as the model's server gives.

    Some servers refuse the question, or the number, instead of leaving log-probabilities out.
    """
    most = _ALTERNATIVES.get(model.api, ALTERNATIVES[0])
    for number in (n for n in ALTERNATIVES if n <= most):
        wanted = GenerateConfig(
            logprobs=True if number else None, top_logprobs=number if number else None
        )
        try:
            output = await model.generate(messages, config=config.merge(wanted), cache=cache)
        except Exception as error:
            if number == 0 or not refuses_logprobs(error):
                raise
        else:
            _ALTERNATIVES[model.api] = number
            return output
    raise AssertionError("the last number is 0, which either answers or raises")


def refuses_logprobs(error: Exception) -> bool:
    """Whether a server's error is about log-probabilities.

    Inspect puts the request into an error's text, and a request names them; so only what the
    provider said counts.
    """
    said = getattr(error, "provider_message", None) or str(error)
    return "logprobs" in said.lower() and "\nRequest:\n" not in said


def _read_once(output: ModelOutput, read: Callable[[ModelOutput], R]) -> R:
    """Read a reply, and empty its log-probabilities whatever comes of it."""
    try:
        return read(output)
    finally:
        forget_logprobs(output)


def _came_from_cache(output: ModelOutput) -> bool:
    """Whether Inspect's cache answered; its event for the reply says so."""
    ids = {choice.message.id for choice in output.choices}
    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and ids & {c.message.id for c in event.output.choices}:
            return event.cache == "read"
    return False


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
