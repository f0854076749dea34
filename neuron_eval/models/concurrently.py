"""Doing several things at once, and failing with the first error as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from typing import TypeVar

import anyio
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
