"""A dataset of the Hugging Face Hub in the project's own schema: ``hub:ORG/NAME[:SPLIT]``.

`datasets` finds out which files a split has; they are streamed, by the same code as local ones,
so that a bad row is named and a chosen one is read with its row group alone. Nothing is run that
a dataset brings along, and no file is opened outside its own repository.

Known gap: listing the neurons of a Parquet file takes a request for each row group, some seconds
for ten thousand neurons.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import load_dataset_builder
from huggingface_hub import HfFileSystem, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from neuron_eval.files.bounded import YAML_FILE, TooLong, load_yaml, read_whole
from neuron_eval.messages import ERROR, listed, shortened, shown
from neuron_eval.sources.base import Source, SourceError
from neuron_eval.sources.folder import FilesSource
from neuron_eval.sources.opening import ENDINGS
from neuron_eval.sources.parquet import ParquetSource
from neuron_eval.sources.schema import JsonlSource

_NAME = re.compile(r"hub:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?", re.ASCII)
_CARDS = ("README.md", ".huggingface.yaml")  # where a dataset says which files it consists of
_CHUNK = 1 << 18  # bytes that are read at once at least, from a file of lines


class HubSource(FilesSource):
    """The neurons of one split of a dataset; without one in the name it is ``train``."""

    def __init__(self, name: str) -> None:
        """Take the name apart; nothing is asked of the network before neurons are."""
        match = _NAME.fullmatch(name)
        if match is None or ".." in name:
            raise SourceError(f"neurons={name}: expected hub:ORG/NAME or hub:ORG/NAME:SPLIT")
        self.name = name
        self._repository = match[1]
        self._split = match[2] or "train"
        self._files: list[Source] | None = None

    def files(self) -> list[Source]:
        """The split's files, each to be opened over the network when its turn comes."""
        if self._files is None:
            paths = _split_files(self.name, self._repository, self._split)
            system = HfFileSystem()
            self._files = [_file(system, path) for path in paths]
        return self._files


def _split_files(name: str, repository: str, split: str) -> list[str]:
    """The addresses of a split's files, all within the repository."""
    if Path(repository).is_dir():
        # `datasets` would read that one.
        raise SourceError(
            f"neurons={name}: there is a folder {repository} here; to read it write "
            f"neurons={repository}, to read the dataset work in another folder"
        )
    try:
        _check_cards(name, repository)
        builder = load_dataset_builder(repository)
    except RepositoryNotFoundError as error:
        raise SourceError(
            f"neurons={name}: there is no dataset {repository}, or it is private and HF_TOKEN is "
            "not that of somebody who may read it"
        ) from error
    except LocalEntryNotFoundError as error:
        raise SourceError(
            f"neurons={name}: the hub cannot be reached ({_first_line(error.__cause__ or error)}); "
            "a copy of the dataset on this machine is read with neurons=FOLDER"
        ) from error
    except Exception as error:  # of three HTTP libraries, by the version of huggingface_hub
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"neurons={name}: {_first_line(error)}") from error
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
    for card in _CARDS:
        try:
            path = hf_hub_download(repository, card, repo_type="dataset")
            text = read_whole(Path(path), YAML_FILE).decode()
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            continue
        except (TooLong, UnicodeDecodeError) as error:
            raise SourceError(f"neurons={name}: {card} cannot be read ({error})") from error
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


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _strings(value)


def _file(system: HfFileSystem, path: str) -> Source:
    if path.endswith(".parquet"):
        # In ranges, as Arrow needs them; whatever else were read would be thrown away.
        return ParquetSource(path, lambda: _opened(system, path, cache_type="none"))
    return JsonlSource(path, lambda: io.BufferedReader(_opened(system, path, block_size=0), _CHUNK))


def _opened(system: HfFileSystem, path: str, **options: Any) -> Any:
    """A file opened over the network, whose faults are the `OSError` of any file."""
    with _as_os_error():
        file: Any = system.open(path, "rb", **options)
    file.read = _as_os_error()(file.read)  # which whatever else reads of it calls
    return file


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of three HTTP libraries, by the version of huggingface_hub
        raise OSError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return shortened(lines[0], ERROR) if lines else type(error).__name__
