"""Activations are stored with four significant digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = 4
"""Significant digits of a stored activation: relative error at most 0.05 %."""

# Looked up instead of computed, because `pow` may be off in the last bit, and then a stored
# activation would be 0.12340000000000001.
_POWERS = np.array([float(f"1e{k}") for k in range(64)])


def round_significant(values: NDArray[Any]) -> NDArray[np.float64]:
    """Round to `DIGITS` significant digits.

    The rounding never turns an order round (a <= b stays a <= b), so the peak of rounded
    activations is the rounded peak.

    Args:
        values: Finite numbers of single precision, any shape.

    Returns:
        The same shape; never a negative zero.
    """
    exact = np.asarray(values, dtype=np.float64)
    size = np.abs(exact)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0))).astype(np.int64)
    shift = DIGITS - 1 - exponent
    up, down = _POWERS[np.clip(shift, 0, None)], _POWERS[np.clip(-shift, 0, None)]
    rounded: NDArray[np.float64] = np.round(exact * up / down) * down / up
    return rounded + 0.0
