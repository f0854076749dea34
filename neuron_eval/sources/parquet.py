"""Files of the project's own schema in Parquet: a column a field, a row a neuron.

Rows are counted from 0, as pandas does. Neurons that were chosen are read with the others of
their row group and with no more; files written here have small ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_eval.files.locking import unfinished
from neuron_eval.messages import message_of, shown
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.sources import decoding
from neuron_eval.sources.base import (
    NeuronKey,
    ScoredNeuron,
    SourceError,
    Unreadable,
    no_scores,
)
from neuron_eval.sources.columns import arrow_schema, known, wrong_columns
from neuron_eval.sources.encoding import batches
from neuron_eval.sources.jsonl import Opener
from neuron_eval.sources.objects import KEY
from neuron_eval.sources.row_groups import holding, narrow, picked, rows_of, starts_of, token_leaves

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BUFFER = 1 << 20
"""Bytes of a column that are in memory at once, where a row group is larger."""


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """The neurons of one file, read row group by row group."""

    name: str
    """The file's path, as the user wrote it."""

    open: Opener | None = None
    """Opens the file, where it is not a local one; a row group is then fetched at once."""

    def check(self) -> None:
        """Open the file and look at its columns; reads no rows.

        Raises:
            SourceError: It is no whole Parquet file, or lacks columns of the schema.
        """
        with self._opened():
            pass

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, in the file's order; reads the columns id, layer and neuron only.

        Raises:
            SourceError: It is no whole Parquet file, or lacks columns of the schema.
            RecordError: One of the three is null, or an id stands in two rows.
        """
        seen: dict[str, int] = {}
        with self._opened() as file:
            for first, batch in narrow(file, self.name, KEY):
                rows = range(first, first + len(batch))
                wheres = [_where(self.name, row) for row in rows]
                for row, found in zip(rows, decoding.keys(batch, wheres), strict=True):
                    if error := _repeated(found.id, seen, row, wheres[row - first]):
                        raise error
                    yield found

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The neurons wanted, in the file's order; all if None. A bad row is `Unreadable`.

        Raises:
            SourceError: It is no whole Parquet file, or lacks columns of the schema.
            RecordError: A row group cannot be read.
        """
        seen: dict[str, int] = {}
        with self._opened() as file:
            columns, starts = known(file.schema_arrow.names), starts_of(file)
            ids = None if wanted is None else {key.id for key in wanted}
            groups = range(len(starts)) if ids is None else holding(file, self.name, ids)
            for first, batch in chain.from_iterable(
                rows_of(file, self.name, group, starts[group], columns) for group in groups
            ):
                rows: Sequence[int] = range(first, first + len(batch))
                if ids is not None:
                    at = [i for i, id_ in enumerate(batch.column("id").to_pylist()) if id_ in ids]
                    batch, rows = picked(batch, at), [first + i for i in at]
                wheres = [_where(self.name, row) for row in rows]
                for row, where, found in zip(
                    rows, wheres, decoding.records(batch, wheres), strict=True
                ):
                    id_ = found.name if isinstance(found, Unreadable) else found.id
                    error = _repeated(id_, seen, row, where)
                    yield found if error is None else Unreadable(id_, error)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)

    @contextmanager
    def _opened(self) -> Iterator[ParquetFile]:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile, read_metadata

        try:
            # An open file instead of a path, which Arrow would take for a URL if it looks like one.
            with self.open() if self.open else pa.OSFile(self.name) as raw:
                metadata = read_metadata(raw)
                file = ParquetFile(
                    raw,
                    metadata=metadata,
                    read_dictionary=token_leaves(metadata),
                    pre_buffer=self.open is not None,
                    buffer_size=0 if self.open else _BUFFER,
                    page_checksum_verification=True,
                )
                if faults := wrong_columns(file.schema_arrow):
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
    """Write neurons to a file; nothing appears before all is written.

    Args:
        path: The file.
        neurons: Taken one at a time; a row group's worth is in memory.

    Returns:
        How many were written.

    Raises:
        RecordError: A neuron holds what Parquet cannot.
    """
    from pyarrow.parquet import ParquetWriter

    count = 0
    with (
        unfinished(path) as beside,
        ParquetWriter(
            str(beside),
            arrow_schema(),
            compression="zstd",
            # Of other columns nobody asks for the range, and the footer is read every time.
            write_statistics=list(KEY),
            write_page_checksum=True,
        ) as writer,
    ):
        for batch in batches(neurons):
            writer.write_batch(batch, row_group_size=max(1, len(batch)))
            count += len(batch)
    return count


def _where(path: str, row: int) -> str:
    return f"{path}, row {row}"


def _repeated(id_: str, seen: dict[str, int], row: int, where: str) -> RecordError | None:
    first = seen.setdefault(id_, row)
    if first == row:
        return None
    return RecordError(
        f"{where}: column 'id': {shown(id_)} stands in row {first} too; ids must be unique"
    )
