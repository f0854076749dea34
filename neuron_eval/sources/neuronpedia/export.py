"""The files of a Neuronpedia export.

    FOLDER/features/batch-N.jsonl.gz        one feature a line (not needed here)
    FOLDER/activations/batch-N.jsonl.gz     one activation a line
    FOLDER/explanations/batch-N.jsonl.gz    one explanation a line

FOLDER is the one named or those in it (one a source, such as ``6-res-jb``); files may be unzipped.
A feature's activations stand in one batch, in any order, so that a batch is read to its end before
its first feature is known: its lines go to a temporary file, and one feature at a time to memory.
Explanations are sorted otherwise; those that are wanted are held in memory, about 1 kB each.
"""

import json
import re
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from neuron_eval.sources.base import parsed
from neuron_eval.sources.neuronpedia.feature import (
    Identity,
    PublishedExplanation,
    explained,
    identity,
)
from neuron_eval.sources.schema import object_lines

# Where a line is for messages, where it begins in the temporary file, and how long it is.
LinePlace = tuple[str, int, int]
_BATCH = re.compile(r"batch-(\d+)\.jsonl(\.gz)?", re.ASCII)
# A quote within a JSON string is escaped, so that only a key can match.
_FIELD = re.compile(rb'"(modelId|layer|index)"\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+"|\d+)')


@dataclass(frozen=True, slots=True)
class Export:
    """The files of one export, in the order of their numbers; either may be none."""

    activations: tuple[Path, ...]
    explanations: tuple[Path, ...]


def folders(root: Path) -> tuple[Export, ...]:
    """The exports in a folder: itself, or those one level down, by name."""
    places = [root, *sorted(place for place in root.iterdir() if place.is_dir())]
    return tuple(
        Export(_batches(place / "activations"), _batches(place / "explanations"))
        for place in places
        if any(_batches(place / kind) for kind in ("features", "activations", "explanations"))
    )


def identities(batch: Path) -> list[Identity]:
    """The features of a batch of activations, in the order of their first lines."""
    return list(dict.fromkeys(_which(line, at) for line, at in object_lines(str(batch))))


def records(
    batch: Path, wanted: Collection[str] | None
) -> Iterator[tuple[Identity, Iterator[tuple[Any, str]]]]:
    """The features wanted of a batch of activations, in the order of their first lines.

    Each with its activations and their places, to be read before the next feature. Of a file with a
    bad line nothing is given, since which features are complete cannot be known.
    """
    places: dict[Identity, list[LinePlace]] = {}
    with tempfile.TemporaryFile() as kept:
        for line, at in object_lines(str(batch)):
            which = _which(line, at)
            if wanted is None or which.key.id in wanted:
                places.setdefault(which, []).append((at, kept.tell(), len(line)))
                kept.write(line)
        for which, lines in places.items():
            yield which, _rows(kept, lines)


def explanations(
    exports: Collection[Export], wanted: Collection[str] | None
) -> dict[str, list[PublishedExplanation]]:
    """Published explanations of the ids wanted, or all, by id and in the order of the files."""
    by_id: dict[str, list[PublishedExplanation]] = {}
    for file in (file for export in exports for file in export.explanations):
        for line, at in object_lines(str(file)):
            id_ = _which(line, at).key.id
            if wanted is None or id_ in wanted:
                published = explained(parsed(line, at), at)
                if published is not None:
                    by_id.setdefault(id_, []).append(published)
    return by_id


def _batches(folder: Path) -> tuple[Path, ...]:
    """A folder's batches by number; unzipped where it holds both."""
    if not folder.is_dir():
        return ()
    files = ((_BATCH.fullmatch(file.name), file) for file in sorted(folder.iterdir(), reverse=True))
    numbered = {int(match[1]): file for match, file in files if match}
    return tuple(numbered[number] for number in sorted(numbered))


def _which(line: bytes, at: str) -> Identity:
    """Which feature a line is of, without parsing its tokens and values."""
    fields: dict[bytes, bytes] = {}
    for match in _FIELD.finditer(line):
        fields.setdefault(match[1], match[2])
        if len(fields) == 3:
            break
    try:
        row = {field.decode(): json.loads(value) for field, value in fields.items()}
    except ValueError:
        row = {}
    return identity(row if len(row) == 3 else parsed(line, at), at)


def _rows(kept: IO[bytes], places: list[LinePlace]) -> Iterator[tuple[Any, str]]:
    for at, begin, size in places:
        kept.seek(begin)
        yield parsed(kept.read(size), at), at
