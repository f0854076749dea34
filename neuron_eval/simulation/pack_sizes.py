"""How many excerpts a model can keep apart in one request, learnt from what it leaves unread.

A small model may forget the letters of a pack's excerpts every time. A pack that it cannot answer
costs up to four replies and still leaves excerpts unread, where single excerpts cost one each.
"""

from __future__ import annotations

from dataclasses import dataclass
from logging import getLogger
from weakref import WeakKeyDictionary

from inspect_ai.model import Model, ModelAPI

ENOUGH = 3
"""Packs that must have been left unread before it is put down to the model, and not to chance."""

logger = getLogger(__name__)


@dataclass(slots=True)
class _Tried:
    """What became of the packs of one size."""

    whole: int = 0
    unread: int = 0

    @property
    def too_large(self) -> bool:
        return self.unread >= ENOUGH and self.unread > self.whole


_TRIED: WeakKeyDictionary[ModelAPI, dict[tuple[str, int], _Tried]] = WeakKeyDictionary()
"""By model, way and size."""


def fitting_size(model: Model, way: str, size: int) -> int:
    """The most excerpts of a request, at most ``size``, that a model has not been seen to fail on.

    Args:
        model: The simulator.
        way: The way to simulate.
        size: How many excerpts are to share a request, at least 1.
    """
    tried = _TRIED.get(model.api, {})
    while size > 1 and (way, size) in tried and tried[way, size].too_large:
        size = -(-size // 2)
    return size


def note_pack(model: Model, way: str, size: int, *, whole: bool) -> None:
    """Remember whether every excerpt of a pack could be read from replies about all of them.

    Says so once, where the model has now failed too often.

    Args:
        model: The simulator.
        way: The way to simulate.
        size: How many excerpts were to share a request, at least 2.
        whole: Whether all could be read.
    """
    tried = _TRIED.setdefault(model.api, {}).setdefault((way, size), _Tried())
    before = tried.too_large
    tried.whole += whole
    tried.unread += not whole
    if tried.too_large and not before:
        logger.warning(
            f"{model} left excerpts unread in {tried.unread} of {tried.unread + tried.whole} "
            f"requests with up to {size} of them (simulation={way}); from here on at most "
            f"{fitting_size(model, way, size)} share a request"
        )
