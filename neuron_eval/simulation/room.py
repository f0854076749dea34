"""How many output tokens a simulator's server gives, learnt from what it refuses."""

from __future__ import annotations

from logging import getLogger
from weakref import WeakKeyDictionary, WeakSet

from inspect_ai.model import Model, ModelAPI

from neuron_eval.models.server_errors import ModelError

LEAST_OUTPUT = 16
"""The least room that OpenAI's Responses API accepts for a reply."""

_MOST_OUTPUT: WeakKeyDictionary[ModelAPI, int] = WeakKeyDictionary()
"""How many output tokens a model's server gives, where it refused to give as many as wanted."""

_REFUSED: WeakSet[ModelAPI] = WeakSet()
"""Models whose server refused a number of output tokens without naming a limit of the model."""

logger = getLogger(__name__)


class RoomRefusedError(ModelError):
    """A server does not give as many output tokens as a request asked for."""

    def __init__(self, message: str, given: int) -> None:
        """Keep what the server said, as a sentence, and how many tokens may be asked for."""
        self.given = given
        super().__init__(message)


def most_output(model: Model) -> int | None:
    """The most output tokens that a model's server gives; None if none were refused."""
    return _MOST_OUTPUT.get(model.api)


def note_refusal(model: Model, asked: int, limit: int | None, failure: ModelError) -> None:
    """Remember what a server refused, and say so once.

    Args:
        model: The simulator.
        asked: The output tokens that it was asked for.
        limit: The model's limit, if the refusal names it.
        failure: The refusal.
    """
    if limit is None:
        if model.api not in _REFUSED:
            _REFUSED.add(model.api)
            logger.warning(
                f"{model} refused {asked} output tokens; where a server refuses so many, fewer "
                "excerpts share a request. Its server says: "
                f"{failure.message.partition('gave no usable reply: ')[2]}"
            )
    elif limit < _MOST_OUTPUT.get(model.api, limit + 1):
        _MOST_OUTPUT[model.api] = limit
        logger.warning(
            f"{model} gives at most {limit} output tokens a reply; where excerpts may need more "
            "together, fewer of them share a request"
        )
