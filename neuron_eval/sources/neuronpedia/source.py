"""Neuronpedia: a feature's JSON file, or an export folder.

The file is what ``/api/feature/MODEL/SOURCE/INDEX`` answers, an object with ``modelId``, ``layer``,
``index``, ``activations`` and ``explanations``, or a list of such objects; it is read whole.
The folder is described in `neuron_eval.sources.neuronpedia.export`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.bounded import TooLong, parse_json, read_whole
from neuron_eval.ids import named
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.shown import shown
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, SourceError, Unreadable, no_scores
from neuron_eval.sources.neuronpedia.export import explanations, folders, identities, records
from neuron_eval.sources.neuronpedia.feature import (
    Explained,
    Identity,
    explained,
    feature_record,
    identity,
)

HEAD = 2**20
"""So many bytes of a file are looked at to tell whether it holds features."""

FIELDS = ("modelId", "layer", "index")


def is_neuronpedia(path: str) -> bool:
    """Whether a local path is a feature's JSON file or an export folder, by a cheap look."""
    place = Path(path)
    if place.is_dir():
        return bool(folders(place))
    if place.suffix != ".json" or not place.is_file():
        return False
    with place.open("rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] in (b"{", b"[") and all(
        re.search(rb'"%s"\s*:' % field.encode(), head) for field in FIELDS
    )


def open_neuronpedia(path: str) -> NeuronpediaSource:
    """The features of a JSON file or of an export folder.

    Raises:
        SourceError: It is neither; or the folder holds no activations.
    """
    if Path(path).is_dir():
        return NeuronpediaExport(path)
    return NeuronpediaFile(path)


class NeuronpediaSource:
    """What a file and a folder have in common: scores of explanations."""

    name: str
    """The path, as the user wrote it."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every feature, in order.

        Raises:
            SourceError: There is no such file, or it holds no features.
            RecordError: An object does not say which feature it is of.
        """
        raise NotImplementedError

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The features wanted, in order; all if None.

        Raises:
            SourceError: See `keys`.
            RecordError: A file is cut off, or an object does not say which feature it is of.
        """
        raise NotImplementedError

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Published scores, all of one kind: the one that most features have.

        A feature's score is that of its first explanation with a score of this kind.

        Raises:
            SourceError: There are no scores.
        """
        published = self._explanations()
        kind = _commonest_score(published.values())
        if kind is None:
            raise no_scores(self.name)
        for key in wanted:
            score = _score(published.get(key.id, ()), kind)
            if score is not None and key.layer >= 0 and key.neuron >= 0:
                yield ScoredNeuron(key.layer, key.neuron, *score, key.id)

    def _explanations(self) -> Mapping[str, Sequence[Explained]]:
        """Every published explanation, by the feature's id."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NeuronpediaFile(NeuronpediaSource):
    """The features of one JSON file."""

    name: str
    """The file's path, as the user wrote it."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every feature, in the file's order; see `NeuronpediaSource.keys`."""
        found = (identity(row, at).key for row, at in self._rows())
        yield from dict.fromkeys(found)

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The features wanted, in the file's order; see `NeuronpediaSource.read`."""
        ids_ = None if wanted is None else {key.id for key in wanted}
        seen: dict[str, str] = {}
        for row, at in self._rows():
            name = at
            try:
                which = identity(row, at)
                name = which.key.id
                if ids_ is not None and (name not in ids_ or name in seen):
                    continue
                if name in seen:
                    raise RecordError(f"{at}: neuron {named(name)} stands at {seen[name]} too")
                seen[name] = at
                yield _feature(which, row, at)
            except RecordError as error:
                yield Unreadable(name, error)

    def _rows(self) -> Iterator[tuple[Any, str]]:
        try:
            data = parse_json(read_whole(Path(self.name)))
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read ({error.strerror or error})") from error
        except TooLong as error:
            raise SourceError(str(error)) from error
        except ValueError as error:
            raise SourceError(f"{self.name}: not valid JSON, or cut off ({error})") from error
        if isinstance(data, list):
            return ((row, f"{self.name}, item {i}") for i, row in enumerate(data))
        return iter([(data, self.name)])

    def _explanations(self) -> Mapping[str, Sequence[Explained]]:
        rows = list(self._rows())
        return {identity(row, at).key.id: _explained(row, at) for row, at in reversed(rows)}


class NeuronpediaExport(NeuronpediaSource):
    """The features of an export folder that have activations."""

    def __init__(self, name: str) -> None:
        """Look for the files.

        Raises:
            SourceError: The folder has no activations.
        """
        self.name = name
        self._exports = folders(Path(name))
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


def _feature(which: Identity, row: Mapping[str, Any], at: str) -> NeuronRecord:
    activations = row.get("activations")
    if not isinstance(activations, list):
        raise RecordError(
            f"{at}: neuron {named(which.key.id)}: field 'activations' is {shown(activations)}; "
            "expected a list"
        )
    placed = ((item, f"{at}, activation {i}") for i, item in enumerate(activations))
    return feature_record(which, placed, _explained(row, at), at)


def _explained(row: Mapping[str, Any], at: str) -> list[Explained]:
    rows = row.get("explanations") or []
    if not isinstance(rows, list):
        raise RecordError(f"{at}: field 'explanations' is {shown(rows)}; expected a list")
    found = (explained(item, f"{at}, explanation {i}") for i, item in enumerate(rows))
    return [item for item in found if item is not None]


def _commonest_score(features: Iterable[Sequence[Explained]]) -> str | None:
    """The kind of score that most features have, the first of them in the alphabet; or None."""
    counts: Counter[str] = Counter()
    for published in features:
        counts.update({kind for item in published for kind, _ in item.scores})
    return min(counts, key=lambda kind: (-counts[kind], kind)) if counts else None


def _score(published: Iterable[Explained], kind: str) -> tuple[float, str] | None:
    for item in published:
        for found, value in item.scores:
            if found == kind:
                return value, item.reference.explanation
    return None
