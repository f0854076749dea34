"""Where one latent is active: which windows of text to show, and its quantiles. Arrays only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records.cutting import LENGTH, seeded
from neuron_eval.records.rounding import round_significant

LEVELS = (0.5, 0.9, 0.99, 0.999, 0.9999)
"""The levels of the quantile boundaries, as `neuron-eval record` has them."""


@dataclass(frozen=True, slots=True)
class Latent:
    """One latent's activations that are not zero, in any order."""

    rows: NDArray[np.int64]
    """The row of tokens of each, shape [N]."""

    positions: NDArray[np.int64]
    """The position within the row, shape [N]."""

    values: NDArray[np.float32]
    """The activation, shape [N]; may be negative."""


class Windows:
    """Rows of C tokens cut into windows of equal length, within one token, at most `LENGTH`."""

    def __init__(self, rows: int, context: int) -> None:
        """R rows of C tokens each, both at least 1."""
        self._edges = np.linspace(0, context, math.ceil(context / LENGTH) + 1).astype(np.int64)
        self.per_row = len(self._edges) - 1
        self.total = rows * self.per_row

    def place(self, window: int) -> tuple[int, int, int]:
        """A window's row, its first position and the one after its last."""
        row, column = divmod(window, self.per_row)
        return row, int(self._edges[column]), int(self._edges[column + 1])

    def of(self, latent: Latent) -> NDArray[np.int64]:
        """The window that each activation is in, shape [N]."""
        column = np.searchsorted(self._edges, latent.positions, side="right") - 1
        return latent.rows * self.per_row + column


class Excerpts:
    """The windows of one latent."""

    def __init__(self, latent: Latent, windows: Windows) -> None:
        """Sort the activations by window."""
        number = windows.of(latent)
        order = np.lexsort((latent.positions, number))
        self._windows = windows
        self._number = number[order]
        self._positions = latent.positions[order]
        self._values = latent.values[order]

    def repeated(self) -> bool:
        """Whether a token has two activations."""
        same = (np.diff(self._number) == 0) & (np.diff(self._positions) == 0)
        return bool(same.any())

    def highest(self) -> Iterator[int]:
        """Windows with a positive activation, the highest peak first; of equals, the first."""
        if not len(self._number):
            return
        starts = np.flatnonzero(np.diff(self._number, prepend=-1))
        peaks = np.maximum.reduceat(self._values, starts)
        for i in np.argsort(-peaks, kind="stable"):
            if peaks[i] <= 0:
                return
            yield int(self._number[starts[i]])

    def drawn(self, count: int, seed: str) -> Iterator[int]:
        """Up to ``count`` different windows of all there are, active or not, by the seed."""
        total = self._windows.total
        yield from seeded(seed).choice(total, min(count, total), replace=False).tolist()

    def activations(self, window: int) -> NDArray[np.float64]:
        """The activation of each token in a window, rounded to four significant digits."""
        _, begin, end = self._windows.place(window)
        first, last = np.searchsorted(self._number, [window, window + 1])
        dense = np.zeros(end - begin)
        dense[self._positions[first:last] - begin] = self._values[first:last]
        return round_significant(dense)


def boundaries(
    values: NDArray[np.float32], tokens: int, levels: Sequence[float] = LEVELS
) -> tuple[float, ...]:
    """The activation at each level: the lowest that a share ``level`` of tokens stays within.

    Args:
        values: The activations that are not zero, shape [N].
        tokens: All tokens, at least N; the others' activation is zero.
        levels: Each in (0, 1), ascending.

    Returns:
        As ``numpy.quantile(…, method="inverted_cdf")`` over all tokens, rounded to four
        significant digits.
    """
    ordered = np.sort(values)
    negative = int(np.searchsorted(ordered, 0))
    zeros = tokens - len(values)
    found = []
    for level in levels:
        # The slack keeps 0.999 * 1000 tokens, 999.0000000000001, from asking for the 1000th.
        rank = max(0, math.ceil(level * tokens * (1 - 1e-12)) - 1)
        if negative <= rank < negative + zeros:
            found.append(0.0)
        else:
            found.append(float(ordered[rank if rank < negative else rank - zeros]))
    return tuple(round_significant(np.array(found)).tolist())
