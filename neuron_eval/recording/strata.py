"""Excerpts of a stream by the neuron's peak in them, with exact counts: strata of all text."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records.activations import round_significant

STRATA = 6
"""The highest holds peaks from the power of two below the highest peak on; each below it half as
high ones; the lowest all the others, silent excerpts too. On the scale of 0 to 10 that is 0."""

PER_STRATUM = 5  # excerpts to keep of each

Activations = NDArray[np.float32]
Indices = NDArray[np.int64]  # of windows, or of rows
Numbers = NDArray[np.float64]  # random, or peaks

Window = tuple[int, Activations]
"""A window's index in the text, and one neuron's activations on it, shape [L]."""

SILENT = -(2**20)  # stands for the exponent of a peak that is not above 0


def exponents(peaks: Numbers) -> Indices:
    """The power of two that each peak is below, of any shape; `SILENT` for those not above 0."""
    _, exponent = np.frexp(peaks)
    return np.where(peaks > 0, exponent, SILENT).astype(np.int64)


class StratifiedExcerpts:
    """Of every stratum of every neuron, how many windows are in it, and a uniform sample of them.

    A neuron's highest peak is not known before the text has ended, so its strata move while it is
    read. That is sound, because they only ever merge: a higher peak opens new strata on top, which
    nothing was in before, and pushes the lowest ones together. A sample is the windows with the
    lowest random numbers, and of two such samples together the lowest are the sample of both.
    So the outcome depends on seed and text alone, not on how windows are dealt to batches.
    """

    def __init__(self, neurons: int, length: int, per_stratum: int) -> None:
        # For N neurons, S strata, the highest first, and K windows of L tokens: shapes [N], [N, S],
        # [N, S, K] twice and [N, S, K, L]; an empty slot has priority inf and index -1.
        shape = (neurons, STRATA, per_stratum)
        self.exponent = np.full(neurons, SILENT, dtype=np.int64)
        self.counts = np.zeros((neurons, STRATA), dtype=np.int64)
        self.priority = np.full(shape, np.inf)
        self.index = np.full(shape, -1, dtype=np.int64)
        self.activations = np.zeros((*shape, length), dtype=np.float32)

    def update(self, first: int, activations: Activations, priorities: Numbers) -> None:
        """Take in windows from ``first`` on, shape [B, L, N], with their random numbers, [B]."""
        if not self.priority.size:
            return
        exponent = exponents(round_significant(activations.max(axis=1)))
        self._raise(exponent.max(axis=0))
        every = np.arange(len(self.exponent))
        for i, priority in enumerate(priorities):
            stratum = np.minimum(self.exponent - exponent[i], STRATA - 1)
            self.counts[every, stratum] += 1
            last = self.priority[every, stratum].argmax(axis=1)
            rows = np.flatnonzero(priority < self.priority[every, stratum, last])
            place = rows, stratum[rows], last[rows]
            self.priority[place] = priority
            self.index[place] = first + i
            self.activations[place] = activations[i][:, rows].T

    def merge(self, other: StratifiedExcerpts) -> None:
        if not self.priority.size:
            return
        beside = deepcopy(other)
        self._raise(beside.exponent)
        beside._raise(self.exponent)
        self.counts += beside.counts
        joined = np.concatenate([self.priority, beside.priority], axis=2)
        lowest = np.argsort(joined, axis=2, kind="stable")[:, :, : self.priority.shape[2]]
        for name in ("priority", "index", "activations"):
            both = np.concatenate([getattr(self, name), getattr(beside, name)], axis=2)
            setattr(self, name, _taken(both, lowest))

    def of(
        self, neuron: int, priority: Numbers, index: Indices, activations: Activations
    ) -> list[tuple[float, list[Window]]]:
        """A neuron's strata, lowest first: the share of all windows, and a sample of these.

        The rest is a sample of all windows, those with the lowest random numbers, shapes [R], [R]
        and [R, L]. From it the stratum with most windows is filled up until it has as many as the
        others together: these two are the windows with the lowest numbers in it, and so is the sum.
        """
        counts, size = self.counts[neuron], self.priority.shape[2]
        if not size:
            return []
        total, commonest = int(counts.sum()), int(counts.argmax())
        exponent = exponents(round_significant(activations.max(axis=1)))
        inside = np.minimum(self.exponent[neuron] - exponent, STRATA - 1) == commonest
        strata = []
        for stratum in np.flatnonzero(counts)[::-1].tolist():
            room = size
            drawn = zip(self.priority[neuron, stratum], self.index[neuron, stratum],
                        self.activations[neuron, stratum], strict=True)  # fmt: skip
            windows = {int(i): (float(p), values) for p, i, values in drawn if i >= 0}
            if stratum == commonest:
                room = size * max(1, int(np.count_nonzero(counts)) - 1)
                more = zip(priority[inside], index[inside], activations[inside], strict=True)
                windows |= {int(i): (float(p), values) for p, i, values in more if i >= 0}
            lowest = sorted(windows, key=lambda i: windows[i][0])[:room]
            sample = [(i, windows[i][1]) for i in lowest]
            strata.append((int(counts[stratum]) / total, sample))
        return strata

    def _raise(self, exponent: Indices) -> None:
        """Make room above for the highest exponents of a batch, shape [N]."""
        steps = np.clip(exponent - self.exponent, 0, STRATA)
        self.exponent = np.maximum(self.exponent, exponent)
        for step in np.unique(steps[steps > 0]).tolist():
            self._shift(np.flatnonzero(steps == step), step)

    def _shift(self, rows: Indices, step: int) -> None:
        """Move the strata of some neurons down by ``step``; what gets to the bottom is merged."""
        kept = max(0, STRATA - 1 - step)  # the strata that stay apart
        size = self.priority.shape[2]
        counts = self.counts[rows]
        self.counts[rows] = 0
        self.counts[rows, step : step + kept] = counts[:, :kept]
        self.counts[rows, -1] = counts[:, kept:].sum(axis=1)
        joined = self.priority[rows, kept:].reshape(len(rows), -1)
        lowest = np.argsort(joined, axis=1, kind="stable")[:, :size]
        for name, empty in (("priority", np.inf), ("index", -1), ("activations", 0)):
            values = getattr(self, name)
            before = values[rows]
            values[rows] = empty
            values[rows, step : step + kept] = before[:, :kept]
            flat = before[:, kept:].reshape(len(rows), joined.shape[1], *before.shape[3:])
            values[rows, -1] = _taken(flat, lowest)


def _taken(values: NDArray[Any], order: Indices) -> NDArray[Any]:
    """Those at the places ``order`` of the last axis that both have."""
    beyond = tuple(range(order.ndim, values.ndim))
    return np.take_along_axis(values, np.expand_dims(order, beyond), axis=order.ndim - 1)
