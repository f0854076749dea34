"""The project's own file format: one JSON object a neuron, one neuron a line.

    {"id": "smollm2/L8N902", "model": "smollm2",
     "layer": 8, "neuron": 902, "group": "clear",
     "quantiles": [0.5, 0.9, 0.99, 0.999, 0.9999], "quantile_boundaries": [0.01, …],
     "top":    [{"tokens": [" stay", …], "activations": [4.81, …]}, …],
     "random": [{"tokens": […], "activations": […]}, …],
     "reference": {"explanation": "…", "source": "…"}}

``id``, ``model``, ``layer``, ``neuron``, ``top`` and ``random`` are required. Files end in
``.jsonl`` or ``.jsonl.gz``.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar, cast

from neuron_eval.checks import check_record
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, Reference

T = TypeVar("T")

REQUIRED = ("id", "model", "layer", "neuron", "top", "random")
OPTIONAL = ("quantiles", "quantile_boundaries", "reference", "group")


def to_json(neuron: NeuronRecord) -> dict[str, Any]:
    """One neuron as a JSON object of the schema; fields without a value are left out."""
    data: dict[str, Any] = {
        "id": neuron.id,
        "model": neuron.model,
        "layer": neuron.layer,
        "neuron": neuron.neuron,
    }
    if neuron.group:
        data["group"] = neuron.group
    if neuron.quantiles:
        data["quantiles"] = list(neuron.quantiles)
    if neuron.quantile_boundaries:
        data["quantile_boundaries"] = list(neuron.quantile_boundaries)
    if neuron.reference:
        data["reference"] = {
            "explanation": neuron.reference.explanation,
            "source": neuron.reference.source,
        }
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        data[kind] = [
            {"tokens": list(r.tokens), "activations": list(r.activations)} for r in records
        ]
    return data


def from_json(data: object, where: str) -> NeuronRecord:
    """One neuron from a JSON object of the schema, checked.

    Args:
        data: The parsed JSON.
        where: File and line, for the message.

    Raises:
        RecordError: A field is missing, unknown or of the wrong type, or the record breaks the
            contract of `neuron_eval.records`.
    """
    if not isinstance(data, Mapping):
        raise RecordError(f"{where}: expected a JSON object, got {type(data).__name__}")
    at = f"{where}: neuron {data.get('id', '?')}"
    missing = [field for field in REQUIRED if field not in data]
    if missing:
        raise RecordError(f"{at}: missing field(s) {', '.join(map(repr, missing))}")
    unknown = sorted(set(data) - set(REQUIRED) - set(OPTIONAL))
    if unknown:
        raise RecordError(
            f"{at}: unknown field(s) {', '.join(map(repr, unknown))}; "
            f"allowed are {', '.join(REQUIRED + OPTIONAL)}"
        )
    neuron = NeuronRecord(
        id=_typed(data, "id", str, at),
        model=_typed(data, "model", str, at),
        layer=_typed(data, "layer", int, at),
        neuron=_typed(data, "neuron", int, at),
        top=_excerpts(data, "top", at),
        random=_excerpts(data, "random", at),
        quantiles=_floats(data.get("quantiles", []), f"{at}: field 'quantiles'"),
        quantile_boundaries=_floats(
            data.get("quantile_boundaries", []), f"{at}: field 'quantile_boundaries'"
        ),
        reference=_reference(data.get("reference"), at),
        group=_typed(data, "group", str, at) if "group" in data else "",
    )
    return check_record(neuron, where)


def read(path: Path) -> Iterator[NeuronRecord]:
    """Stream the neurons of a ``.jsonl`` or ``.jsonl.gz`` file, checked one by one.

    Raises:
        RecordError: Names the file and the line of the first bad record.
    """
    seen: dict[str, int] = {}
    try:
        with _reader(path) as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, line {number}"
                if not line.strip():
                    continue
                try:
                    data = json.loads(line)
                except ValueError as error:
                    raise RecordError(f"{where}: not valid JSON ({error})") from error
                neuron = from_json(data, where)
                if neuron.id in seen:
                    raise RecordError(
                        f"{where}: field 'id': {neuron.id!r} stands on line {seen[neuron.id]} too; "
                        "ids must be unique"
                    )
                seen[neuron.id] = number
                yield neuron
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cut off or not a text file ({error})") from error


def write(path: Path, neurons: Iterable[NeuronRecord]) -> int:
    """Write neurons to a ``.jsonl`` or ``.jsonl.gz`` file; nothing appears before all is written.

    Returns:
        How many were written.
    """
    unfinished = path.with_name(f".unfinished-{path.name}")
    count = 0
    with _writer(unfinished) as lines:
        for neuron in neurons:
            line = json.dumps(to_json(neuron), ensure_ascii=False, separators=(",", ":"))
            lines.write(line + "\n")
            count += 1
    unfinished.replace(path)
    return count


@contextmanager
def _reader(path: Path) -> Iterator[TextIO]:
    with (
        gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as text,
    ):
        yield text


@contextmanager
def _writer(path: Path) -> Iterator[TextIO]:
    with path.open("wb") as raw, ExitStack() as stack:
        out: IO[bytes] = raw
        if path.suffix == ".gz":
            # Neither time nor name goes in, so that the same neurons give the same bytes.
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
            out = cast(IO[bytes], stack.enter_context(packed))
        yield stack.enter_context(io.TextIOWrapper(out, encoding="utf-8", newline="\n"))


def _typed(data: Mapping[str, Any], field: str, kind: type[T], at: str) -> T:
    value = data[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RecordError(f"{at}: field {field!r} is {value!r}; expected {kind.__name__}")
    return value


def _floats(values: object, at: str) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise RecordError(f"{at} is {values!r}; expected a list of numbers")
    for i, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RecordError(f"{at}: value {i} is {value!r}; expected a number")
    return tuple(float(value) for value in values)


def _excerpts(data: Mapping[str, Any], kind: str, at: str) -> tuple[ActivationRecord, ...]:
    found = []
    for i, excerpt in enumerate(_typed(data, kind, list, at)):
        here = f"{at}: excerpt {kind} {i}"
        if not isinstance(excerpt, Mapping) or set(excerpt) != {"tokens", "activations"}:
            raise RecordError(f"{here}: expected an object with 'tokens' and 'activations'")
        tokens = _typed(excerpt, "tokens", list, here)
        for j, token in enumerate(tokens):
            if not isinstance(token, str):
                raise RecordError(f"{here}: field 'tokens': token {j} is {token!r}, not a string")
        activations = _floats(excerpt["activations"], f"{here}: field 'activations'")
        found.append(ActivationRecord(tuple(tokens), activations))
    return tuple(found)


def _reference(data: object, at: str) -> Reference | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or set(data) != {"explanation", "source"}:
        raise RecordError(
            f"{at}: field 'reference' is {data!r}; expected an object with 'explanation', 'source'"
        )
    return Reference(
        explanation=_typed(data, "explanation", str, f"{at}: field 'reference'"),
        source=_typed(data, "source", str, f"{at}: field 'reference'"),
    )
