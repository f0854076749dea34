"""Replies with log-probabilities of a prompt lose the alternatives that nobody reads.

Inspect makes an object of every alternative: 15 for each of a thousand tokens, of which some sixty
are read. Without this, that is nine tenths of the time that this process takes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from inspect_ai.model import ModelAPI

from neuron_eval.simulation.expected import AlignmentError

Places = Callable[[Sequence[str]], Collection[int]]
"""From the tokens of a prompt to the indices of those whose alternatives are read. Raises
`AlignmentError`."""

_PLACES: ContextVar[Places | None] = ContextVar("neuron_eval places", default=None)


@contextmanager
def thin_replies(api: ModelAPI, places: Places | None) -> Iterator[None]:
    """Requests of this task to this provider bring alternatives in ``places`` only; None: all.

    For providers whose client is OpenAI's; others are left as they are.
    """
    client: Any = getattr(api, "client", None)
    completions = getattr(client, "completions", None)
    if completions is not None and not isinstance(completions, _ThinningCompletions):
        client.completions = _ThinningCompletions(completions)
    token = _PLACES.set(places)
    try:
        yield
    finally:
        _PLACES.reset(token)


class _ThinningCompletions:
    def __init__(self, completions: Any) -> None:
        self._completions = completions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)

    async def create(self, *args: Any, **options: Any) -> Any:
        response = await self._completions.create(*args, **options)
        if (places := _PLACES.get()) is not None:
            for choice in response.choices or []:
                # What is not as expected is left for the reader to complain of.
                with suppress(AlignmentError, AttributeError, KeyError, TypeError, StopIteration):
                    _thin(choice, places)
        return response


def _thin(choice: Any, places: Places) -> None:
    """Leave alternatives only where they are read, in either dialect."""
    listed: list[dict[str, Any] | None] | None = (choice.model_extra or {}).get("prompt_logprobs")
    if listed:  # by token id, the prompt's own token first; nothing for the first token
        own = [next(iter(each.items())) if each else None for each in listed]
        kept = places(["" if each is None else each[1]["decoded_token"] for each in own])
        for index, each in enumerate(own):
            if each is not None and index not in kept:
                listed[index] = dict([each])
    elif choice.logprobs.top_logprobs:
        kept = places(choice.logprobs.tokens)
        choice.logprobs.top_logprobs = [
            each if index in kept else None
            for index, each in enumerate(choice.logprobs.top_logprobs)
        ]
