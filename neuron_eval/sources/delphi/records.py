"""From one latent's activations, the cache's tokens and a vocabulary to a neuron record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, distinct
from neuron_eval.records.activations import round_significant
from neuron_eval.records.checks import check_id, foreign_record
from neuron_eval.records.tokens import join_pieces
from neuron_eval.records.treatment import LENGTH, seeded
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.delphi.files import Latent, OpenSplit, TokenizerVocabulary

TOP = 32  # at most so many excerpts with the highest peaks
RANDOM = 24  # at most so many excerpts drawn from all windows, active or not
PER_STRATUM = 5
"""Excerpts of each stratum of windows in which the latent is active; of the silent ones as many as
of the others together."""

CUTS = (0.5, 0.9, 0.99)
"""The levels at which active windows, by their peak, are divided into strata."""

LOOKED_AT = 4 * (TOP + RANDOM)
"""At most so many windows are looked at for either, since texts repeat."""

LEVELS = (0.5, 0.9, 0.99, 0.999, 0.9999)
"""The levels of the quantile boundaries, as `neuron-eval record` has them."""


class Texts:
    """The rows of text that a cache was made from."""

    def __init__(self, file: OpenSplit, vocabulary: TokenizerVocabulary) -> None:
        self._tokens = file.tokens
        self._rows, self._context = file.tokens.get_shape()
        self._windows = Windows(self._rows, self._context)
        self._vocabulary = vocabulary

    def record(self, key: NeuronKey, model: str, latent: Latent, at: str) -> NeuronRecord:
        """The record of one latent, checked; ``at`` is file and latent, for messages."""
        check_id(key.id, at)
        self._check(latent, at)
        excerpts = Excerpts(latent, self._windows)
        if excerpts.repeated():
            raise RecordError(f"{at}: tensor 'locations' holds the same place twice")
        seen: set[str] = set()
        top = self._distinct(excerpts, excerpts.highest().tolist(), TOP, seen, at)
        drawn = excerpts.drawn(LOOKED_AT, key.id)
        random = self._distinct(excerpts, drawn, RANDOM, seen, at)
        strata = [
            (
                len(windows) / self._windows.total,
                self._distinct(excerpts, windows.tolist(), count, set(), at),
            )
            for windows, count in excerpts.strata(key.id)
        ]
        identity = NeuronRecord(
            id=key.id,
            model=model,
            layer=key.layer,
            neuron=key.neuron,
            quantiles=LEVELS,
            special_tokens=self._vocabulary.special,
            quantile_boundaries=boundaries(latent.values, self._rows * self._context),
        )
        return foreign_record(identity, top, random, strata, at)

    def _distinct(
        self, excerpts: Excerpts, windows: Iterable[int], count: int, seen: set[str], at: str
    ) -> list[ActivationRecord]:
        """The first ``count`` windows whose text was not seen."""
        records = (self._excerpt(excerpts, window, at) for window in islice(windows, LOOKED_AT))
        return list(islice(distinct(records, seen), count))

    def _excerpt(self, excerpts: Excerpts, window: int, at: str) -> ActivationRecord:
        row, begin, end = self._windows.place(window)
        at = f"{at}: row {row}"
        ids = self._tokens[row : row + 1, begin:end][0].tolist()
        tokens, starts = join_pieces([self._vocabulary.piece(id_, at) for id_ in ids])
        if not tokens:
            raise RecordError(f"{at}: its tokens hold no text")
        values = np.maximum.reduceat(excerpts.activations(window), starts)
        return ActivationRecord(tokens, tuple(values.tolist()))

    def _check(self, latent: Latent, at: str) -> None:
        for name, places, size in (
            ("row", latent.rows, self._rows),
            ("position", latent.positions, self._context),
        ):
            wrong = places[(places < 0) | (places >= size)]
            if len(wrong):
                raise RecordError(
                    f"{at}: tensor 'locations': {name} {int(wrong[0])} is beyond the tokens, "
                    f"[{self._rows}, {self._context}]"
                )
        wrong_values = latent.values[~np.isfinite(latent.values)]
        if len(wrong_values):
            raise RecordError(
                f"{at}: tensor 'activations' holds {float(wrong_values[0])}; activations must be "
                "finite (float16 ends at 65504)"
            )


class Windows:
    """R rows of C tokens cut into windows of equal length, within one token, at most `LENGTH`."""

    def __init__(self, rows: int, context: int) -> None:
        self._edges = np.linspace(0, context, math.ceil(context / LENGTH) + 1).astype(np.int64)
        self.per_row = len(self._edges) - 1
        self.total = rows * self.per_row

    def place(self, window: int) -> tuple[int, int, int]:
        """A window's row, its first position and the one after its last."""
        row, column = divmod(window, self.per_row)
        return row, int(self._edges[column]), int(self._edges[column + 1])

    def of(self, latent: Latent) -> NDArray[np.int64]:
        """The window that each activation is in, shape [N]."""
        column = np.searchsorted(self._edges, latent.positions, side="right") - 1
        return latent.rows * self.per_row + column


