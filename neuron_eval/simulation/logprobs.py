"""Log-probabilities of a reply: as many as its server gives, and gone once they were read."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
)
from pydantic import ValidationError

ALTERNATIVES = (15, 5, 0)
"""Alternatives asked for at each position: as published, as the meanest servers give, none."""

_ALTERNATIVES: WeakKeyDictionary[ModelAPI, int] = WeakKeyDictionary()
"""How many alternatives a model's server has given, where it refused to give as many as wanted."""


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
    if isinstance(error, ValidationError):  # it is the reply that has bad ones
        return False
    said = getattr(error, "provider_message", None) or str(error)
    return "logprobs" in said.lower() and "\nRequest:\n" not in said


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
