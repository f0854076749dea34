"""Where the files of the ``collated-activations`` layout are: a folder, or an fsspec address.

The layout is ``collated-activations/{layer}/{neuron}.json`` and, where neurons have been
explained, ``explanations/{layer}/{neuron}.jsonl``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from neuron_eval.files.bounded import TooLong, read_whole
from neuron_eval.messages import listed, message_of
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.looking import HEAD, names

Part = Literal["collated-activations", "explanations"]
"""The two folders of the layout."""

RECORDS: Part = "collated-activations"
"""The folder of the neurons' records."""

ENDINGS: dict[Part, str] = {"collated-activations": ".json", "explanations": ".jsonl"}
"""How the files of each folder end."""

INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")
"""How a layer or a neuron is written as the name of a folder or file."""

IN_FLIGHT = 16
"""Files that are read at once from anywhere but a local folder."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of the layout. Its path is made of two numbers, so it cannot lead elsewhere."""

    part: Part
    """Which folder."""

    layer: int
    """The layer, from 0."""

    neuron: int
    """The index within the layer, from 0."""

    def __post_init__(self) -> None:
        """Refuse everything that is not two numbers.

        Raises:
            ValueError: The folder is not of the layout, or a number is none.
        """
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

Raises:
    RecordError: This file cannot be read; others may.
    SourceError: Nothing can be read.
