"""A random sample of the windows, shared by all neurons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def priorities(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """The random numbers of windows ``first`` to ``first + count - 1``, each in [0, 1).

    A window's number depends on the seed and its index alone.
    """
    bits = np.random.PCG64(seed)
    bits.advance(first)
    return np.random.Generator(bits).random(count)


class Reservoir:
    """The windows with the lowest random numbers: a uniform sample without replacement.

    Memory: size x length x neurons x 4 bytes.
    """

    def __init__(self, size: int, length: int, neurons: int, seed: int) -> None:
        """Start empty.

        Args:
            size: S, how many windows to keep.
            length: L, text tokens a window.
            neurons: N, how many neurons are recorded.
            seed: At least 0.
        """
        self.seed = seed
        self.priority = np.full(size, np.inf)
        """Random numbers, shape [S]; inf where a slot is empty."""
        self.index = np.full(size, -1, dtype=np.int64)
        """Window indices, shape [S]; -1 where a slot is empty."""
        self.activations = np.zeros((size, length, neurons), dtype=np.float32)
        """Activations, shape [S, L, N]."""

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
    """One neuron's random excerpts.

    Args:
        reservoir: Window indices of the reservoir, -1 for an empty slot, any order.
        exclude: Window indices of the neuron's top excerpts.
        count: How many to draw.
        seed: Numbers of at least 0 that fix the draw.

    Returns:
        Window indices in the order drawn; fewer than ``count`` if there are no more.
    """
    allowed = np.setdiff1d(reservoir[reservoir >= 0], exclude)
    return np.random.default_rng(seed).permutation(allowed)[:count]
