"""What a simulator and its server give, learnt from what they refuse or leave unread.

That is output tokens, alternatives at each position, and excerpts that a model can keep apart: a
small model may forget the letters of a pack's excerpts every time, and a pack that it cannot
answer costs up to four replies and still leaves excerpts unread, where single ones cost one each.
"""

from __future__ import annotations

from collections import Counter
from logging import getLogger
from weakref import WeakKeyDictionary, WeakSet

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

from neuron_eval.models.server_errors import ModelError

LEAST_OUTPUT = 16  # the least room that OpenAI's Responses API accepts for a reply

_MOST_OUTPUT: WeakKeyDictionary[ModelAPI, int] = WeakKeyDictionary()
"""How many output tokens a model's server gives, where it refused to give as many as wanted."""

_REFUSED: WeakSet[ModelAPI] = WeakSet()
"""Models whose server refused a number of output tokens without naming a limit of the model."""

ALTERNATIVES = (15, 5, 0)
"""Alternatives asked for at each position: as published, as the meanest servers give, none."""

_ALTERNATIVES: WeakKeyDictionary[ModelAPI, int] = WeakKeyDictionary()
"""How many alternatives a model's server has given, where it refused to give as many as wanted."""

ENOUGH = 3
"""Packs that must have been left unread before it is put down to the model, and not to chance."""

_TRIED: WeakKeyDictionary[ModelAPI, Counter[tuple[str, int, bool]]] = WeakKeyDictionary()
"""By model: how many packs of a way and a size could be read completely, and could not."""

logger = getLogger(__name__)


class RoomRefusedError(ModelError):
    """A server gives only ``given`` output tokens, fewer than a request asked for."""

    def __init__(self, message: str, given: int) -> None:
        self.given = given
        super().__init__(message)


def most_output(model: Model) -> int | None:
    """The most output tokens that a model's server gives; None if none were refused."""
    return _MOST_OUTPUT.get(model.api)


def note_refusal(model: Model, wanted: int, limit: int | None, failure: ModelError) -> None:
    """Remember what a server refused, and say so once; ``limit`` is the model's, if it names it."""
    if limit is None:
        if model.api not in _REFUSED:
            _REFUSED.add(model.api)
            logger.warning(
                f"{model} refused {wanted} output tokens; where a server refuses so many, fewer "
                "excerpts share a request. Its server says: "
                f"{failure.message.partition('gave no usable reply: ')[2]}"
            )
    elif limit < _MOST_OUTPUT.get(model.api, limit + 1):
        _MOST_OUTPUT[model.api] = limit
        logger.warning(
            f"{model} gives at most {limit} output tokens a reply; where excerpts may need more "
            "together, fewer of them share a request"
        )


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
    message = getattr(error, "provider_message", None) or str(error)
    return "logprobs" in message.lower() and "\nRequest:\n" not in message


def forget_logprobs(output: ModelOutput) -> None:
    """Empty the log-probabilities of a reply that was read: they would only swell the log.

    The transcript's event holds a copy of the reply that shares these lists, so they are emptied
    and not taken off. What Inspect's cache holds stays as it is.
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


def fitting_size(model: Model, way: str, size: int) -> int:
    """The most excerpts of a request, up to ``size``, below every number that a model fails on."""
    tried = _TRIED.get(model.api, Counter())
    for count in range(2, size + 1):
        unread = tried[way, count, False]
        if unread >= ENOUGH and unread > tried[way, count, True]:
            return -(-count // 2)
    return size


def note_pack(model: Model, way: str, size: int, *, complete: bool) -> None:
    """Remember whether every excerpt of a pack could be read from replies about all of them.

    Says so, where the model has now failed too often.
    """
    before = fitting_size(model, way, size)
    tried = _TRIED.setdefault(model.api, Counter())
    tried[way, size, complete] += 1
    after = fitting_size(model, way, size)
    if after < before:
        unread = tried[way, size, False]
        logger.warning(
            f"{model} left excerpts unread in {unread} of {unread + tried[way, size, True]} "
            f"requests with {size} of them (simulation={way}); from here on at most {after} share "
            "a request"
        )
