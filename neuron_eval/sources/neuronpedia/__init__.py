"""Neuronpedia: an export folder (`neuron_eval.sources.neuronpedia.export`) or a features file.

A feature is what ``/api/feature/MODEL/SOURCE/INDEX`` answers, an object with ``modelId``,
``layer``, ``index``, ``activations`` and ``explanations``. A batch is what SAEDashboard writes for
Neuronpedia (``batch-N.json``), an object with ``model_id``, ``layer``, ``sae_set`` and
``features``. A file holds a feature, a list of them or a batch and is read whole, unless it ends
in ``.jsonl`` or ``.jsonl.gz`` and has one such object a line.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from neuron_eval.files.bounded import parse_json
from neuron_eval.messages import shown
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.checks import named
from neuron_eval.sources.base import (
    NeuronKey,
    Neurons,
    ScoredNeuron,
    Source,
    SourceError,
    Unreadable,
    Wanted,
    ids_of,
    parsed,
    read_file,
)
from neuron_eval.sources.neuronpedia import export, feature
from neuron_eval.sources.neuronpedia.export import Export
from neuron_eval.sources.neuronpedia.feature import Identity, PublishedExplanation, identity
from neuron_eval.sources.opening import LINES, Location, opener
from neuron_eval.sources.schema import object_lines


def is_neuronpedia(place: Location) -> bool:
    """Whether it is an export folder, or holds a feature, some, or a batch, by a cheap look."""
    if place.kind == "folder":
        return bool(export.folders(Path(place.name)))
    fields = place.fields
    is_batch = "features" in fields and not fields.isdisjoint({"model_id", "feature_index"})
    return fields.issuperset(feature.FIELDS) or is_batch


def open_neuronpedia(path: str) -> Source:
    """The features of a JSON file or of an export folder."""
    if Path(path).is_dir():
        return NeuronpediaExport(path, export.folders(Path(path)))
    return NeuronpediaFile(path)


class Neuronpedia(Source):
    """Features whose explanations have scores, of several kinds."""

    @abstractmethod
    def published(self) -> Mapping[str, Sequence[PublishedExplanation]]:
        """The explanations of every feature, by id."""

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Each feature's first score of one kind: the kind that most features have."""
        published = self.published()
        kinds = (
            {kind for text in texts for kind, _ in text.scores} for texts in published.values()
        )
        counts = Counter(chain.from_iterable(kinds))
        if not counts:
            yield from super().scores(wanted)  # which says so
        chosen = min(counts, key=lambda kind: (-counts[kind], kind))
        for key in wanted:
            scores = (
                (value, text.reference.explanation)
                for text in published.get(key.id, ())
                for kind, value in text.scores
                if kind == chosen
            )
            score = next(scores, None)
            if score is not None and key.layer >= 0 and key.neuron >= 0:
                yield ScoredNeuron(key.layer, key.neuron, *score, key.id)


class NeuronpediaExport(Neuronpedia):
    """The features of an export folder that have activations, batch by batch."""

    def __init__(self, name: str, exports: Sequence[Export]) -> None:
        self.name = name
        self._exports = exports
        self._batches = [batch for files in exports for batch in files.activations]
        self._ids: dict[Path, frozenset[str]] = {}
        if not self._batches:
            raise SourceError(
                f"neurons={name}: holds no activations/batch-N.jsonl.gz or .jsonl, nor does a "
                "folder in it; an export of Neuronpedia has the folders features, activations "
                "and explanations"
            )

    def keys(self) -> Iterator[NeuronKey]:
        seen: set[NeuronKey] = set()
        for batch in self._batches:
            keys = [which.key for which in export.identities(batch)]
            self._ids[batch] = frozenset(key.id for key in keys)
            yield from (key for key in keys if key not in seen)
            seen.update(keys)

    def read(self, wanted: Wanted = None) -> Neurons:
        """The features wanted; batches that `keys` has shown to hold none are not opened again."""
        ids = ids_of(wanted)
        published = export.explanations(self._exports, ids)
        seen: dict[str, Path] = {}
        for batch in self._batches:
            if ids is not None and not (self._ids.get(batch, ids) & ids):
                continue
            for which, rows in export.records(batch, ids):
                id_ = which.key.id
                if id_ in seen and ids is not None:
                    continue
                try:
                    if id_ in seen:
                        raise RecordError(f"{batch}: neuron {named(id_)} stands in {seen[id_]} too")
                    seen[id_] = batch
                    yield feature.feature_record(which, rows, published.get(id_, ()), str(batch))
                except RecordError as error:
                    yield Unreadable(id_, error)

    def published(self) -> Mapping[str, Sequence[PublishedExplanation]]:
        return export.explanations(self._exports, None)