class Excerpts:
    """The windows of one latent; its activations sorted by window."""

    def __init__(self, latent: Latent, windows: Windows) -> None:
        number = windows.of(latent)
        order = np.lexsort((latent.positions, number))
        self._windows = windows
        self._number = number[order]
        self._positions = latent.positions[order]
        self._values = latent.values[order]

    def repeated(self) -> bool:
        """Whether a token has two activations."""
        same = (np.diff(self._number) == 0) & (np.diff(self._positions) == 0)
        return bool(same.any())

    def highest(self) -> NDArray[np.int64]:
        """Windows with a positive activation, the highest peak first; of equals, the first."""
        if not len(self._number):
            return np.zeros(0, dtype=np.int64)
        starts = np.flatnonzero(np.diff(self._number, prepend=-1))
        peaks = np.maximum.reduceat(self._values, starts)
        order = np.argsort(-peaks, kind="stable")
        firing: NDArray[np.int64] = self._number[starts[order[peaks[order] > 0]]]
        return firing

    def strata(self, seed: str) -> list[tuple[NDArray[np.int64], int]]:
        """All windows by peak, the silent ones and the others cut at `CUTS`; with counts."""
        firing = self.highest()[::-1]
        parts = np.split(firing, [int(level * len(firing)) for level in CUTS])
        parts = [part for part in parts if len(part)]
        silent = np.ones(self._windows.total, dtype=np.bool_)
        silent[firing] = False
        counts = [PER_STRATUM] * len(parts)
        if silent.any():
            parts.insert(0, np.flatnonzero(silent))
            counts.insert(0, PER_STRATUM * max(1, len(counts)))
        rng = seeded(f"{seed}/strata")
        return [(rng.permutation(part), n) for part, n in zip(parts, counts, strict=True)]

    def drawn(self, count: int, seed: str) -> list[int]:
        """Up to ``count`` different windows of all there are, active or not, by the seed."""
        total = self._windows.total
        drawn: list[int] = seeded(seed).choice(total, min(count, total), replace=False).tolist()
        return drawn

    def activations(self, window: int) -> NDArray[np.float64]:
        """The activation of each token in a window, rounded to four significant digits."""
        _, begin, end = self._windows.place(window)
        first, last = np.searchsorted(self._number, [window, window + 1])
        dense = np.zeros(end - begin)
        dense[self._positions[first:last] - begin] = self._values[first:last]
        return round_significant(dense)


def boundaries(
    values: NDArray[np.float32], tokens: int, levels: Sequence[float] = LEVELS
) -> tuple[float, ...]:
    """The activation that a share ``level`` of so many tokens stays within, at each level.

    From the activations that are not zero, shape [N]; rounded to four significant digits.
    """
    weights = np.append(np.ones(len(values)), tokens - len(values))
    bounds = np.quantile(np.append(values, 0), levels, weights=weights, method="inverted_cdf")
    return tuple(round_significant(bounds).tolist())
