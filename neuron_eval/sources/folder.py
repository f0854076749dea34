"""A folder of files in the project's own schema, read one after the other, sorted by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.base import (
    NeuronKey,
    ScoredNeuron,
    Source,
    SourceError,
    Unreadable,
    no_scores,
)
from neuron_eval.sources.fileset import FileSet
from neuron_eval.sources.jsonl import JsonlSource
from neuron_eval.sources.parquet import ParquetSource

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
"""The files that are read; others in the folder, and hidden ones, are left alone."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The neurons of every file directly in a folder; see `neuron_eval.sources.fileset.FileSet`."""

    name: str
    """The folder's path, as the user wrote it."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, file by file; from Parquet no activations are read.

        Raises:
            SourceError: A file cannot be read, or there is none.
            RecordError: A record's identity cannot be read, an id stands twice, or a file breaks
                off.
        """
        yield from self._files().keys()

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The neurons wanted, file by file; all if None.

        Raises:
            SourceError: A file cannot be read, or there is none.
        """
        yield from self._files().read(wanted)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)

    def _files(self) -> FileSet:
        """Every file; those that say what columns they have are looked at before any is read."""
        try:
            found = sorted(path for path in Path(self.name).iterdir() if path.is_file())
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read ({error.strerror or error})") from error
        paths = [p for p in found if p.name.endswith(ENDINGS) and not p.name.startswith(".")]
        if not paths:
            raise SourceError(f"{self.name}: holds no file ending in {', '.join(ENDINGS)}")
        files: list[Source] = []
        for path in map(str, paths):
            if path.endswith(".parquet"):
                parquet = ParquetSource(path)
                parquet.check()
                files.append(parquet)
            else:
                files.append(JsonlSource(path))
        return FileSet(self.name, files)
