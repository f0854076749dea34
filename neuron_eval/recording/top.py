"""Each neuron's best excerpts so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records.rounding import round_significant

ROWS = 4096
"""Neurons handled at once, so that the working copies stay small."""


class TopExcerpts:
    """The windows with the highest peaks, a list a neuron, vectorised over neurons.

    Peaks are compared as they will be stored, rounded; the earlier window wins a tie. So the
    outcome does not depend on how the windows are dealt to batches. Memory: neurons x excerpts
    x length x 4 bytes.
    """

    def __init__(self, neurons: int, excerpts: int, length: int) -> None:
        """Start with empty lists.

        Args:
            neurons: N, how many neurons are recorded.
            excerpts: K, how many windows each keeps.
            length: L, text tokens a window.
        """
        self.peaks = np.full((neurons, excerpts), -np.inf)
        """Rounded peaks, shape [N, K], highest first; -inf where there is none yet."""
        self.index = np.full((neurons, excerpts), -1, dtype=np.int64)
        """Window indices, shape [N, K]; -1 where there is none yet."""
        self.activations = np.zeros((neurons, excerpts, length), dtype=np.float32)
        """Activations, shape [N, K, L]."""

    def update(self, first: int, activations: NDArray[np.float32]) -> None:
        """Take in a batch.

        Args:
            first: Index of the batch's first window; higher than every index before.
            activations: Shape [B, L, N].
        """
        peaks = round_significant(activations.max(axis=1).T)
        # Strictly: a window that merely equals the lowest peak comes later and loses.
        better = np.flatnonzero(peaks.max(axis=1) > self.peaks[:, -1])
        index = np.arange(first, first + len(activations))
        for start in range(0, len(better), ROWS):
            rows = better[start : start + ROWS]
            self._merge(rows, peaks[rows], index, activations[:, :, rows].transpose(2, 0, 1))

    def _merge(
        self,
        rows: NDArray[np.int64],
        peaks: NDArray[np.float64],
        index: NDArray[np.int64],
        activations: NDArray[np.float32],
    ) -> None:
        excerpts = self.peaks.shape[1]
        joined = np.concatenate([self.peaks[rows], peaks], axis=1)
        order = np.argsort(-joined, axis=1, kind="stable")[:, :excerpts]
        places = np.concatenate(
            [self.index[rows], np.broadcast_to(index, (len(rows), len(index)))], axis=1
        )
        pool = np.concatenate([self.activations[rows], activations], axis=1)
        self.peaks[rows] = np.take_along_axis(joined, order, axis=1)
        self.index[rows] = np.take_along_axis(places, order, axis=1)
        self.activations[rows] = np.take_along_axis(pool, order[:, :, None], axis=1)
