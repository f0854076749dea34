"""Files of features: a feature's JSON, a list of them, one a line, or batches by SAEDashboard.

A feature is what ``/api/feature/MODEL/SOURCE/INDEX`` answers, an object with ``modelId``,
``layer``, ``index``, ``activations`` and ``explanations``. A batch is what SAEDashboard writes for
Neuronpedia (``batch-N.json``), an object with ``model_id``, ``layer``, ``sae_set`` and
``features``. A file is read whole, unless it ends in ``.jsonl`` or ``.jsonl.gz`` and has one such
object a line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from neuron_eval.files.bounded import TooLong, parse_json, read_whole
from neuron_eval.messages import shown
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.ids import named
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.neuronpedia.export import object_lines, parse_line
from neuron_eval.sources.neuronpedia.feature import (
    Explained,
    Identity,
    explained,
    feature_record,
    features_of,
    identity,
)
from neuron_eval.sources.neuronpedia.published import NeuronpediaSource

LINES = (".jsonl", ".jsonl.gz")
"""How files with an object a line end."""


@dataclass(frozen=True, slots=True)
class NeuronpediaFile(NeuronpediaSource):
    """The features of one JSON file."""

    name: str
    """The file's path, as the user wrote it."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every feature, in the file's order; see `NeuronpediaSource.keys`."""
        found = (_identity(row, at).key for row, at in self._rows())
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
                which = _identity(row, at)
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
        """The file's features; of a line that is not valid JSON its error."""
        if not self.name.endswith(LINES):
            return features_of(self._whole(), self.name)
        return chain.from_iterable(
            features_of(_parsed(line, at), at) for _, line, at in object_lines(Path(self.name))
        )

    def _whole(self) -> Any:
        try:
            return parse_json(read_whole(Path(self.name)))
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read ({error.strerror or error})") from error
        except TooLong as error:
            raise SourceError(str(error)) from error
        except ValueError as error:
            lines = "; a file with an object a line ends in .jsonl" * ("Extra data" in str(error))
            raise SourceError(
                f"{self.name}: not valid JSON, or cut off ({error}){lines}"
            ) from error

    def _explanations(self) -> Mapping[str, Sequence[Explained]]:
        rows = list(self._rows())
        return {_identity(row, at).key.id: _explained(row, at) for row, at in reversed(rows)}


def _parsed(line: bytes, at: str) -> Any:
    """A line's JSON value, or the error that it raises, so that the lines after it are read."""
    try:
        return parse_line(line, at)
    except RecordError as error:
        return error


def _identity(row: object, at: str) -> Identity:
    if isinstance(row, RecordError):
        raise row
    return identity(row, at)


def _feature(which: Identity, row: Mapping[str, Any], at: str) -> NeuronRecord:
    activations = row.get("activations")
    if not isinstance(activations, list):
        raise RecordError(
            f"{at}: neuron {named(which.key.id)}: field 'activations' is {shown(activations)}; "
            "expected a list; of an export, which keeps activations apart, name the folder"
        )
    placed = ((item, f"{at}, activation {i}") for i, item in enumerate(activations))
    return feature_record(which, placed, _explained(row, at), at)


def _explained(row: Mapping[str, Any], at: str) -> list[Explained]:
    rows = row.get("explanations") or []
    if not isinstance(rows, list):
        raise RecordError(f"{at}: field 'explanations' is {shown(rows)}; expected a list")
    found = (explained(item, f"{at}, explanation {i}") for i, item in enumerate(rows))
    return [item for item in found if item is not None]
