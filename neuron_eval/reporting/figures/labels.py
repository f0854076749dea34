"""Where names of points go, so that none covers a mark or another name; ticks of a log axis.

Pixels: x grows to the right, y upwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import floor, log10
from typing import NamedTuple

RINGS = (1.0, 1.6)
"""How far from its point a name may be, in heights of its text; further off it is another's."""

SIDES = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
"""Where it may be, best first: steps to the right and upwards."""

TICKS = 5  # at most so many ticks

STEPS = (
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
    (1.0, 1.5, 2.0, 3.0, 5.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
"""Where in a decade ticks may be, finest first."""


class Box(NamedTuple):
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)

    def inside(self, other: Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.bottom <= self.bottom and self.top <= other.top


def place_names(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    room: Box,
) -> list[Box | None]:
    """A box for each point's name, earlier ones first; None where there is no room for it.

    Names, of widths and heights ``sizes``, must be in the ``room``, and cover nothing that is
    ``taken``.
    """
    kept, boxes = list(taken), []
    for point, size in zip(points, sizes, strict=True):
        free = (
            box
            for box in _boxes(point, size)
            if box.inside(room) and not any(box.meets(other) for other in kept)
        )
        box = next(free, None)
        boxes.append(box)
        kept += [box] if box else []
    return boxes


def _boxes(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    (x, y), (width, height) = point, size
    for ring, (right, up) in product(RINGS, SIDES):
        left = x - width / 2 + right * (width / 2 + 0.7 * height)
        # beside its point a name is at once; above and below a little away from it
        bottom = y - height / 2 + up * ring * height
        if right and not up:
            left += right * (ring - 1) * height
        yield Box(left, bottom, left + width, bottom + height)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers in a range of positive ones, at most `TICKS` up to five decades."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    ticks: list[float] = []
    for steps in STEPS:
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) <= TICKS:
            break
    return ticks
