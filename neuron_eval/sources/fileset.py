"""Several files of the project's own schema as one source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.checks import named
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, Source, Unreadable, no_scores


@dataclass(frozen=True, slots=True)
class FileSet:
    """The neurons of several files, one after the other; an id may stand in one of them only."""

    name: str
    """What the user wrote."""

    files: Iterable[Source]
    """A source a file; gone through once by each of the methods."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, file by file.

        Raises:
            SourceError: A file cannot be read.
            RecordError: A record's identity cannot be read, an id stands twice, or a file breaks
                off.
        """
        seen: dict[str, str] = {}
        for file in self.files:
            for key in file.keys():  # noqa: SIM118
                if error := _repeated(key.id, seen, file.name):
                    raise error
                yield key

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The neurons wanted, file by file; all if None.

        A bad record is `Unreadable`, and so is the rest of a file that breaks off.

        Raises:
            SourceError: A file cannot be read.
        """
        seen: dict[str, str] = {}
        left = None if wanted is None else {key.id: key for key in wanted}
        for file in self.files:
            if left is not None and not left:
                return
            try:
                for found in file.read(None if left is None else list(left.values())):
                    id_ = found.name if isinstance(found, Unreadable) else found.id
                    if left is not None:
                        left.pop(id_, None)
                    error = _repeated(id_, seen, file.name)
                    yield found if error is None else Unreadable(id_, error)
            except RecordError as error:
                yield Unreadable(file.name, error)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)


def _repeated(id_: str, seen: dict[str, str], file: str) -> RecordError | None:
    first = seen.setdefault(id_, file)
    if first == file:
        return None
    return RecordError(
        f"{file}: neuron {named(id_)}: stands in {first} too; an id may stand in one file only"
    )
