"""Where the text comes from: files, or a dataset."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.messages import listed, message_of, shown
from neuron_eval.recording.errors import RecordingError

LOADERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
"""File endings that `datasets` reads, and its name for them."""


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset as given by ``NAME[:SPLIT[:COLUMN]]``."""

    name: str
    """A name on the hub, a folder, or a file."""

    split: str = "train"
    """The split."""

    column: str = "text"
    """The column that holds the text."""


def parse_dataset(spec: str) -> DatasetName:
    """Read ``NAME[:SPLIT[:COLUMN]]``.

    Raises:
        RecordingError: It has another form.
    """
    parts = spec.split(":")
    if len(parts) > 3 or not all(parts):
        raise RecordingError(
            f"--dataset {shown(spec)}: expected NAME, NAME:SPLIT or NAME:SPLIT:COLUMN, for "
            "instance "
            "roneneldan/TinyStories:train:text"
        )
    return DatasetName(*parts)


def read_files(paths: Sequence[Path]) -> Iterator[str]:
    """The files, each as one text.

    Raises:
        RecordingError: A file is not UTF-8.
    """
    for path in paths:
        try:
            yield path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecordingError(f"{path}: not UTF-8 text ({error})") from error


def read_dataset(dataset: DatasetName, config: str | None = None) -> Iterator[str]:
    """The rows of a dataset, streamed, each as one text; empty ones are passed over.

    Args:
        dataset: What to read.
        config: The dataset's configuration, if it has several.

    Raises:
        RecordingError: The dataset cannot be read, or the column does not hold text.
    """
    where = f"--dataset {dataset.name}:{dataset.split}:{dataset.column}"
    rows = iter(_open(dataset, config, where))
    number = -1
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # whatever the reader of the format raises
            raise RecordingError(f"{where}: after row {number}: {message_of(error)}") from error
        if row is None:
            return
        number += 1
        if dataset.column not in row:
            raise RecordingError(
                f"{where}: row {number}: no column {dataset.column!r}; there are {listed(row)}"
            )
        text = row[dataset.column]
        if text is not None and not isinstance(text, str):
            raise RecordingError(
                f"{where}: row {number}: column {dataset.column!r} holds {shown(text)}, not text"
            )
        if text:
            yield text


def _open(dataset: DatasetName, config: str | None, where: str) -> Any:
    datasets: Any = importlib.import_module("datasets")
    path = Path(dataset.name)
    named: dict[str, Any] = {"path": dataset.name, "name": config}
    if path.is_file():
        if path.suffix not in LOADERS:
            raise RecordingError(
                f"{where}: a dataset file must end in {', '.join(LOADERS)}; for plain text use "
                "--text"
            )
        named = {"path": LOADERS[path.suffix], "name": config, "data_files": dataset.name}
    try:
        return datasets.load_dataset(**named, split=dataset.split, streaming=True)
    except Exception as error:  # datasets raises errors of many kinds, and none in common
        raise RecordingError(f"{where}: cannot be opened: {message_of(error)}") from error
