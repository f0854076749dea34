"""Several files as one source: those of a folder, or of a dataset."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from neuron_eval.records import RecordError
from neuron_eval.sources.base import (
    NeuronKey,
    Placed,
    PlacedSource,
    Source,
    SourceError,
    Unreadable,
    Wanted,
)
from neuron_eval.sources.looking import folder_description
from neuron_eval.sources.opening import ENDINGS, Location, open_file, opener


class FilesSource(PlacedSource):
    """The neurons of several files, one after the other; an id may stand in one of them only."""

    repeated = "{place}: neuron {neuron}: stands in {first} too; an id may stand in one file only"

    @abstractmethod
    def files(self) -> Iterable[Source]:
        """A source a file, each opened when its turn comes."""

    def placed_keys(self) -> Iterator[tuple[str, NeuronKey]]:
        for file in self.files():
            for key in file.keys():  # noqa: SIM118
                yield file.name, key

    def placed(self, wanted: Wanted) -> Placed:
        """The rest of a file that breaks off is `Unreadable` too."""
        left = None if wanted is None else {key.id: key for key in wanted}
        for file in self.files():
            if left is not None and not left:
                return
            try:
                for neuron in file.read(None if left is None else list(left.values())):
                    if left is not None:
                        left.pop(neuron.name if isinstance(neuron, Unreadable) else neuron.id, None)
                    yield file.name, neuron
            except RecordError as error:
                yield file.name, Unreadable(file.name, error)


@dataclass(frozen=True, slots=True)
class FolderSource(FilesSource):
    """The neurons of every file directly in a folder: of the own schema, or known otherwise."""

    name: str

    def files(self) -> Iterable[Source]:
        """Every file of our endings, and those that end in .json where they hold neurons.

        Those that say what columns they have are looked at before any is read; the others are
        opened in their turn: of thousands, most may not be wanted.
        """
        try:
            inside = [
                path
                for path in Path(self.name).iterdir()
                # A link that leads nowhere stands for neurons that would be missing.
                if path.is_file() or (path.is_symlink() and not path.exists())
            ]
        except OSError as error:
            raise SourceError.of_file(self.name, error) from error
        visible = [path for path in inside if not path.name.startswith(".")]
        paths = sorted(path for path in visible if path.name.endswith(ENDINGS))
        tables = {path: open_file(str(path)) for path in paths if path.suffix == ".parquet"}
        json = (path for path in visible if path.suffix == ".json")
        paths += sorted(json, key=lambda path: by_number(path.name))
        sources = (
            tables.get(path) or open_file(str(path), beside=path.suffix == ".json")
            for path in paths
        )
        files = (source for source in sources if source)
        first = next(files, None)
        if first is None:
            raise SourceError(
                f"{self.name}: holds no file ending in {', '.join(ENDINGS)}, and no neurons in "
                f"files ending in .json; it {folder_description(Path(self.name))}"
            )
        return chain([first], files)


@opener("FOLDER", "files of this project's schema, or of the others")
def _open_folder(place: Location) -> FolderSource | None:
    return FolderSource(place.name) if place.kind == "folder" else None


def by_number(name: str) -> list[tuple[int, str]]:
    """Sorts ``batch-2.json`` before ``batch-10.json``."""
    parts = re.split(r"([0-9]{1,15})", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
