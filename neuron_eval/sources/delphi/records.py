"""From one latent's activations, the cache's tokens and a vocabulary to a neuron record."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.checks import check_id
from neuron_eval.records.tokens import join_pieces
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.delphi.files import OpenSplit
from neuron_eval.sources.delphi.tokens import Vocabulary
from neuron_eval.sources.delphi.windows import LEVELS, Excerpts, Latent, Windows, boundaries
from neuron_eval.sources.foreign import foreign_record

TOP = 32
"""At most so many excerpts with the highest peaks."""

RANDOM = 24
"""At most so many excerpts drawn from all windows, active or not."""

SPARE = 4
"""So many times more windows are looked at, since texts repeat."""


class Texts:
    """The rows of text that a cache was made from."""

    def __init__(self, file: OpenSplit, vocabulary: Vocabulary) -> None:
        """A file with tokens, and what they stand for."""
        self._tokens = file.tokens
        self._rows, self._context = file.shape
        self._windows = Windows(self._rows, self._context)
        self._vocabulary = vocabulary

    def record(self, key: NeuronKey, model: str, latent: Latent, at: str) -> NeuronRecord:
        """The record of one latent, checked.

        Args:
            key: Which latent.
            model: The subject model's name.
            latent: Its activations.
            at: File and latent, for messages.

        Raises:
            RecordError: An activation is not finite, stands twice, or is beyond the tokens; or a
                token is not in the vocabulary.
        """
        check_id(key.id, at)
        self._check(latent, at)
        excerpts = Excerpts(latent, self._windows)
        if excerpts.repeated():
            raise RecordError(f"{at}: tensor 'locations' holds the same place twice")
        taken: set[int] = set()
        seen: set[str] = set()
        top = self._distinct(excerpts, excerpts.highest(), TOP, taken, seen, at)
        drawn = excerpts.drawn(SPARE * (TOP + RANDOM), key.id)
        random = self._distinct(excerpts, drawn, RANDOM, taken, seen, at)
        neuron = NeuronRecord(
            id=key.id,
            model=model,
            layer=key.layer,
            neuron=key.neuron,
            top=(),
            random=(),
            quantiles=LEVELS,
            special_tokens=self._vocabulary.special,
            quantile_boundaries=boundaries(latent.values, self._rows * self._context),
        )
        return foreign_record(neuron, top, random, at)

    def _distinct(
        self,
        excerpts: Excerpts,
        windows: Iterable[int],
        count: int,
        taken: set[int],
        seen: set[str],
        at: str,
    ) -> list[ActivationRecord]:
        """The first ``count`` windows that are not taken and whose text was not seen."""
        found: list[ActivationRecord] = []
        for window in islice(windows, SPARE * (TOP + RANDOM)):
            if len(found) == count:
                break
            if window in taken:
                continue
            record = self._excerpt(excerpts, window, at)
            if record.text not in seen:
                taken.add(window)
                seen.add(record.text)
                found.append(record)
        return found

    def _excerpt(self, excerpts: Excerpts, window: int, at: str) -> ActivationRecord:
        row, begin, end = self._windows.place(window)
        ids = self._tokens[row : row + 1, begin:end][0].tolist()
        tokens, starts = join_pieces(self._vocabulary.pieces(ids, f"{at}: row {row}"))
        if not tokens:
            raise RecordError(f"{at}: row {row}: its tokens hold no text")
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
