"""Reading what is wanted of a Parquet file: row groups one by one, small columns across them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence, Set
from itertools import accumulate
from typing import TYPE_CHECKING

from neuron_eval.messages import message_of
from neuron_eval.records import RecordError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

_BATCH = 64
"""Rows that are made records of at once."""

_NARROW = 4096
"""Rows that are read at once of columns without activations."""


def rows_of(
    file: ParquetFile, path: str, group: int, first: int, columns: Sequence[str]
) -> Iterator[tuple[int, pyarrow.RecordBatch]]:
    """The rows of one row group, in batches, each with the number of its first row.

    Args:
        file: An open file.
        path: What it is called, for the message.
        group: Which row group.
        first: The number of its first row in the file.
        columns: Which columns.

    Raises:
        RecordError: It cannot be read; names the rows.
    """
    import pyarrow as pa

    row = first
    try:
        for batch in file.iter_batches(
            _BATCH, row_groups=[group], columns=columns, use_threads=False
        ):
            yield row, batch
            row += len(batch)
    except (pa.ArrowException, OSError) as error:
        last = first + file.metadata.row_group(group).num_rows - 1
        raise RecordError(
            f"{path}: rows {first} to {last} (row group {group}) cannot be read "
            f"({message_of(error)})"
        ) from error


def narrow(
    file: ParquetFile, path: str, columns: Sequence[str]
) -> Iterator[tuple[int, pyarrow.RecordBatch]]:
    """Every row of columns that are small, across row groups; see `rows_of`.

    Raises:
        RecordError: They cannot be read.
    """
    import pyarrow as pa

    row = 0
    try:
        for batch in file.iter_batches(_NARROW, columns=columns, use_threads=False):
            yield row, batch
            row += len(batch)
    except (pa.ArrowException, OSError) as error:
        said = (
            f"{path}: columns {', '.join(columns)} cannot be read from row {row} on "
            f"({message_of(error)})"
        )
        raise RecordError(said) from error


def starts_of(file: ParquetFile) -> list[int]:
    """The first row of each row group."""
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    return [0, *accumulate(sizes)][:-1]


def holding(file: ParquetFile, path: str, ids: Set[str]) -> list[int]:
    """The row groups with one of these ids; reads the column id only.

    Raises:
        RecordError: It cannot be read.
    """
    starts = starts_of(file)
    rows = (
        first + i
        for first, batch in narrow(file, path, ["id"])
        for i, id_ in enumerate(batch.column("id").to_pylist())
        if id_ in ids
    )
    return sorted({bisect_right(starts, row) - 1 for row in rows})


def picked(batch: pyarrow.RecordBatch, rows: Sequence[int]) -> pyarrow.RecordBatch:
    """Some rows of a batch, by their places in it."""
    import pyarrow as pa

    # Not by `pyarrow.array`, which imports pandas, and that takes longer than the reading.
    places = pa.py_buffer(array("q", rows))
    return batch.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, places]))


def token_leaves(metadata: pyarrow.FileMetaData) -> list[str]:
    """The leaves that hold tokens, by Parquet's names; they are read as words and numbers."""
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    return [
        leaf.path
        for leaf in leaves
        if leaf.path.startswith(("top.", "random."))
        and "tokens" in leaf.path.split(".")
        and leaf.physical_type == "BYTE_ARRAY"
    ]
