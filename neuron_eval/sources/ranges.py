"""Whole numbers chosen as ``0-3,10``."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from neuron_eval.messages import InputError, shown

_PART = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of whole numbers from 0, as closed ranges."""

    parts: tuple[tuple[int, int], ...]
    """First and last of each range, first <= last, ascending and apart from each other."""

    def __contains__(self, number: int) -> bool:
        """Whether one of the ranges holds the number."""
        behind = bisect_right(self.parts, (number, math.inf))
        return behind > 0 and number <= self.parts[behind - 1][1]

    def __str__(self) -> str:
        """As a user writes it, for instance ``0-3,10``."""
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.parts)


def parse_ranges(name: str, value: object) -> Ranges:
    """What a user wrote after ``-T layers=``; Inspect splits at commas and reads numbers.

    Args:
        name: The parameter, for the message.
        value: A number, a text such as ``0-3,10``, or a list of these.

    Raises:
        ValueError: Anything else, or a range that runs backwards.
    """
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    parts = []
    for item in items:
        found = None if isinstance(item, bool) else _PART.fullmatch(str(item).strip())
        if found is None:
            raise InputError(
                f"{name}={shown(_written(value))}: {shown(item)} is no whole number and no range; "
                "expected for instance 5 or 0-3,10"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"{name}={shown(_written(value))}: {shown(item)} runs backwards")
        parts.append((first, last))
    return Ranges(_merged(parts))


def _merged(parts: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if merged and first <= merged[-1][1] + 1:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return tuple(merged)


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
