"""Doing several things at once, and failing with the first error as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from typing import TypeVar

import anyio
from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import CachePolicy, Model, ModelOutput
from inspect_ai.util import collect

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_UNDER_WAY: dict[tuple[int, int], anyio.Event] = {}
"""By memo and key: what somebody is finding out, and when it is over."""


async def together(*awaitables: Awaitable[T]) -> list[T]:
    """Run awaitables at once, each in a span of the transcript.

    Inspect tells errors apart by type, and shows their message; a group of errors has neither.

    Returns:
        Their results, in order.

    Raises:
        Exception: The first error of any of them, by itself.
    """
    try:
        return await collect(*awaitables)
    except ExceptionGroup as errors:
        raise first_error(errors) from errors


async def once(memo: MutableMapping[K, T], key: K, find_out: Callable[[], Awaitable[T]]) -> T:
    """What a memo holds for a key; found out by the first who asks, while the others wait.

    Args:
        memo: What is known already.
        key: What is asked for.
        find_out: Called if the memo does not hold it. If it fails, the next who waits tries.

    Raises:
        Exception: What ``find_out`` raises.
    """
    mark = (id(memo), hash(key))
    while key not in memo:
        if mark in _UNDER_WAY:
            await _UNDER_WAY[mark].wait()
            continue
        over = _UNDER_WAY[mark] = anyio.Event()
        try:
            memo[key] = await find_out()
        finally:
            del _UNDER_WAY[mark]
            over.set()
    return memo[key]


def first_error(error: BaseException) -> BaseException:
    """The first error in a group, however deep; an error that is no group is itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def cache_policy(model: Model, **scopes: str) -> CachePolicy:
    """The same question to the same model has the same answer, in every epoch, eval and scoring.

    Inspect's own key holds a model's name, but neither its arguments (a path to weights, say) nor
    an address that its client took from the environment; here they are part of it.

    Args:
        model: The model that is asked.
        scopes: What else the answer depends on.
    """
    address = getattr(getattr(model.api, "client", None), "base_url", "")
    # An object's own text may hold where it lies in memory; its type does not.
    told_apart = json.dumps(
        [model.model_args, str(address)], sort_keys=True, default=lambda o: type(o).__qualname__
    )
    # A digest, since arguments may hold secrets.
    digest = hashlib.sha256(told_apart.encode()).hexdigest()[:16]
    return CachePolicy(expiry=None, per_epoch=False, scopes={"model": digest, **scopes})


def came_from_cache(output: ModelOutput) -> bool:
    """Whether Inspect's cache answered; its event for the reply says so."""
    ids = {choice.message.id for choice in output.choices}
    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and ids & {c.message.id for c in event.output.choices}:
            return event.cache == "read"
    return False
