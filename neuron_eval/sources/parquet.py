"""Files of the project's own schema in Parquet: a column per field, a row per neuron.

Rows are counted from 0, as pandas does. Neurons that were chosen are read with the others of
their row group and with no more; files written here have small ones.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter, read_metadata

from neuron_eval.files.locking import unfinished
from neuron_eval.messages import message_of, shown
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.sources import arrow
from neuron_eval.sources.base import NeuronKey, Placed, PlacedSource, SourceError, Wanted, ids_of
from neuron_eval.sources.objects import KEY
from neuron_eval.sources.opening import OpenFile

_BUFFER = 1 << 20  # bytes of a column that are in memory at once, where a row group is larger
_BATCH = 64  # rows that are made records of at once
_NARROW = 4096  # rows that are read at once of columns without activations

# Batches of rows, each with the number of its first row in the file.
Rows = Iterator[tuple[int, pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class ParquetSource(PlacedSource[int]):
    """The neurons of one file, read row group by row group; of `keys` small columns alone."""

    name: str
    open: OpenFile | None = None  # of a file that is not local; a row group is fetched at once

    def check(self) -> None:
        """Open the file and look at its columns; reads no rows."""
        with self._opened():
            pass

    def placed_keys(self) -> Iterator[tuple[int, NeuronKey]]:
        with self._opened() as file:
            for first, batch in self._small(file, KEY):
                rows = range(first, first + len(batch))
                yield from zip(rows, arrow.keys(batch, self._wheres(rows)), strict=True)

    def placed(self, wanted: Wanted) -> Placed[int]:
        with self._opened() as file:
            known = set(arrow.SCHEMA.names)
            columns = [name for name in file.schema_arrow.names if name in known]
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            starts = [0, *accumulate(sizes)]
            ids = ids_of(wanted)
            groups = range(len(sizes)) if ids is None else self._holding(file, starts, ids)
            for first, batch in chain.from_iterable(
                self._group(file, group, starts, columns) for group in groups
            ):
                rows: Sequence[int] = range(first, first + len(batch))
                if ids is not None:
                    at = [i for i, id_ in enumerate(batch.column("id").to_pylist()) if id_ in ids]
                    batch, rows = _picked(batch, at), [first + i for i in at]
                yield from zip(rows, arrow.records(batch, self._wheres(rows)), strict=True)

    def repeated(self, id_: str, place: int, first: int) -> str:
        return (
            f"{self.name}, row {place}: column 'id': {shown(id_)} stands in row {first} too; ids "
            "must be unique"
        )

    def _wheres(self, rows: Iterable[int]) -> list[str]:
        return [f"{self.name}, row {row}" for row in rows]

    def _group(
        self, file: ParquetFile, group: int, starts: Sequence[int], columns: Sequence[str]
    ) -> Rows:
        """The rows of one row group."""
        first, end = starts[group], starts[group + 1]
        batches = file.iter_batches(_BATCH, row_groups=[group], columns=columns, use_threads=False)
        rows = f"rows {first} to {end - 1} (row group {group}) cannot be read"
        return _numbered(batches, first, lambda _: f"{self.name}: {rows}")

    def _small(self, file: ParquetFile, columns: Sequence[str]) -> Rows:
        """Every row of columns without activations, whatever row groups there are."""
        batches = file.iter_batches(_NARROW, columns=columns, use_threads=False)
        at = f"{self.name}: columns {', '.join(columns)} cannot be read from row"
        return _numbered(batches, 0, lambda row: f"{at} {row} on")

    def _holding(self, file: ParquetFile, starts: Sequence[int], ids: Set[str]) -> list[int]:
        """The row groups with one of these ids; reads the column id only."""
        rows = (
            first + i
            for first, batch in self._small(file, ["id"])
            for i, id_ in enumerate(batch.column("id").to_pylist())
            if id_ in ids
        )
        return sorted({bisect_right(starts, row) - 1 for row in rows})

    @contextmanager
    def _opened(self) -> Iterator[ParquetFile]:
        try:
            # An open file instead of a path, which Arrow would take for a URL if it looks like one.
            with self.open() if self.open else pa.OSFile(self.name) as raw:
                metadata = read_metadata(raw)
                file = ParquetFile(
                    raw,
                    metadata=metadata,
                    read_dictionary=_token_leaves(metadata),
                    pre_buffer=self.open is not None,
                    buffer_size=0 if self.open else _BUFFER,
                    page_checksum_verification=True,
                )
                if faults := arrow.wrong_columns(file.schema_arrow):
                    raise SourceError(f"{self.name}: {faults}")
                yield file
        except FileNotFoundError as error:
            raise SourceError(f"{self.name}: there is no such file") from error
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{self.name}: cut off or not a Parquet file ({message_of(error)})"
            ) from error
        except UnicodeDecodeError as error:
            raise SourceError(f"{self.name}: column 'id' is not UTF-8 text ({error})") from error


def write_parquet(path: Path, neurons: Iterable[NeuronRecord]) -> int:
    """As `neuron_eval.sources.schema.write`; a row group's worth of neurons is in memory."""
    count = 0
    with (
        unfinished(path) as beside,
        ParquetWriter(
            str(beside),
            arrow.SCHEMA,
            compression="zstd",
            # Of other columns nobody asks for the range, and the footer is read every time.
            write_statistics=list(KEY),
            write_page_checksum=True,
        ) as writer,
    ):
        for batch in arrow.batches(neurons):
            writer.write_batch(batch, row_group_size=max(1, len(batch)))
            count += len(batch)
    return count


def _numbered(batches: Iterator[pa.RecordBatch], row: int, fault: Callable[[int], str]) -> Rows:
    """Each batch with the number of its first row; ``fault`` says from which on there are none."""
    try:
        for batch in batches:
            yield row, batch
            row += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise RecordError(f"{fault(row)} ({message_of(error)})") from error


def _picked(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    # Not by `pyarrow.array`, which imports pandas, and that takes longer than the reading.
    places = pa.py_buffer(array("q", rows))
    return batch.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, places]))


def _token_leaves(metadata: pa.FileMetaData) -> list[str]:
    """The leaves that hold tokens, by Parquet's names; they are read as words and numbers."""
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    return [
        leaf.path
        for leaf in leaves
        if leaf.path.startswith(("top.", "random."))
        and "tokens" in leaf.path.split(".")
        and leaf.physical_type == "BYTE_ARRAY"
    ]
