"""Tables of explanations from CSV, JSON Lines and Parquet; rows as samples for AdaCS alone."""

import csv
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TextIO

from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log_samples

from neuron_eval.files.bounded import TooLong, lines, parse_json
from neuron_eval.given.table import ExplanationTable, Key, TableError, TableRow, make_table
from neuron_eval.messages import message_of, replace_surrogates
from neuron_eval.records import Reference
from neuron_eval.sources.looking import head, nature, not_text, wrong_header
from neuron_eval.unrelated import Unrelated

ENDINGS = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet or .eval (a log)"


def read_table(path: str) -> ExplanationTable:
    """Read a CSV or JSON Lines file in UTF-8, perhaps gzipped, a Parquet file, or a log.

    A `TableError` says that it is no such table, or is cut off; see `make_table`.
    """
    file = Path(path).stat()
    return _read(path, (file.st_ino, file.st_size, file.st_mtime_ns))


@lru_cache(maxsize=4)
def _read(path: str, version: tuple[int, ...]) -> ExplanationTable:
    """The columns of a file are scored one by one; it is read once, as long as it is the same."""
    kind = path.removesuffix(".gz").rpartition(".")[2].lower()
    readers = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet, "eval": _log}
    if kind not in readers or path.endswith((".parquet.gz", ".eval.gz")):
        known = nature(head(path))
        it_is = f"; it is {known}" if known else ""
        raise TableError(f"{path}: expected a file that ends in {ENDINGS}{it_is}")
    with Path(path).open("rb") as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    return make_table(path, sha256, readers[kind](path))


def _csv(path: str) -> Iterator[TableRow]:
    with _text(path, newline="") as text:
        rows = csv.reader((line for _, line in lines(text, path)), strict=True)
        header: tuple[str, ...] = ()
        while True:
            where = f"{path}, line {rows.line_num + 1}"
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise TableError(f"{where}: not valid CSV, or cut off ({error})") from error
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = tuple(cells)
                if fault := wrong_header(header):
                    raise TableError(f"{path}: it {fault}")
            elif len(cells) != len(header):
                raise TableError(
                    f"{where}: {len(cells)} values, but the first line names {len(header)} "
                    "columns; a text with a comma in it stands in double quotes, and a file that "
                    "was cut off ends like this"
                )
            else:
                yield TableRow(where, header, cells)


def _jsonl(path: str) -> Iterator[TableRow]:
    with _text(path, newline="\n") as text:
        for number, line in lines(text, path):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                data = parse_json(line)
            except ValueError as error:
                raise TableError(f"{where}: not valid JSON, or cut off ({error})") from error
            if not isinstance(data, Mapping):
                raise TableError(f"{where}: is a {type(data).__name__}; expected a JSON object")
            yield TableRow(where, tuple(map(replace_surrogates, data)), tuple(data.values()))


def _parquet(path: str) -> Iterator[TableRow]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    with Path(path).open("rb") as raw:
        try:
            with pyarrow.parquet.ParquetFile(raw) as file:
                names = tuple(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=4096):
                    columns = [column.to_pylist() for column in batch.columns]
                    for cells in zip(*columns, strict=True):
                        number += 1
                        yield TableRow(f"{path}, row {number}", names, cells)
        # Some values that Parquet can hold, such as dates far away, are none that Python can.
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            message = message_of(error)
            raise TableError(f"{path}: not a Parquet file, or cut off ({message})") from error


def _log(path: str) -> Iterator[TableRow]:
    """A row per neuron of a finished log: what its first epoch explained."""
    try:
        for sample in read_eval_log_samples(
            path, all_samples_required=False, exclude_fields={"events", "store", "attachments"}
        ):
            if sample.epoch == 1:
                layer = str((sample.metadata or {}).get("layer", ""))
                cells = (str(sample.id), layer, sample.output.completion)
                yield TableRow(f"{path}, sample {sample.id}", ("id", "layer", "explanation"), cells)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise TableError(f"{path}: not a log, or cut off ({message_of(error)})") from error


@contextmanager
def _text(path: str, newline: str) -> Iterator[TextIO]:
    """The file's text; what shows only while it is read is an error that says where."""
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline=newline) as text:
            yield text
    except UnicodeDecodeError:
        with _open(path) as raw:
            raise TableError(not_text(raw, path)) from None
    except TooLong as error:
        raise TableError(str(error)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: not a gzip file, or cut off ({error})") from error


def _open(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return Path(path).open("rb")


REFERENCE = "explanation"  # the column of a file of references, if there are several
SET = "given"  # stands before layer and neuron in the samples' ids, where no model is known


def read_references(path: str) -> tuple[ExplanationTable, Mapping[Key, Reference]]:
    """The file of references and, by neuron, what it holds; see `read_table`.

    They stand in the column ``explanation``, or in the only one that holds explanations. In a
    file of puzzles with answers, these are the references.
    """
    table = read_table(path)
    column = None if len(table.columns) == 1 else REFERENCE
    texts = table.answers or table.texts[table.column(column)]
    return table, {key: Reference(text, table.name) for key, text in texts.items()}


def adacs_dataset(table: ExplanationTable, references_path: str) -> MemoryDataset:
    """One sample a row of the table, its reference as the target; so columns can be compared."""
    other, references = read_references(references_path)
    if table.by_id != other.by_id:
        first, second = ("id" if t.by_id else "layer and neuron" for t in (table, other))
        raise TableError(
            f"{table.path} tells neurons apart by {first}, but {other.path} by {second}; the two "
            "cannot be joined"
        )
    ids = {key: sample_id(key) for key in table.keys if key in references}
    if not ids:
        raise TableError(
            f"{other.path}: has a reference for none of the {len(table.keys)} neurons of "
            f"{table.path}, the first of which is {sample_id(table.keys[0])}"
        )
    unrelated = Unrelated({id_: references[key].explanation for key, id_ in ids.items()})
    samples = [_sample(key, references.get(key), unrelated) for key in table.keys]
    return MemoryDataset(samples, name=table.name)


def sample_id(key: Key) -> str:
    """The sample's id: the file's own, or for instance ``given/L5N131``."""
    return key if isinstance(key, str) else f"{SET}/L{key[0]}N{key[1]}"


def _sample(key: Key, reference: Reference | None, unrelated: Unrelated) -> Sample:
    id_ = sample_id(key)
    layer, neuron = (-1, -1) if isinstance(key, str) else key
    return Sample(
        id=id_,
        input=f"Explain {id_ if layer < 0 else f'neuron {neuron} in layer {layer}'}.",
        target=reference.explanation if reference else "",
        metadata={
            "layer": layer,
            "neuron": neuron,
            "reference_source": reference.source if reference else None,
            "unrelated_references": unrelated.of(id_),
        },
    )
