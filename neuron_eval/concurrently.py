"""Doing several things at once, and failing with the first error as it is."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from inspect_ai.util import collect

T = TypeVar("T")


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


def first_error(error: BaseException) -> BaseException:
    """The first error in a group, however deep; an error that is no group is itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