"""


class Store(Protocol):
    """A place that holds the layout."""

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        ...

    @property
    def in_flight(self) -> int:
        """How many files are best read at once."""
        ...

    def opened(self, stop: threading.Event) -> AbstractContextManager[Read]:
        """Open the place for reading; ``stop`` ends what is being waited for."""
        ...

    def where(self, blob: Blob) -> str:
        """Where a file is, for messages."""
        ...

    def layers(self, part: Part) -> Sequence[int]:
        """The layers that a folder has, ascending; empty if there is no such folder."""
        ...

    def neurons(self, part: Part, layer: int) -> Sequence[int]:
        """The neurons that a layer has files of, ascending."""
        ...

    def within(self, layer: int, neuron: int) -> bool:
        """Whether there can be such a neuron; cheap."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder of this machine."""

    root: Path
    """The folder that ``collated-activations`` is in."""

    records: str = RECORDS
    """The folder's name in it, where it has another one; empty for the root itself."""

    in_flight: int = 1

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.root)

    @contextmanager
    def opened(self, stop: threading.Event) -> Iterator[Read]:
        """Nothing is to be opened."""
        yield self._read

    def where(self, blob: Blob) -> str:
        """The file's path."""
        return str(self._path(blob))

    def layers(self, part: Part) -> list[int]:
        """Listed."""
        folder = self.root / _folder(part, self.records)
        return _numbers(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def neurons(self, part: Part, layer: int) -> list[int]:
        """Listed."""
        folder = self.root / _folder(part, self.records) / str(layer)
        names = (p.name for p in folder.iterdir()) if folder.is_dir() else iter(())
        return _numbers(names, ENDINGS[part])

    def within(self, layer: int, neuron: int) -> bool:
        """Anything can be there."""
        return True

    def _path(self, blob: Blob) -> Path:
        return self.root / blob.within(_folder(blob.part, self.records))

    def _read(self, blob: Blob) -> bytes | None:
        try:
            return read_whole(self._path(blob))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except TooLong as error:
            raise RecordError(str(error)) from error
        except OSError as error:
            raise RecordError(f"{self.where(blob)}: {error.strerror or error}") from error


class FsspecStore:
    """An address that fsspec knows, such as ``s3://bucket/folder``."""

    def __init__(self, address: str, records: str = RECORDS, in_flight: int = IN_FLIGHT) -> None:
        """Find the file system; nothing is read yet.

        Args:
            address: Protocol, ``://`` and path.
            records: See `FolderStore.records`.
            in_flight: How many files to read at once.

        Raises:
            SourceError: No such protocol, or what speaks it is not installed.
        """
        import fsspec

        self.address = address.rstrip("/")
        self.records = records
        self.in_flight = in_flight
        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            protocol = self.address.partition("://")[0]
            raise SourceError(
                f"{self.address}: cannot be opened ({message_of(error)}); {protocol}:// may need a "
                "package of its own, for instance s3fs for s3://"
            ) from error
        self._files, self._root = found[0], found[1].rstrip("/")

    @contextmanager
    def opened(self, stop: threading.Event) -> Iterator[Read]:
        """The file system is open already."""
        yield self._read

    def where(self, blob: Blob) -> str:
        """The file's address."""
        return f"{self.address}/{self._path(blob)}"

    def layers(self, part: Part) -> list[int]:
        """Listed."""
        return _numbers(self._names(_folder(part, self.records)))

    def neurons(self, part: Part, layer: int) -> list[int]:
        """Listed."""
        folder = f"{_folder(part, self.records)}/{layer}".lstrip("/")
        return _numbers(self._names(folder), ENDINGS[part])

    def within(self, layer: int, neuron: int) -> bool:
        """Anything can be there."""
        return True

    def _path(self, blob: Blob) -> str:
        return blob.within(_folder(blob.part, self.records))

    def _names(self, folder: str) -> list[str]:
        with _answering(self.address):
            try:
                listed = self._files.ls(f"{self._root}/{folder}".rstrip("/"), detail=False)
            except FileNotFoundError:
                return []
        return [str(path).rstrip("/").rpartition("/")[2] for path in listed]

    def _read(self, blob: Blob) -> bytes | None:
        with _answering(self.where(blob)):
            try:
                return bytes(self._files.cat_file(f"{self._root}/{self._path(blob)}"))
            except FileNotFoundError:
                return None


@contextmanager
def _answering(address: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each file system has errors of its own
        raise SourceError(
            f"{address}: cannot be read ({type(error).__name__}: {message_of(error)}); look at the "
            "address, and at the credentials that its provider wants"
        ) from error


def _folder(part: Part, records: str) -> str:
    """What a part of the layout is called, where that of the records is called so."""
    return records if part == RECORDS else part


def _numbers(names: Iterable[str], ending: str = "") -> list[int]:
    """The names that are numbers with this ending, as numbers, ascending."""
    stems = (name.removesuffix(ending) for name in names if name.endswith(ending))
    return sorted(int(stem) for stem in stems if INTEGER.fullmatch(stem))


def holds_record(names: Collection[str]) -> bool:
    """Whether a JSON text whose fields have these names is a neuron's record."""
    there = set(names)
    return "neuron_id" in there and not there.isdisjoint(
        {"most_positive_activation_records", "random_sample"}
    )


def find_store(path: str) -> tuple[Store, str] | None:
    """Where the records of a folder or of an fsspec address are.

    Args:
        path: What ``collated-activations`` is in, or that folder itself, or another one over
            ``LAYER/NEURON.json``; or a local folder that one such is in.

    Returns:
        The store, and the name of the folder that stands for the model; None if there are no
        such files.

    Raises:
        SourceError: The address cannot be read, or several folders hold records.
    """
    if "://" in path:
        return _remote(path.rstrip("/"))
    root = Path(path)
    if not root.is_dir():
        return None
    if _has_layers(FolderStore(root)):
        return FolderStore(root), root.resolve().name
    if root.resolve().name == RECORDS and _has_layers(FolderStore(root, "")):
        parent = root.parent if root.name == RECORDS else root.resolve().parent
        return FolderStore(parent), parent.resolve().name
    if _has_records(store := FolderStore(root, "")):
        return store, root.resolve().name
    inner = [FolderStore(root, place.name) for place in sorted(root.iterdir()) if place.is_dir()]
    holding = [store for store in inner if _has_records(store)]
    if len(holding) > 1:
        raise SourceError(
            f"neurons={path}: {listed(store.records for store in holding)} hold OpenAI's records; "
            "name one of them"
        )
    return (holding[0], root.resolve().name) if holding else None


def _remote(address: str) -> tuple[Store, str] | None:
    over, _, last = address.rpartition("/")
    if _has_layers(store := FsspecStore(address)):
        return store, last
    if last == RECORDS and _has_layers(store := FsspecStore(over)):
        return store, over.rpartition("/")[2]
    return (store, last) if _has_records(store := FsspecStore(address, "")) else None


def _has_layers(store: Store) -> bool:
    return bool(store.layers(RECORDS))


def _has_records(store: Store) -> bool:
    """Whether the first ``LAYER/NEURON.json`` is one."""
    for layer in store.layers(RECORDS):
        for neuron in store.neurons(RECORDS, layer):
            with store.opened(threading.Event()) as read:
                try:
                    return holds_record(names((read(Blob(RECORDS, layer, neuron)) or b"")[:HEAD]))
                except RecordError:
                    return False
    return False
