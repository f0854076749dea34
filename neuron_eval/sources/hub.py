"""A dataset of the Hugging Face Hub in the project's own schema: ``hub:ORG/NAME[:SPLIT]``.

`datasets` finds out which files a split has; they are streamed, by the same code as local ones,
so that a bad row is named and a chosen one is read with its row group alone. Nothing is run that
a dataset brings along, and no file is opened outside its own repository.

Known gap: listing the neurons of a Parquet file takes a request for each row group, some seconds
for ten thousand neurons.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from neuron_eval.files.bounded import YAML_FILE as YAML
from neuron_eval.files.bounded import load_yaml, read_whole
from neuron_eval.messages import listed, shown
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
from neuron_eval.sources.folder import ENDINGS
from neuron_eval.sources.hub_file import HubFile, said
from neuron_eval.sources.jsonl import JsonlSource
from neuron_eval.sources.parquet import ParquetSource

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem

_NAME = re.compile(r"hub:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?", re.ASCII)

_CARDS = ("README.md", ".huggingface.yaml")
"""Where a dataset says which files it consists of."""

_CHUNK = 1 << 18
"""Bytes that are read at once at least, from a file of lines."""


class HubSource:
    """The neurons of one split of a dataset."""

    def __init__(self, name: str) -> None:
        """Take the name apart; nothing is asked of the network before neurons are.

        Args:
            name: ``hub:ORG/NAME`` or ``hub:ORG/NAME:SPLIT``; without a split it is ``train``.

        Raises:
            SourceError: It is not of that form.
        """
        match = _NAME.fullmatch(name)
        if match is None or ".." in name:
            raise SourceError(f"neurons={name}: expected hub:ORG/NAME or hub:ORG/NAME:SPLIT")
        self.name = name
        self._repository = match[1]
        self._split = match[2] or "train"
        self._found: FileSet | None = None

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, file by file; from Parquet no activations are read.

        Raises:
            SourceError: There is no such dataset or split, or it cannot be reached or read.
            RecordError: A record's identity cannot be read, an id stands twice, or a file breaks
                off.
        """
        yield from self._files().keys()

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The neurons wanted, file by file; all if None.

        Raises:
            SourceError: There is no such dataset or split, or it cannot be reached or read.
        """
        yield from self._files().read(wanted)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)

    def _files(self) -> FileSet:
        """The split's files, each to be opened over the network when its turn comes."""
        if self._found is None:
            from huggingface_hub import HfFileSystem

            paths = _split_files(self.name, self._repository, self._split)
            system = HfFileSystem()
            self._found = FileSet(self.name, [_file(system, path) for path in paths])
        return self._found


def _split_files(name: str, repository: str, split: str) -> list[str]:
    """The addresses of a split's files, all within the repository."""
    from datasets import load_dataset_builder
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    if Path(repository).is_dir():
        # `datasets` would read that one.
        raise SourceError(
            f"neurons={name}: there is a folder {repository} here; to read it write "
            f"neurons={repository}, to read the dataset work in another folder"
        )
    try:
        _check_cards(name, repository)
        builder = load_dataset_builder(repository)
    except SourceError:
        raise
    except RepositoryNotFoundError as error:
        raise SourceError(
            f"neurons={name}: there is no dataset {repository}, or it is private and HF_TOKEN is "
            "not that of somebody who may read it"
        ) from error
    except LocalEntryNotFoundError as error:
        raise SourceError(
            f"neurons={name}: the hub cannot be reached ({said(error.__cause__ or error)}); a "
            "copy of the dataset on this machine is read with neurons=FOLDER"
        ) from error
    except Exception as error:  # of three HTTP libraries, by the version of huggingface_hub
        raise SourceError(f"neurons={name}: {said(error)}") from error
    splits = {str(key): list(files) for key, files in (builder.config.data_files or {}).items()}
    if split not in splits:
        raise SourceError(
            f"neurons={name}: the dataset has no split {split!r}; it has "
            f"{listed(splits, quoted=False)}"
        )
    for path in splits[split]:
        if not path.startswith(f"hf://datasets/{repository}@") or "::" in path:
            raise SourceError(f"neurons={name}: {path} is not a file of the dataset itself")
        if not path.endswith(ENDINGS):
            raise SourceError(f"neurons={name}: {path} does not end in {', '.join(ENDINGS)}")
    return splits[split]


def _check_cards(name: str, repository: str) -> None:
    """Refuse a dataset whose card names files that are not its own, before they are asked for."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for card in _CARDS:
        try:
            path = hf_hub_download(repository, card, repo_type="dataset")
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            continue
        text = _text(Path(path), f"neurons={name}: {card}")
        if card.endswith(".md"):
            text = text.split("---", 2)[1] if text.lstrip().startswith("---") else ""
        try:
            data = load_yaml(text)
        except ValueError as error:
            raise SourceError(f"neurons={name}: {card}: {error}") from error
        for value in _strings(data.get("configs") if isinstance(data, dict) else None):
            if ":" in value or value.startswith(("/", "\\", "~")) or ".." in value:
                raise SourceError(
                    f"neurons={name}: {card} names {shown(value)}, which is not a file of the "
                    "dataset"
                )


def _text(path: Path, at: str) -> str:
    try:
        return read_whole(path, YAML).decode()
    except ValueError as error:
        raise SourceError(f"{at} cannot be read ({error})") from error


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def _file(system: HfFileSystem, path: str) -> Source:
    if path.endswith(".parquet"):
        # Ranges are asked for as Arrow needs them; whatever else were read would be thrown away.
        return ParquetSource(path, lambda: _binary(HubFile(system, path, cache_type="none")))
    return JsonlSource(
        path, lambda: _binary(io.BufferedReader(HubFile(system, path, block_size=0), _CHUNK))
    )


def _binary(file: io.IOBase) -> IO[bytes]:
    return cast("IO[bytes]", file)
