"""What is kept of a stream of activations: top excerpts, samples, a histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording import RecordingError
from neuron_eval.recording.strata import StratifiedExcerpts, slots_memory
from neuron_eval.records.activations import round_significant

ROWS = 4096  # neurons handled at once, so that the working copies stay small

STATE = {
    "top": ("peaks", "index", "activations"),
    "reservoir": ("priority", "index", "activations"),
    "strata": ("exponent", "counts", "priority", "index", "activations"),
    "histogram": ("counts", "low", "high"),
}
"""The arrays of each part of a `Collector`."""


def reservoir_size(top: int, random: int) -> int:
    """Windows to keep so that every neuron finds ``random`` of them outside its ``top``."""
    return max(4 * random, top + random)


def memory(neurons: int, length: int, top: int, random: int, per_stratum: int = 0) -> int:
    """Bytes that a `Collector` takes, whatever the length of the text."""
    windows = top + reservoir_size(top, random)
    return neurons * 4 * (windows * length + BINS) + slots_memory(neurons, length, per_stratum)


class Collector:
    """Takes in activations batch by batch, and forgets nearly all of them.

    N neurons, windows of L text tokens; ``top`` and ``random`` excerpts per neuron, and
    ``per_stratum`` of each stratum.
    """

    def __init__(
        self,
        neurons: int,
        length: int,
        top: int,
        random: int,
        seed: int,
        per_stratum: int = 0,
    ) -> None:
        self.windows = 0  # taken in so far; the next one has this index
        self.top = TopExcerpts(neurons, top, length)
        self.reservoir = Reservoir(reservoir_size(top, random), length, neurons, seed)
        self.strata = StratifiedExcerpts(neurons, length, per_stratum)
        self.histogram = Histogram(neurons)

    def update(self, activations: NDArray[np.float32]) -> None:
        """Take in the next windows, shape [B, L, N]."""
        if not np.isfinite(activations).all():
            window, token, column = np.argwhere(~np.isfinite(activations))[0]
            raise RecordingError(
                f"window {self.windows + window}, token {token}, neuron in column {column}: the "
                f"activation is {activations[window, token, column]}; the model overflows, try "
                "--dtype float32"
            )
        self.top.update(self.windows, activations)
        self.reservoir.update(self.windows, activations)
        # The same random numbers, so that their windows are largely the same.
        drawn = priorities(self.reservoir.seed, self.windows, len(activations))
        self.strata.update(self.windows, activations, drawn)
        self.histogram.update(activations)
        self.windows += len(activations)

    def live(self) -> set[int]:
        """Indices of the windows that may still end up in a record."""
        samples = np.union1d(self.reservoir.index, self.strata.index)
        kept = np.union1d(self.top.index, samples)
        return {int(i) for i in kept if i >= 0}

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything by name, to go on from later."""
        arrays = {
            f"{part}_{name}": getattr(getattr(self, part), name)
            for part, names in STATE.items()
            for name in names
        }
        return {"windows": np.asarray(self.windows), **arrays}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `state` gave for a collector of the same shape."""
        self.windows = int(state["windows"])
        for part, names in STATE.items():
            for name in names:
                setattr(getattr(self, part), name, state[f"{part}_{name}"])


class TopExcerpts:
    """The windows with the highest peaks, a list a neuron, vectorised over neurons.

    Peaks are compared as they will be stored, rounded; the earlier window wins a tie. So the
    outcome does not depend on how the windows are dealt to batches. Memory: neurons x excerpts
    x length x 4 bytes.
    """

    def __init__(self, neurons: int, excerpts: int, length: int) -> None:
        # Shapes [N, K], [N, K] and [N, K, L], highest peak first; where there is none yet, the
        # peak is -inf and the window's index -1.
        self.peaks = np.full((neurons, excerpts), -np.inf)
        self.index = np.full((neurons, excerpts), -1, dtype=np.int64)
        self.activations = np.zeros((neurons, excerpts, length), dtype=np.float32)

    def update(self, first: int, activations: NDArray[np.float32]) -> None:
        """Take in a batch, shape [B, L, N], whose first window has a higher index than any yet."""
        excerpts = self.peaks.shape[1]
        peaks = round_significant(activations.max(axis=1).T)
        # Strictly: a window that merely equals the lowest peak comes later and loses.
        better = np.flatnonzero(peaks.max(axis=1) > self.peaks[:, -1])
        index = np.arange(first, first + len(activations))
        for start in range(0, len(better), ROWS):
            rows = better[start : start + ROWS]
            joined = np.concatenate([self.peaks[rows], peaks[rows]], axis=1)
            order = np.argsort(-joined, axis=1, kind="stable")[:, :excerpts]
            places = np.broadcast_to(index, (len(rows), len(index)))
            added = activations[:, :, rows].transpose(2, 0, 1)
            self.peaks[rows] = np.take_along_axis(joined, order, axis=1)
            self.index[rows] = _ordered(self.index[rows], places, order)
            self.activations[rows] = _ordered(self.activations[rows], added, order[:, :, None])


def _ordered(kept: NDArray[Any], added: NDArray[Any], order: NDArray[np.int64]) -> NDArray[Any]:
    return np.take_along_axis(np.concatenate([kept, added], axis=1), order, axis=1)


def priorities(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """The random numbers in [0, 1) of windows from ``first`` on, by seed and index alone."""
    bits = np.random.PCG64(seed)
    bits.advance(first)
    return np.random.Generator(bits).random(count)


class Reservoir:
    """The windows with the lowest random numbers: a uniform sample without replacement.

    Shared by all neurons. Memory: size x length x neurons x 4 bytes.
    """

    def __init__(self, size: int, length: int, neurons: int, seed: int) -> None:
        # Shapes [S], [S] and [S, L, N]; an empty slot has priority inf and index -1.
        self.seed = seed
        self.priority = np.full(size, np.inf)
        self.index = np.full(size, -1, dtype=np.int64)
        self.activations = np.zeros((size, length, neurons), dtype=np.float32)

    def update(self, first: int, activations: NDArray[np.float32]) -> None:
        """Take in a batch of windows ``first``, ``first + 1``, …; shape [B, L, N]."""
        for i, priority in enumerate(priorities(self.seed, first, len(activations))):
            slot = int(self.priority.argmax())
            if priority < self.priority[slot]:
                self.priority[slot] = priority
                self.index[slot] = first + i
                self.activations[slot] = activations[i]


def draw(
    reservoir: NDArray[np.int64], exclude: NDArray[np.int64], count: int, seed: tuple[int, ...]
) -> NDArray[np.int64]:
    """One neuron's random excerpts, by the windows' indices and in the order drawn.

    Taken from the ``reservoir``, whose empty slots are -1, without the top excerpts, ``exclude``;
    fewer than ``count`` if there are no more.
    """
    allowed = np.setdiff1d(reservoir[reservoir >= 0], exclude)
    return np.random.default_rng(seed).permutation(allowed)[:count]


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
