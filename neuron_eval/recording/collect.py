"""Everything that is kept of the activations: top excerpts, a random sample, a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording.errors import RecordingError
from neuron_eval.recording.histogram import BINS, Histogram
from neuron_eval.recording.reservoir import Reservoir
from neuron_eval.recording.top import TopExcerpts


def reservoir_size(top: int, random: int) -> int:
    """Windows to keep so that every neuron finds ``random`` of them outside its ``top``."""
    return max(4 * random, top + random)


def memory(neurons: int, length: int, top: int, random: int) -> int:
    """Bytes that a `Collector` takes, whatever the length of the text."""
    windows = top + reservoir_size(top, random)
    return neurons * 4 * (windows * length + BINS)


class Collector:
    """Takes in activations batch by batch, and forgets nearly all of them."""

    def __init__(self, neurons: int, length: int, top: int, random: int, seed: int) -> None:
        """Start empty.

        Args:
            neurons: N, how many neurons are recorded, at least 1.
            length: L, text tokens a window.
            top: Top excerpts a neuron, at least 1.
            random: Random excerpts a neuron, at least 0.
            seed: Of the random sample, at least 0.
        """
        self.windows = 0
        """Windows taken in so far; the next one has this index."""
        self.top = TopExcerpts(neurons, top, length)
        self.reservoir = Reservoir(reservoir_size(top, random), length, neurons, seed)
        self.histogram = Histogram(neurons)

    def update(self, activations: NDArray[np.float32]) -> None:
        """Take in the next windows, shape [B, L, N].

        Raises:
            RecordingError: An activation is not finite.
        """
        if not np.isfinite(activations).all():
            window, token, column = np.argwhere(~np.isfinite(activations))[0]
            raise RecordingError(
                f"window {self.windows + window}, token {token}, neuron in column {column}: the "
                f"activation is {activations[window, token, column]}; the model overflows, try "
                "--dtype float32"
            )
        self.top.update(self.windows, activations)
        self.reservoir.update(self.windows, activations)
        self.histogram.update(activations)
        self.windows += len(activations)

    def live(self) -> set[int]:
        """Indices of the windows that may still end up in a record."""
        kept = np.union1d(self.top.index, self.reservoir.index)
        return {int(i) for i in kept if i >= 0}

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything by name, to go on from later."""
        return {
            "windows": np.asarray(self.windows),
            "top_peaks": self.top.peaks,
            "top_index": self.top.index,
            "top_activations": self.top.activations,
            "reservoir_priority": self.reservoir.priority,
            "reservoir_index": self.reservoir.index,
            "reservoir_activations": self.reservoir.activations,
            "histogram_counts": self.histogram.counts,
            "histogram_low": self.histogram.low,
            "histogram_high": self.histogram.high,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `state` gave for a collector of the same shape."""
        self.windows = int(state["windows"])
        for part, holder in (
            ("top", self.top),
            ("reservoir", self.reservoir),
            ("histogram", self.histogram),
        ):
            for name, values in state.items():
                if name.startswith(f"{part}_"):
                    setattr(holder, name.removeprefix(f"{part}_"), values)
