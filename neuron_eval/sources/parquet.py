"""Files of the project's own schema in Parquet: a column per field, a row per neuron.

Rows are counted from 0, as pandas does. Neurons that were chosen are read with the others of
their row group and with no more; files written here have small ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter, read_metadata

from neuron_eval.files.locking import unfinished
from neuron_eval.messages import message_of
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.sources import arrow
from neuron_eval.sources.base import NeuronKey, Placed, PlacedSource, SourceError, Wanted, ids_of
from neuron_eval.sources.looking import OpenFile
from neuron_eval.sources.objects import KEY

_BUFFER = 1 << 20  # bytes of a column that are in memory at once, where a row group is larger
_BATCH = 64  # rows that are made records of at once
_NARROW = 4096  # rows that are read at once of columns without activations


@dataclass(frozen=True, slots=True)
class ParquetSource(PlacedSource):
    """The neurons of one file, read row group by row group; of `keys` small columns alone."""

    name: str
    open: OpenFile | None = None  # of a file that is not local; a row group is fetched at once
    repeated = "{place}: column 'id': {id} stands in {first} too; ids must be unique"

    def check(self) -> None:
        """Open the file and look at its columns; reads no rows."""
        with self._opened():
            pass

    def placed_keys(self) -> Iterator[tuple[str, NeuronKey]]:
        with self._opened() as file:
            for first, batch in self._rows(file, KEY, _NARROW):
                wheres = [f"{self.name}, row {first + i}" for i in range(len(batch))]
                yield from zip(wheres, arrow.keys(batch, wheres), strict=True)

    def placed(self, wanted: Wanted) -> Placed:
        ids = ids_of(wanted)
        with self._opened() as file:
            columns = [name for name in file.schema_arrow.names if name in arrow.SCHEMA.names]
            for first, batch in self._rows(file, columns, _BATCH, ids):
                rows: Sequence[int] = range(len(batch))
                if ids is not None:
                    there = batch.column("id").to_pylist()
                    rows = [i for i, id_ in enumerate(there) if id_ in ids]
                    batch = _picked(batch, rows)
                wheres = [f"{self.name}, row {first + i}" for i in rows]
                yield from zip(wheres, arrow.records(batch, wheres), strict=True)

    def _rows(
        self, file: ParquetFile, columns: Sequence[str], size: int, ids: Set[str] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of so many rows at most, each with the number of its first row in the file.

        Of row groups that hold none of the ids, if any are given, nothing but the ids is read.
        """
        end = 0
        for group in range(file.num_row_groups):
            first, end = end, end + file.metadata.row_group(group).num_rows
            read = partial(file.iter_batches, row_groups=[group], use_threads=False)
            try:
                if ids is not None:
                    there = (batch.column("id").to_pylist() for batch in read(columns=["id"]))
                    if ids.isdisjoint(chain.from_iterable(there)):
                        continue
                row = first
                for batch in read(size, columns=columns):
                    yield row, batch
                    row += len(batch)
            except (pa.ArrowException, OSError) as error:
                raise RecordError(
                    f"{self.name}: rows {first} to {end - 1} (row group {group}) cannot be read "
                    f"({message_of(error)})"
                ) from error

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