class NeuronpediaFile(Neuronpedia):
    """The features of one JSON file, in its order."""

    def __init__(self, name: str) -> None:
        self.name = name

    def keys(self) -> Iterator[NeuronKey]:
        yield from dict.fromkeys(identity(row, at).key for row, at in self._rows())

    def read(self, wanted: Wanted = None) -> Neurons:
        ids = ids_of(wanted)
        seen: dict[str, str] = {}
        for row, at in self._rows():
            name = at
            try:
                which = identity(row, at)
                name = which.key.id
                if ids is not None and (name not in ids or name in seen):
                    continue
                if name in seen:
                    raise RecordError(f"{at}: neuron {named(name)} stands at {seen[name]} too")
                seen[name] = at
                yield _feature(which, row, at)
            except RecordError as error:
                yield Unreadable(name, error)

    def published(self) -> Mapping[str, Sequence[PublishedExplanation]]:
        rows = reversed(list(self._rows()))  # of a feature that stands twice the first
        return {identity(row, at).key.id: _explained(row, at) for row, at in rows}

    def _rows(self) -> Iterator[tuple[Any, str]]:
        """The file's features; of a line that is not valid JSON its error."""
        if not self.name.endswith(LINES):
            yield from feature.features_of(self._content(), self.name)
            return
        for line, at in object_lines(self.name):
            try:
                yield from feature.features_of(parsed(line, at), at)
            except RecordError as error:  # in its place, so that the lines after it are read
                yield error, at

    def _content(self) -> Any:
        content = read_file(self.name)
        try:
            return parse_json(content)
        except ValueError as error:
            lines = "; a file with an object a line ends in .jsonl" * ("Extra data" in str(error))
            raise SourceError(
                f"{self.name}: not valid JSON, or cut off ({error}){lines}"
            ) from error


def _feature(which: Identity, row: Mapping[str, Any], at: str) -> NeuronRecord:
    activations = row.get("activations")
    if not isinstance(activations, list):
        raise RecordError(
            f"{at}: neuron {named(which.key.id)}: field 'activations' is {shown(activations)}; "
            "expected a list; of an export, which keeps activations apart, name the folder"
        )
    placed = ((item, f"{at}, activation {i}") for i, item in enumerate(activations))
    return feature.feature_record(which, placed, _explained(row, at), at)


def _explained(row: Mapping[str, Any], at: str) -> list[PublishedExplanation]:
    rows = row.get("explanations") or []
    if not isinstance(rows, list):
        raise RecordError(f"{at}: field 'explanations' is {shown(rows)}; expected a list")
    texts = (feature.explained(item, f"{at}, explanation {i}") for i, item in enumerate(rows))
    return [text for text in texts if text is not None]


@opener("FOLDER, FILE.json, FILE.jsonl", "a Neuronpedia feature or export, or SAEDashboard's")
def _open_features(place: Location) -> Source | None:
    if not is_neuronpedia(place):
        return None
    if place.kind == "lines" and place.fields.isdisjoint({"activations", "features"}):
        # An export's activations, or a file of it that has none.
        batch = Export((Path(place.name),), ())
        has_excerpts = place.fields >= {"tokens", "values"}
        return NeuronpediaExport(place.name, [batch]) if has_excerpts else None
    return open_neuronpedia(place.name)
