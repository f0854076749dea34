"""Where the files of the ``collated-activations`` layout are: a folder, or an fsspec address.

The layout is ``collated-activations/{layer}/{neuron}.json`` and, where neurons have been
explained, ``explanations/{layer}/{neuron}.jsonl``.
"""

import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neuron_eval.files.bounded import TooLong, read_whole
from neuron_eval.messages import listed, message_of
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.looking import HEAD, names

Part = Literal["collated-activations", "explanations"]  # the two folders of the layout
RECORDS: Part = "collated-activations"  # the folder of the neurons' records
ENDINGS: dict[Part, str] = {"collated-activations": ".json", "explanations": ".jsonl"}
INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")  # a layer or a neuron, as a folder's or file's name
IN_FLIGHT = 16  # files that are read at once from anywhere but a local folder


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of the layout. Its path is made of two numbers, so it cannot lead elsewhere."""

    part: Part
    layer: int
    neuron: int

    def __post_init__(self) -> None:
        if self.part not in ENDINGS:
            raise ValueError(f"{self.part!r} is no folder of the layout")
        for value in (self.layer, self.neuron):
            if type(value) is not int or value < 0:
                raise ValueError(f"layer and neuron must be whole numbers from 0, got {value!r}")

    @property
    def path(self) -> str:
        """The path below the root, such as ``explanations/5/131.jsonl``."""
        return self.within(self.part)

    def within(self, folder: str) -> str:
        """The path in a folder that takes the part's place, such as ``records/5/131.json``."""
        return f"{folder}/{self.layer}/{self.neuron}{ENDINGS[self.part]}".lstrip("/")


Read = Callable[[Blob], bytes | None]
"""A file's content; None if it is not there. May be called from several threads.

A `RecordError` is of this file, others may be read; after a `SourceError` none can.
"""


class FileStore:
    """A local folder, or an address that fsspec knows, such as ``s3://bucket/folder``."""

    def __init__(self, address: str, records: str = RECORDS) -> None:
        """``records`` is the folder of the records; empty if that is the address itself."""
        # A local folder is read without fsspec, whose import is slow.
        self.is_local = "://" not in address
        self.address = str(Path(address)) if self.is_local else address.rstrip("/")
        self.records = records
        self.in_flight = 1 if self.is_local else IN_FLIGHT
        if not self.is_local:
            self._files, self._root = _file_system(self.address)

    def opened(self, stop: threading.Event) -> AbstractContextManager[Read]:
        return nullcontext(self.read)

    def where(self, blob: Blob) -> str:
        """The file's path or address, for messages."""
        path = blob.within(self._folder(blob.part))
        return str(Path(self.address, path)) if self.is_local else f"{self.address}/{path}"

    def layers(self, part: Part) -> list[int]:
        """The layers that a folder has, ascending; empty if there is no such folder."""
        return self._numbers(self._folder(part), "")

    def neurons(self, part: Part, layer: int) -> list[int]:
        """The neurons that a layer has files of, ascending."""
        return self._numbers(f"{self._folder(part)}/{layer}".lstrip("/"), ENDINGS[part])

    def within(self, layer: int, neuron: int) -> bool:
        """Whether there can be such a neuron."""
        return layer >= 0 and neuron >= 0

    def _folder(self, part: Part) -> str:
        return self.records if part == RECORDS else part

    def _numbers(self, folder: str, ending: str) -> list[int]:
        """The names in a folder that are numbers with this ending, as numbers, ascending."""
        try:
            if self.is_local:
                paths = list(map(str, Path(self.address, folder).iterdir()))
            else:
                with _answering(self.address):
                    paths = self._files.ls(f"{self._root}/{folder}".rstrip("/"), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        pattern = re.compile(rf"(?:.*[/\\])?({INTEGER.pattern}){re.escape(ending)}/?", re.DOTALL)
        return sorted(int(match[1]) for match in map(pattern.fullmatch, paths) if match)

    def read(self, blob: Blob) -> bytes | None:
        path = blob.within(self._folder(blob.part))
        try:
            if self.is_local:
                return read_whole(Path(self.address, path))
            with _answering(self.where(blob)):
                return bytes(self._files.cat_file(f"{self._root}/{path}"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except TooLong as error:
            raise RecordError(str(error)) from error
        except OSError as error:
            raise RecordError(f"{self.where(blob)}: {error.strerror or error}") from error


def _file_system(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        protocol = address.partition("://")[0]
        raise SourceError(
            f"{address}: cannot be opened ({message_of(error)}); {protocol}:// may need a "
            "package of its own, for instance s3fs for s3://"
        ) from error
    return files, root.rstrip("/")


@contextmanager
def _answering(address: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise SourceError(
            f"{address}: cannot be read ({type(error).__name__}: {message_of(error)}); look at the "
            "address, and at the credentials that its provider wants"
        ) from error


def holds_record(names: Collection[str]) -> bool:
    """Whether a JSON text whose fields have these names is a neuron's record."""
    there = set(names)
    return "neuron_id" in there and not there.isdisjoint(
        {"most_positive_activation_records", "random_sample"}
    )


def find_store(path: str) -> tuple[FileStore, str] | None:
    """Where the records of a folder or an address are, and the name of the folder of the model.

    It is what ``collated-activations`` is in, or that folder itself, or another one over
    ``LAYER/NEURON.json``, or a local folder that one such is in; else there is no store.
    """
    root = Path(path)
    is_local = "://" not in path
    if is_local and not root.is_dir():
        return None
    name = _last(path)
    if (store := FileStore(path)).layers(RECORDS):
        return store, name
    if name == RECORDS:
        over = str(root.parent if root.name == name else root.resolve().parent)
        over = over if is_local else path.rstrip("/").removesuffix(f"/{name}")
        if (store := FileStore(over)).layers(RECORDS):
            return store, _last(over)
    if _has_records(store := FileStore(path, "")):
        return store, name
    inner = sorted(place.name for place in root.iterdir() if place.is_dir()) if is_local else []
    holding = [store for folder in inner if _has_records(store := FileStore(path, folder))]
    if len(holding) > 1:
        raise SourceError(
            f"neurons={path}: {listed(store.records for store in holding)} hold OpenAI's records; "
            "name one of them"
        )
    return (holding[0], name) if holding else None


def _last(path: str) -> str:
    """The last folder's name."""
    return path.rstrip("/").rpartition("/")[2] if "://" in path else Path(path).resolve().name


def _has_records(store: FileStore) -> bool:
    """Whether the first ``LAYER/NEURON.json`` is one."""
    blobs = (
        Blob(RECORDS, layer, neuron)
        for layer in store.layers(RECORDS)
        for neuron in store.neurons(RECORDS, layer)
    )
    try:
        content = next(map(store.read, blobs), None)
    except RecordError:
        return False
    return content is not None and holds_record(names(content[:HEAD]))
