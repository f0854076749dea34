"""The bins of activations that SAEDashboard, and so Neuronpedia, draws excerpts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neuron_eval.records import ActivationRecord, Stratum, whole_strata

IN_TOP = -1  # the ``binContains`` of the highest activations
SHARES_OFF = 0.01  # what the shares of all bins may miss 1 by


def bins(rows: Iterable[tuple[Mapping[str, Any], ActivationRecord]]) -> tuple[Stratum, ...]:
    """The bins as strata, lowest first; none unless their shares sum to 1.

    A bin's share is of tokens: those of all text whose activation is in it, the lowest bin's with
    the silent ones. SAEDashboard draws a token of the bin and takes the text around it, so that by
    share the excerpts are a sample of the text around a random token. It rounds shares to 0.001 %,
    and counts a token on the bound of two bins twice. A bin whose share is rounded to 0 is left
    out; where others are missing, nothing can stand for them.
    """
    parts: dict[tuple[float, float], list[ActivationRecord]] = {}
    for row, record in rows:
        share, low = bin_of(row), row.get("binMin", row.get("bin_min"))
        if share is not None and share > 0 and isinstance(low, int | float):
            parts.setdefault((low, share), []).append(record)
    total = sum(share for _, share in parts)
    if len(parts) < 2 or not abs(total - 1) <= SHARES_OFF:
        return ()
    return whole_strata((share / total, parts[low, share]) for low, share in sorted(parts))


def bin_of(row: Mapping[str, Any]) -> float | None:
    """The share of the bin that an activation was sampled from; None for the highest ones."""
    share = row.get("binContains", row.get("bin_contains"))
    return share if isinstance(share, int | float) and share != IN_TOP else None
