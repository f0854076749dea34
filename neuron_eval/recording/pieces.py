"""From model tokens to text tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording.windows import Window


def merge_pieces(
    raw: NDArray[np.float32], windows: Sequence[Window], skip: int
) -> NDArray[np.float32]:
    """Activations of model tokens to activations of text tokens, the maximum of each one's pieces.

    Args:
        raw: Shape [B, P, N], padded on the right.
        windows: The B windows of L text tokens.
        skip: Positions before each window.

    Returns:
        Shape [B, L, N].
    """
    parts = []
    for row, window in zip(raw, windows, strict=True):
        pieces = row[skip : skip + len(window.ids)]
        whole = len(window.ids) == len(window.starts)
        parts.append(pieces if whole else np.maximum.reduceat(pieces, window.starts, axis=0))
    return np.stack(parts)
