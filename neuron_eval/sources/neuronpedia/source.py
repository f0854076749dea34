"""Neuronpedia: an export folder, or a file of features (`neuron_eval.sources.neuronpedia.file`).

The folder is described in `neuron_eval.sources.neuronpedia.export`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.ids import named
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.looking import head, names
from neuron_eval.sources.neuronpedia.export import (
    Export,
    explanations,
    folders,
    identities,
    records,
)
from neuron_eval.sources.neuronpedia.feature import FIELDS, Explained, feature_record
from neuron_eval.sources.neuronpedia.file import NeuronpediaFile
from neuron_eval.sources.neuronpedia.published import NeuronpediaSource


def holds_features(names: Collection[str]) -> bool:
    """Whether a JSON text whose fields have these names is a feature, some, or a batch of them."""
    there = set(names)
    is_batch = "features" in there and not there.isdisjoint({"model_id", "feature_index"})
    return there.issuperset(FIELDS) or is_batch


def is_neuronpedia(path: str) -> bool:
    """Whether a local path is a features' JSON file or an export folder, by a cheap look."""
    place = Path(path)
    if place.is_dir():
        return bool(folders(place))
    return place.suffix == ".json" and place.is_file() and holds_features(names(head(path)))


def open_neuronpedia(path: str) -> NeuronpediaSource:
    """The features of a JSON file or of an export folder.

    Raises:
        SourceError: It is neither; or the folder holds no activations.
    """
    if Path(path).is_dir():
        return NeuronpediaExport(path, folders(Path(path)))
    return NeuronpediaFile(path)


def open_feature_lines(path: str, first: Collection[str]) -> NeuronpediaSource | None:
    """The features of a file with an object a line; None if it has none with activations.

    Args:
        path: The file, which ends in ``.jsonl`` or ``.jsonl.gz``.
        first: The names of the fields in its first line.
    """
    if not holds_features(first):
        return None
    if not {"activations", "features"}.isdisjoint(first):
        return NeuronpediaFile(path)
    if {"tokens", "values"} <= set(first):
        return NeuronpediaExport(path, [Export((Path(path),), ())])
    return None


class NeuronpediaExport(NeuronpediaSource):
    """The features of an export folder that have activations."""

    def __init__(self, name: str, exports: Sequence[Export]) -> None:
        """Nothing is read yet.

        Args:
            name: The path, as the user wrote it.
            exports: The files.

        Raises:
            SourceError: There are no activations among them.
        """
        self.name = name
        self._exports = exports
        self._batches = [batch for export in self._exports for batch in export.activations]
        self._ids: dict[Path, frozenset[str]] = {}
        if not self._batches:
            raise SourceError(
                f"neurons={name}: holds no activations/batch-N.jsonl.gz or .jsonl, nor does a "
                "folder in it; an export of Neuronpedia has the folders features, activations "
                "and explanations"
            )

    def keys(self) -> Iterator[NeuronKey]:
        """Every feature with activations, in the order of the batches and of their lines."""
        seen: set[NeuronKey] = set()
        for batch in self._batches:
            found = [which.key for which in identities(batch)]
            self._ids[batch] = frozenset(key.id for key in found)
            yield from (key for key in found if key not in seen)
            seen.update(found)

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The features wanted, batch by batch; see `NeuronpediaSource.read`.

        Batches that `keys` has shown to hold none of them are not opened again.
        """
        ids = None if wanted is None else frozenset(key.id for key in wanted)
        published = explanations(self._exports, ids)
        seen: dict[str, Path] = {}
        for batch in self._batches:
            if ids is not None and not (self._ids.get(batch, ids) & ids):
                continue
            for which, rows in records(batch, ids):
                id_ = which.key.id
                if id_ in seen and ids is not None:
                    continue
                try:
                    if id_ in seen:
                        raise RecordError(f"{batch}: neuron {named(id_)} stands in {seen[id_]} too")
                    seen[id_] = batch
                    yield feature_record(which, rows, published.get(id_, ()), str(batch))
                except RecordError as error:
                    yield Unreadable(id_, error)

    def _explanations(self) -> Mapping[str, Sequence[Explained]]:
        return explanations(self._exports, None)
