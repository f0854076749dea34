"""How often each height of a neuron's activation occurs in a stream, for quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records.activations import round_significant

SMALLEST = 1e-5  # activations closer to 0 than this are counted as 0
LARGEST = 1e5  # activations further from 0 share a bin, whose value is the extreme seen
GROWTH = 1.0085  # the width of a bin: its upper bound over its lower one

SIDE = int(np.ceil(np.log(LARGEST / SMALLEST) / np.log(GROWTH))) + 1
"""Bins a sign; the last one is open."""

BINS = 2 * SIDE + 1  # negative bins from the furthest to the nearest, zero, positive bins
ELEMENTS = 2**19  # activations counted at once, so that the working copies stay small


def bin_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of each activation, 0 to ``BINS - 1``, ascending with the activation."""
    size = np.abs(values)
    # By a logarithm, since np.searchsorted in the bins' bounds takes more than twice as long.
    step = np.log(np.maximum(size, SMALLEST) / SMALLEST) * (1 / np.log(GROWTH))
    place = np.where(size < SMALLEST, 0, np.minimum(step.astype(np.int64) + 1, SIDE))
    return np.where(values < 0, SIDE - place, SIDE + place)


def bin_values() -> NDArray[np.float64]:
    """What each bin stands for, shape [BINS]: the geometric middle of its bounds."""
    side = SMALLEST * GROWTH ** (np.arange(SIDE) + 0.5)
    side[-1] = np.inf
    return np.concatenate([-side[::-1], [0.0], side])


class Histogram:
    """Counts in bins of equal relative width, on both sides of zero.

    A boundary read from it is within 0.5 % of the exact one (rounding to four digits included)
    where the exact one lies between `SMALLEST` and `LARGEST` in magnitude. Memory: neurons x
    `BINS` x 4 bytes, about 22 kB a neuron, however long the text is.
    """

    def __init__(self, neurons: int) -> None:
        # Tokens a bin, shape [N, BINS]; the lowest and the highest activation seen, shape [N].
        self.counts = np.zeros((neurons, BINS), dtype=np.uint32)
        self.low = np.full(neurons, np.inf)
        self.high = np.full(neurons, -np.inf)

    def update(self, activations: NDArray[np.float32]) -> None:
        """Count a batch of any shape [..., N]."""
        neurons = len(self.counts)
        values = activations.reshape(-1, neurons)
        self.low = np.minimum(self.low, values.min(axis=0))
        self.high = np.maximum(self.high, values.max(axis=0))
        row = np.arange(neurons) * BINS
        flat = self.counts.reshape(-1)
        step = max(1, ELEMENTS // neurons)
        for start in range(0, len(values), step):
            bins = bin_of(values[start : start + step]) + row
            np.add.at(flat, bins.reshape(-1), np.uint32(1))

    def merge(self, other: Histogram) -> None:
        self.counts += other.counts
        self.low = np.minimum(self.low, other.low)
        self.high = np.maximum(self.high, other.high)

    def boundaries(self, levels: Sequence[float]) -> NDArray[np.float64]:
        """The activation at each level: the lowest that a share ``level`` of tokens stays within.

        Shape [N, Q] for Q ascending levels in (0, 1), rounded to four significant digits; what
        ``numpy.quantile(…, method="inverted_cdf")`` gives, but for the error stated above.
        """
        values = bin_values()
        bounds = np.empty((len(self.counts), len(levels)))
        for n, counts in enumerate(self.counts):
            running = np.cumsum(counts, dtype=np.int64)
            # The slack keeps 0.999 * 1000 tokens, 999.0000000000001, from asking for the 1000th.
            ranks = np.ceil(np.asarray(levels) * running[-1] * (1 - 1e-12))
            bounds[n] = values[np.searchsorted(running, np.maximum(ranks, 1))]
        return round_significant(np.clip(bounds, self.low[:, None], self.high[:, None]))
