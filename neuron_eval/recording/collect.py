"""What is kept of a stream of activations: top excerpts, samples, a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording import RecordingError
from neuron_eval.recording.histogram import BINS, Histogram
from neuron_eval.recording.strata import STRATA, Activations, Indices, Numbers, StratifiedExcerpts
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
    samples = STRATA * per_stratum * (16 + 4 * length)
    return neurons * (4 * (windows * length + BINS) + samples)


class Collector:
    """Takes in activations batch by batch, and forgets nearly all of them.

    N neurons, windows of L text tokens; ``top`` and ``random`` excerpts per neuron, and
    ``per_stratum`` of each stratum.
    """

    def __init__(
        self, neurons: int, length: int, top: int, random: int, seed: int, per_stratum: int = 0
    ) -> None:
        self.windows = 0  # taken in so far; the next one has this index
        self._seed = seed
        self.top = TopExcerpts(neurons, top, length)
        self.reservoir = Reservoir(reservoir_size(top, random), length, neurons)
        self.strata = StratifiedExcerpts(neurons, length, per_stratum)
        self.histogram = Histogram(neurons)

    def update(self, activations: Activations) -> None:
        """Take in the next windows, shape [B, L, N]."""
        if not np.isfinite(activations).all():
            window, token, column = np.argwhere(~np.isfinite(activations))[0]
            raise RecordingError(
                f"window {self.windows + window}, token {token}, neuron in column {column}: the "
                f"activation is {activations[window, token, column]}; the model overflows, try "
                "--dtype float32"
            )
        self.top.update(self.windows, activations)
        # The same random numbers, so that their windows are largely the same.
        drawn = priorities(self._seed, self.windows, len(activations))
        index = np.arange(self.windows, self.windows + len(activations))
        self.reservoir.update(index, activations, drawn)
        self.strata.update(self.windows, activations, drawn)
        self.histogram.update(activations)
        self.windows += len(activations)

    def merge(self, later: Collector) -> None:
        """Take in what another one of this shape and seed kept of other windows of the text.

        Whatever the shares and their order, what comes of it is what one collector of all the
        windows keeps.
        """
        for part in STATE:
            getattr(self, part).merge(getattr(later, part))
        self.windows = max(self.windows, later.windows)

    def live(self) -> set[int]:
        """Indices of the windows that may still end up in a record."""
        samples = np.union1d(self.reservoir.index, self.strata.index)
        kept = np.union1d(self.top.index, samples)
        return {int(i) for i in kept if i >= 0}

    def state(self) -> dict[str, NDArray[Any]]:
        arrays = {
            f"{part}_{name}": getattr(getattr(self, part), name)
            for part, names in STATE.items()
            for name in names
        }
        return {"windows": np.asarray(self.windows), **arrays}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
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

    def update(self, first: int, activations: Activations) -> None:
        """Take in a batch, shape [B, L, N], whose first window has a higher index than any yet."""
        peaks = round_significant(activations.max(axis=1).T)
        # Strictly: a window that merely equals the lowest peak comes later and loses.
        better = np.flatnonzero(peaks.max(axis=1) > self.peaks[:, -1])
        index = np.arange(first, first + len(activations))
        for start in range(0, len(better), ROWS):
            rows = better[start : start + ROWS]
            places = np.broadcast_to(index, (len(rows), len(index)))
            self._join(rows, peaks[rows], places, activations[:, :, rows].transpose(2, 0, 1))

    def merge(self, other: TopExcerpts) -> None:
        for start in range(0, len(self.peaks), ROWS):
            rows = np.arange(start, min(start + ROWS, len(self.peaks)))
            self._join(rows, other.peaks[rows], other.index[rows], other.activations[rows])

    def _join(
        self, rows: Indices, peaks: Numbers, index: Indices, activations: Activations
    ) -> None:
        """Keep the best of what R neurons have and of J windows more: [R, J] and [R, J, L]."""
        joined = np.concatenate([self.peaks[rows], peaks], axis=1)
        places = np.concatenate([self.index[rows], index], axis=1)
        order = np.lexsort((places, -joined), axis=1)[:, : self.peaks.shape[1]]
        self.peaks[rows] = np.take_along_axis(joined, order, axis=1)
        self.index[rows] = np.take_along_axis(places, order, axis=1)
        added = np.concatenate([self.activations[rows], activations], axis=1)
        self.activations[rows] = np.take_along_axis(added, order[:, :, None], axis=1)


def priorities(seed: int, first: int, count: int) -> Numbers:
    """The random numbers in [0, 1) of windows from ``first`` on, by seed and index alone."""
    bits = np.random.PCG64(seed)
    bits.advance(first)
    return np.random.Generator(bits).random(count)


class Reservoir:
    """The windows with the lowest random numbers: a uniform sample without replacement.

    Shared by all neurons. Memory: size x length x neurons x 4 bytes.
    """

    def __init__(self, size: int, length: int, neurons: int) -> None:
        # Shapes [S], [S] and [S, L, N]; an empty slot has priority inf and index -1.
        self.priority = np.full(size, np.inf)
        self.index = np.full(size, -1, dtype=np.int64)
        self.activations = np.zeros((size, length, neurons), dtype=np.float32)

    def update(self, index: Indices, activations: Activations, priorities: Numbers) -> None:
        """Take in windows, shape [B, L, N], with their indices and random numbers, both [B]."""
        for i, priority in enumerate(priorities):
            slot = self.priority.argmax()
            if priority < self.priority[slot]:
                self.priority[slot] = priority
                self.index[slot] = index[i]
                self.activations[slot] = activations[i]

    def merge(self, other: Reservoir) -> None:
        self.update(other.index, other.activations, other.priority)


def draw(reservoir: Indices, exclude: Indices, count: int, seed: tuple[int, ...]) -> Indices:
    """One neuron's random excerpts, by the windows' indices and in the order drawn.

    Taken from the ``reservoir``, whose empty slots are -1, without the top excerpts, ``exclude``;
    fewer than ``count`` if there are no more.
    """
    allowed = np.setdiff1d(reservoir[reservoir >= 0], exclude)
    return np.random.default_rng(seed).permutation(allowed)[:count]
