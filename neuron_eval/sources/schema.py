"""The project's own schema: one object a neuron, the same in JSON Lines and in Parquet.

    {"id": "smollm2/L8N902", "model": "smollm2",
     "layer": 8, "neuron": 902, "group": "clear",
     "quantiles": [0.5, 0.9, 0.99, 0.999, 0.9999], "quantile_boundaries": [0.01, …],
     "top":    [{"tokens": [" stay", …], "activations": [4.81, …]}, …],
     "random": [{"tokens": […], "activations": […]}, …],
     "reference": {"explanation": "…", "source": "…"}}

``id``, ``model``, ``layer``, ``neuron``, ``top`` and ``random`` are required. Besides ``group``,
``quantiles``, ``quantile_boundaries`` and ``reference`` there may be

    "other_explanations": [{"explanation": "…", "source": "…"}, …],
    "false_explanations": ["…", …],
    "strata": [{"share": 0.5, "excerpts": [{"tokens": […], "activations": […]}, …]}, …],
    "cutoff": 1.0,
    "splits": {"train": [{"kind": "sentence", "index": 0, "tokens": […], "activations": […]}, …],
               "calibration": […], "valid": […], "test": […]},
    "special_tokens": ["<bos>", …],
    "repeated": 2,
    "page": "https://…"

A field left out and a field that is null mean the same. What each means, and what must hold of
its values, is said in `neuron_eval.records.NeuronRecord`, whose ``given_splits`` are ``splits``.

Files end in ``.jsonl`` or ``.jsonl.gz`` (an object a line) or in ``.parquet``
(`neuron_eval.sources.parquet`: a column per field, a row per neuron).
"""

import codecs
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.files.bounded import lines
from neuron_eval.files.locking import unfinished
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.checks import named
from neuron_eval.sources.base import (
    NeuronKey,
    Placed,
    PlacedSource,
    Source,
    SourceError,
    Unreadable,
    Wanted,
    ids_of,
    parsed,
    strict,
)
from neuron_eval.sources.looking import OpenFile, is_json, is_table, nature, unpacked
from neuron_eval.sources.objects import from_json as from_json
from neuron_eval.sources.objects import key
from neuron_eval.sources.objects import to_json as to_json
from neuron_eval.sources.opening import Location, opener
from neuron_eval.sources.resembling import OWN, nearest, resemblance


@dataclass(frozen=True, slots=True)
class JsonlSource(PlacedSource):
    """The neurons of one file, read line by line; a line has to be parsed even for its key."""

    name: str
    open: OpenFile | None = None  # of a file that is not local
    repeated = "{place}: field 'id': {id} stands on {first} too; ids must be unique"

    def placed_keys(self) -> Iterator[tuple[str, NeuronKey]]:
        for line, where in object_lines(self.name, self.open):
            yield where, key(_parse(line, where), where)

    def placed(self, wanted: Wanted) -> Placed:
        left = ids_of(wanted)
        for line, where in object_lines(self.name, self.open):
            if left is not None and not left:
                return
            name = where
            try:
                data = _parse(line, where)
                id_ = data.get("id") if isinstance(data, Mapping) else None
                if isinstance(id_, str):
                    name = id_
                    if left is not None and id_ not in left:
                        continue
                neuron: NeuronRecord | Unreadable = from_json(data, where)
            except RecordError as error:
                neuron = Unreadable(name, error)
            if left is not None:
                left.discard(name)
            yield where, neuron


def object_lines(name: str, opened: OpenFile | None = None) -> Iterator[tuple[bytes, str]]:
    """The lines of a file that are not blank, each with its place for messages."""
    with unpacked(name, opened) as file:
        for number, line in lines(file, name):
            if line.strip():
                content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                yield content, f"{name}, line {number}"


@opener("FILE.parquet", "neurons in this project's schema")
def _open_table(place: Location) -> Source | None:
    if place.kind != "parquet":
        return None
    content = place.head
    if not content.startswith(b"PAR1") and (nature(content) or is_json(content)):
        return None
    from neuron_eval.sources.parquet import ParquetSource  # pyarrow takes a while to load

    source = ParquetSource(place.name)
    source.check()
    return source


@opener("FILE.jsonl, FILE.jsonl.gz", "neurons in this project's schema")
def _open_lines(place: Location) -> JsonlSource | None:
    if place.kind != "lines" or nature(place.head) or is_table(place.head):
        return None
    fields = place.fields
    if nearest(fields) not in (None, OWN) and not {"id", "top"} & fields:
        raise SourceError(f"neurons={place.name}: its first line {resemblance(fields)}")
    return JsonlSource(place.name)


def read(path: Path) -> Iterator[NeuronRecord]:
    """Stream the neurons of a file of lines; the error names file and line of the first bad one."""
    return strict(JsonlSource(str(path)).read())


def write(path: Path, neurons: Iterable[NeuronRecord]) -> int:
    """Write neurons, and count them; nothing appears before all is written."""
    count = 0
    with (
        unfinished(path) as beside,
        beside.open("wb") as raw,
        # Neither time nor name goes in, so that the same neurons give the same bytes.
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0)
        if path.suffix == ".gz"
        else nullcontext(raw) as file,
    ):
        for neuron in neurons:
            file.write(_line(neuron))
            count += 1
    return count


def _parse(line: bytes, where: str) -> Any:
    cut = "" if line.endswith(b"\n") else "; it is the last line, so the file may be cut off"
    return parsed(line, where, f"not valid JSON{cut}")


def _line(neuron: NeuronRecord) -> bytes:
    text = json.dumps(to_json(neuron), ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError as error:
        raise RecordError(
            f"neuron {named(neuron.id)}: cannot be written as UTF-8 ({error})"
        ) from error
