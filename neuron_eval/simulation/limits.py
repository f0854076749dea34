"""What a simulator and its server give, learnt from what they refuse or leave unread.

That is output tokens, alternatives at each position, and excerpts that a model can keep apart: a
pack that a small model cannot answer costs up to four replies, where single ones cost one each.
"""

from collections import Counter
from dataclasses import dataclass, field
from logging import getLogger
from weakref import WeakKeyDictionary

from inspect_ai.model import CachePolicy, ChatMessage, GenerateConfig, Model, ModelAPI, ModelOutput
from pydantic import ValidationError

from neuron_eval.models.requests import event_of
from neuron_eval.models.server_errors import ModelError

LEAST_OUTPUT = 16  # the least room that OpenAI's Responses API accepts for a reply

ALTERNATIVES = (15, 5, 0)
"""Alternatives asked for at each position: as published, as the meanest servers give, none."""

ENOUGH = 3
"""Packs that must have been left unread before it is put down to the model, and not to chance."""

logger = getLogger(__name__)


@dataclass(slots=True)
class Learnt:
    """What is known of a model and its server."""

    most_output: int | None = None  # output tokens that it gives; None if none were refused
    refused: bool = False  # whether it refused a number of them without naming the model's limit
    alternatives: int = ALTERNATIVES[0]  # the most that it may give
    tried: Counter[tuple[str, int, bool]] = field(default_factory=Counter)
    """How many packs of a way and a size could be read completely, and could not."""


_LEARNT: WeakKeyDictionary[ModelAPI, Learnt] = WeakKeyDictionary()


def learnt(model: Model) -> Learnt:
    return _LEARNT.setdefault(model.api, Learnt())


class RoomRefusedError(ModelError):
    """A server gives only ``given`` output tokens, fewer than a request asked for."""

    def __init__(self, message: str, given: int) -> None:
        self.given = given
        super().__init__(message)


def note_refusal(model: Model, wanted: int, limit: int | None, failure: ModelError) -> None:
    """Remember what a server refused, and say so once; ``limit`` is the model's, if it names it."""
    known = learnt(model)
    if limit is None:
        if not known.refused:
            known.refused = True
            logger.warning(
                f"{model} refused {wanted} output tokens; where a server refuses so many, fewer "
                "excerpts share a request. Its server says: "
                f"{failure.message.partition('gave no usable reply: ')[2]}"
            )
    elif known.most_output is None or limit < known.most_output:
        known.most_output = limit
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
    known = learnt(model)
    for number in (n for n in ALTERNATIVES if n <= known.alternatives):
        wanted = GenerateConfig(logprobs=True if number else None, top_logprobs=number or None)
        try:
            output = await model.generate(messages, config=config.merge(wanted), cache=cache)
        except Exception as error:
            if number == 0 or not refuses_logprobs(error):
                raise
        else:
            known.alternatives = number
            return output
    raise AssertionError("the last number is 0, which either answers or raises")


def refuses_logprobs(error: Exception) -> bool:
    """Whether what a provider says is about log-probabilities.

    Inspect puts the request, which names them, into an error's text, and that does not count.
    """
    if isinstance(error, ValidationError):  # it is the reply that has bad ones
        return False
    message = getattr(error, "provider_message", None) or str(error)
    return "logprobs" in message.lower() and "\nRequest:\n" not in message


def forget_logprobs(output: ModelOutput) -> None:
    """Empty the log-probabilities of a reply that was read: they would only swell the log.

    The transcript's event holds a copy of the reply that shares these lists, so they are emptied
    and not taken off; the raw reply, which Inspect keeps of a model's first calls, is. What
    Inspect's cache holds stays as it is.
    """
    if any(choice.logprobs for choice in output.choices) and (event := event_of(output)):
        event.call = None
    for choice in output.choices:
        for logprobs in (choice.logprobs, choice.prompt_logprobs):
            if logprobs is not None:
                logprobs.content.clear()


def fitting_size(model: Model, way: str, size: int) -> int:
    """The most excerpts of a request, up to ``size``, below every number that a model fails on."""
    tried = learnt(model).tried
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
    tried = learnt(model).tried
    tried[way, size, complete] += 1
    after = fitting_size(model, way, size)
    if after < before:
        unread = tried[way, size, False]
        logger.warning(
            f"{model} left excerpts unread in {unread} of {unread + tried[way, size, True]} "
            f"requests with {size} of them (simulation={way}); from here on at most {after} share "
            "a request"
        )
