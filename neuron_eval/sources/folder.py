"""A folder of files, read one after the other: in the project's own schema, or known otherwise."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
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
from neuron_eval.sources.local import open_file, open_if_known
from neuron_eval.sources.looking import folder_description
from neuron_eval.sources.parquet import ParquetSource

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
"""The files that are read, and those that end in .json where they hold neurons; others in the
folder, and hidden ones, are left alone."""


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
        """Every file; those that say what columns they have are looked at before any is read.

        The others are opened in their turn: of thousands, most may not be wanted.
        """
        try:
            found = [path for path in Path(self.name).iterdir() if path.is_file() or _dangles(path)]
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read ({error.strerror or error})") from error
        shown = [path for path in found if not path.name.startswith(".")]
        paths = sorted(path for path in shown if path.name.endswith(ENDINGS))
        tables = {path: _checked(str(path)) for path in paths if path.suffix == ".parquet"}
        paths += sorted((path for path in shown if path.suffix == ".json"), key=_numbered)
        files = (file for path in paths if (file := tables.get(path) or _opened(str(path))))
        first = next(files, None)
        if first is None:
            raise SourceError(
                f"{self.name}: holds no file ending in {', '.join(ENDINGS)}, and no neurons in "
                f"files ending in .json; it {folder_description(Path(self.name))}"
            )
        return FileSet(self.name, chain([first], files))


def _dangles(path: Path) -> bool:
    """Whether it is a link that leads nowhere: it stands for neurons that would be missing."""
    return path.is_symlink() and not path.exists()


def _opened(path: str) -> Source | None:
    return open_if_known(path) if path.endswith(".json") else open_file(path)


def _checked(path: str) -> Source:
    source = open_file(path)
    if isinstance(source, ParquetSource):
        source.check()
    return source


def _numbered(path: Path) -> list[tuple[int, str]]:
    """``batch-2.json`` before ``batch-10.json``."""
    parts = re.split(r"([0-9]{1,15})", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
