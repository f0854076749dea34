"""The files of a delphi cache, `START_END.safetensors`, and the tensors in them.

    locations    [N, 3]: row, position, latent - START; uint16, uint32 or wider
    activations  [N]: not zero, usually float16
    tokens       [R, C]: token ids; may be left out

A cache of ten million tokens has hundreds of millions of activations a file, sorted by row. They
are read in stretches from the mapped file, as often as it takes to gather the latents wanted with
no more than `GATHERED` activations in memory, and one latent's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.messages import listed, message_of
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError

STRETCH = 2**20  # activations read at once
GATHERED = 2**22  # activations in memory, about 50 bytes each at the peak


@dataclass(frozen=True, slots=True)
class Split:
    """One file: the latents from ``start`` to ``end``, which is its last."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Latent:
    """One latent's N activations that are not zero, in any order; each array's shape is [N]."""

    rows: NDArray[np.int64]
    positions: NDArray[np.int64]  # within the row
    values: NDArray[np.float32]  # may be negative


class OpenSplit:
    """A file opened for reading."""

    def __init__(self, split: Split, tensors: Any) -> None:
        """Check that the tensors are there, and their shapes and types."""
        self._split = split
        names = set(tensors.keys())
        for name in ("locations", "activations"):
            if name not in names:
                raise RecordError(
                    f"{split.path}: holds no tensor {name!r}, only "
                    f"{listed(sorted(names), quoted=False)}"
                )
        self._locations = tensors.get_slice("locations")
        self._activations = tensors.get_slice("activations")
        self.tokens: Any = tensors.get_slice("tokens") if "tokens" in names else None
        self._check()
        self._size = self._locations.get_shape()[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the tokens."""
        rows, columns = self.tokens.get_shape()
        return rows, columns

    def counts(self) -> NDArray[np.int64]:
        """How many activations each latent of the file has, shape [end - start + 1]."""
        width = self._split.end - self._split.start + 1
        counts = np.zeros(width, dtype=np.int64)
        for begin, located in self._stretches():
            latent = located[:, 2].astype(np.int64)
            wrong = np.flatnonzero((latent < 0) | (latent >= width))
            if len(wrong):
                raise RecordError(
                    f"{self._split.path}: tensor 'locations': line {begin + int(wrong[0])} is of "
                    f"latent {int(latent[wrong[0]])} of the file, which by its name has {width}"
                )
            counts += np.bincount(latent, minlength=width)
        return counts

    def gather(self, wanted: Collection[int] | None) -> Iterator[tuple[int, Latent]]:
        """The latents wanted that have activations, by number; all if None."""
        counts = self.counts()
        present = np.flatnonzero(counts)
        if wanted is not None:
            local = np.array(sorted(wanted), dtype=np.int64) - self._split.start
            present = present[np.isin(present, local)]
        rounds = np.cumsum(counts[present]) // GATHERED
        for group in np.split(present, np.flatnonzero(np.diff(rounds)) + 1) if len(present) else ():
            yield from self._gathered(group, counts)

    def _gathered(
        self, group: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> Iterator[tuple[int, Latent]]:
        chosen = np.zeros(len(counts), dtype=bool)
        chosen[group] = True
        located, values = [], []
        for begin, stretch in self._stretches():
            kept = chosen[stretch[:, 2]]
            located.append(stretch[kept])
            values.append(self._activations[begin : begin + len(stretch)][kept])
        locations, activations = np.concatenate(located), np.concatenate(values)
        order = np.argsort(locations[:, 2], kind="stable")
        locations, activations = locations[order], activations[order]
        ends = np.cumsum(counts[group])[:-1]
        parts = zip(group, np.split(locations, ends), np.split(activations, ends), strict=True)
        for latent, places, strengths in parts:
            rows, positions = places[:, 0].astype(np.int64), places[:, 1].astype(np.int64)
            yield (
                self._split.start + int(latent),
                Latent(rows, positions, strengths.astype(np.float32)),
            )

    def _stretches(self) -> Iterator[tuple[int, NDArray[np.integer[Any]]]]:
        """Where each begins, and its locations."""
        for begin in range(0, self._size, STRETCH):
            yield begin, self._locations[begin : min(begin + STRETCH, self._size)]

    def _check(self) -> None:
        shape, values = list(self._locations.get_shape()), list(self._activations.get_shape())
        kinds = self._locations.get_dtype(), self._activations.get_dtype()
        tokens = None if self.tokens is None else list(self.tokens.get_shape())
        sound = shape == [*values, 3] and len(values) == 1
        if not sound or (tokens is not None and (len(tokens) != 2 or 0 in tokens)):
            raise RecordError(
                f"{self._split.path}: tensors of shapes locations {shape}, activations {values}, "
                f"tokens {tokens}; expected [N, 3], [N] and [rows, context]"
            )
        if kinds[0][:1] not in ("I", "U") or kinds[1] not in ("F16", "F32", "F64"):
            raise RecordError(
                f"{self._split.path}: tensors of types locations {kinds[0]}, activations "
                f"{kinds[1]}; expected whole numbers and F16, F32 or F64"
            )


@contextmanager
def opened(split: Split) -> Iterator[OpenSplit]:
    """Map a file to memory."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise SourceError(
            f"{split.path}: reading it needs safetensors: pip install 'neuron_eval[delphi]'"
        ) from error
    try:
        tensors = safe_open(split.path, framework="numpy")
    except SafetensorError as error:
        raise RecordError(
            f"{split.path}: cut off or not a safetensors file ({message_of(error)})"
        ) from error
    except OSError as error:
        raise SourceError(f"{split.path}: cannot be read ({error.strerror or error})") from error
    with tensors as mapped:
        yield OpenSplit(split, mapped)
