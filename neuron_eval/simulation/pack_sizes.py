"""How many excerpts a model can keep apart in one request, learnt from what it leaves unread.

A small model may forget the letters of a pack's excerpts every time. A pack that it cannot answer
costs up to four replies and still leaves excerpts unread, where single excerpts cost one each.
"""

from __future__ import annotations

from collections import Counter
from logging import getLogger
from weakref import WeakKeyDictionary

from inspect_ai.model import Model, ModelAPI

ENOUGH = 3
"""Packs that must have been left unread before it is put down to the model, and not to chance."""

_TRIED: WeakKeyDictionary[ModelAPI, Counter[tuple[str, int, bool]]] = WeakKeyDictionary()
"""By model: how many packs of a way and a size could be read as a whole, and could not."""

logger = getLogger(__name__)


def fitting_size(model: Model, way: str, size: int) -> int:
    """The most excerpts of a request, at most ``size``, below every number that a model fails on.

    Args:
        model: The simulator.
        way: The way to simulate.
        size: How many excerpts are to share a request, at least 1.
    """
    tried = _TRIED.get(model.api, Counter())
    for count in range(2, size + 1):
        unread = tried[way, count, False]
        if unread >= ENOUGH and unread > tried[way, count, True]:
            return -(-count // 2)
    return size


def note_pack(model: Model, way: str, size: int, *, whole: bool) -> None:
    """Remember whether every excerpt of a pack could be read from replies about all of them.

    Says so, where the model has now failed too often.

    Args:
        model: The simulator.
        way: The way to simulate.
        size: How many excerpts shared the request, at least 2.
        whole: Whether all could be read.
    """
    before = fitting_size(model, way, size)
    tried = _TRIED.setdefault(model.api, Counter())
    tried[way, size, whole] += 1
    after = fitting_size(model, way, size)
    if after < before:
        unread = tried[way, size, False]
        logger.warning(
            f"{model} left excerpts unread in {unread} of {unread + tried[way, size, True]} "
            f"requests with {size} of them (simulation={way}); from here on at most {after} share "
            "a request"
        )
