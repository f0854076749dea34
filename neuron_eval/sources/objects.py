"""From a neuron record to an object of the schema (`neuron_eval.sources.schema`) and back.

Not by pydantic: each of its errors would have to be put into our words, which name the excerpt, the
token or the split; that takes as many lines.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, cast, get_args

from neuron_eval.messages import listed, near_miss, shown
from neuron_eval.records import (
    TOP_SPLITS,
    ActivationRecord,
    Excerpt,
    Kind,
    NeuronRecord,
    RecordError,
    Reference,
    SplitName,
    Stratum,
)
from neuron_eval.records.checks import check_record, named
from neuron_eval.sources.base import NeuronKey, number, numbers, typed
from neuron_eval.sources.resembling import OWN, nearest, resemblance

_EXCERPT = ("tokens", "activations")


def texts(data: Mapping[str, Any], field: str, at: str, item: str = "value") -> tuple[str, ...]:
    values = typed(data, field, at, list)
    if not set(map(type, values)) <= {str}:
        for i, value in enumerate(values):
            if not isinstance(value, str):
                raise RecordError(
                    f"{at}: field {field!r}: {item} {i} is {shown(value)}, not a string"
                )
    return tuple(values)


def _object(data: object, fields: tuple[str, ...], at: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or set(data) != set(fields):
        raise RecordError(
            f"{at} is {shown(data)}; expected an object with {', '.join(map(repr, fields))}"
        )
    return data


def _excerpt(data: Mapping[str, Any], at: str) -> ActivationRecord:
    return ActivationRecord(texts(data, "tokens", at, "token"), numbers(data, "activations", at))


def excerpts(data: Mapping[str, Any], kind: str, at: str) -> tuple[ActivationRecord, ...]:
    if isinstance(data[kind], tuple):  # as they are cut from Arrow's columns
        return cast(tuple[ActivationRecord, ...], data[kind])
    records = []
    for i, item in enumerate(typed(data, kind, at, list)):
        here = f"{at}: excerpt {kind} {i}"
        if not isinstance(item, Mapping) or set(item) != set(_EXCERPT):
            raise RecordError(f"{here}: expected an object with 'tokens' and 'activations'")
        records.append(_excerpt(item, here))
    return tuple(records)


def strata(data: Mapping[str, Any], field: str, at: str) -> tuple[Stratum, ...]:
    made = []
    for i, value in enumerate(typed(data, field, at, list)):
        here = f"{at}: field {field!r}: stratum {i}"
        item = _object(value, ("share", "excerpts"), here)
        made.append(Stratum(number(item, "share", here), excerpts(item, "excerpts", here)))
    return tuple(made)


def _reference(value: object, at: str) -> Reference:
    data = _object(value, ("explanation", "source"), at)
    return Reference(typed(data, "explanation", at, str), typed(data, "source", at, str))


def references(data: Mapping[str, Any], field: str, at: str) -> tuple[Reference, ...]:
    values = enumerate(typed(data, field, at, list))
    return tuple(_reference(v, f"{at}: field {field!r}: value {i}") for i, v in values)


def _placed(value: object, at: str) -> Excerpt:
    data = _object(value, ("kind", "index", *_EXCERPT), at)
    kind, index = typed(data, "kind", at, str), typed(data, "index", at, int)
    if kind not in get_args(Kind) or index < 0:
        raise RecordError(
            f"{at}: kind is {shown(kind)} and index is {shown(index)}; expected a kind among "
            f"{', '.join(get_args(Kind))} and an index from 0"
        )
    return Excerpt(cast(Kind, kind), index, _excerpt(data, at))


def splits(
    data: Mapping[str, Any], field: str, at: str
) -> tuple[tuple[SplitName, tuple[Excerpt, ...]], ...]:
    """In the order train, calibration, valid, test; null is left out."""
    given = typed(data, field, at, dict)
    unknown = sorted(set(given) - set(TOP_SPLITS))
    if unknown:
        raise RecordError(
            f"{at}: field {field!r}: unknown split(s) {listed(unknown)}; "
            f"allowed are {', '.join(TOP_SPLITS)}{near_miss(unknown, TOP_SPLITS)}"
        )
    dealt = []
    for name in TOP_SPLITS:
        if given.get(name) is not None:
            items = typed(given, name, f"{at}: field {field!r}", list)
            placed = (_placed(e, f"{at}: split {name} {i}") for i, e in enumerate(items))
            dealt.append((name, tuple(placed)))
    return tuple(dealt)


KEY = ("id", "layer", "neuron")  # what tells which neuron it is
REQUIRED = ("id", "model", "layer", "neuron", "top", "random")

_text, _integer = partial(typed, kind=str), partial(typed, kind=int)

# How each field is read; all are attributes of `NeuronRecord`, ``splits`` is ``given_splits``
_READERS: Mapping[str, Callable[[Mapping[str, Any], str, str], Any]] = {
    "id": _text,
    "model": _text,
    "layer": _integer,
    "neuron": _integer,
    "top": excerpts,
    "random": excerpts,
    "group": _text,
    "strata": strata,
    "quantiles": numbers,
    "quantile_boundaries": numbers,
    "cutoff": number,
    "reference": lambda data, field, at: _reference(data[field], f"{at}: field {field!r}"),
    "other_explanations": references,
    "false_explanations": texts,
    "splits": splits,
    "special_tokens": texts,
    "repeated": _integer,
    "page": _text,
}

# Fields that may be left out or null, which means the same
OPTIONAL = tuple(name for name in _READERS if name not in REQUIRED)


def to_json(neuron: NeuronRecord) -> dict[str, Any]:
    """One neuron as a JSON object of the schema; fields without a value are left out."""
    data: dict[str, Any] = {name: getattr(neuron, name) for name in REQUIRED[:4]}
    lists = ("quantiles", "quantile_boundaries", "false_explanations", "special_tokens")
    for field in ("group", *lists, "repeated", "page"):
        if value := getattr(neuron, field):
            data[field] = list(value) if field in lists else value
    if neuron.cutoff is not None:
        data["cutoff"] = neuron.cutoff
    if neuron.reference:
        data["reference"] = asdict(neuron.reference)
    if neuron.other_explanations:
        data["other_explanations"] = [asdict(r) for r in neuron.other_explanations]
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        data[kind] = list(map(_from_excerpt, records))
    if neuron.strata:
        data["strata"] = [
            {"share": stratum.share, "excerpts": list(map(_from_excerpt, stratum.excerpts))}
            for stratum in neuron.strata
        ]
    if neuron.given_splits:
        data["splits"] = {
            name: [{"kind": e.kind, "index": e.index, **_from_excerpt(e.record)} for e in placed]
            for name, placed in neuron.given_splits
        }
    return data


def _from_excerpt(record: ActivationRecord) -> dict[str, Any]:
    return {"tokens": list(record.tokens), "activations": list(record.activations)}


def from_json(value: object, where: str) -> NeuronRecord:
    """One neuron from a JSON object of the schema, checked; its excerpts may be records already."""
    data, at = _neuron_object(value, where)
    for wrong in wrong_names(data, "field"):
        raise RecordError(f"{at}: {wrong}")
    values = {
        "given_splits" if field == "splits" else field: read(data, field, at)
        for field, read in _READERS.items()
        if field in REQUIRED or data.get(field) is not None
    }
    return check_record(NeuronRecord(**values), where)


def key(value: object, where: str) -> NeuronKey:
    """Which neuron an object is; nothing else of it is looked at."""
    data, at = _neuron_object(value, where)
    missing = [field for field in KEY if field not in data]
    if missing:
        fields = ", ".join(map(repr, missing))
        raise RecordError(f"{at}: missing field(s) {fields}{_otherwise(data)}")
    return NeuronKey(*(_READERS[field](data, field, at) for field in KEY))


def _neuron_object(value: object, where: str) -> tuple[Mapping[str, Any], str]:
    if not isinstance(value, Mapping):
        raise RecordError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value, f"{where}: neuron {named(value.get('id', '?'))}"


def wrong_names(names: Iterable[str], word: str) -> list[str]:
    """What is wrong with the names of fields, or whatever word they go by: missing and unknown."""
    there = set(names)
    faults = []
    missing = [name for name in REQUIRED if name not in there]
    if missing:
        faults.append(f"missing {word}(s) {', '.join(map(repr, missing))}{_otherwise(there)}")
    unknown = sorted(map(str, there - set(REQUIRED) - set(OPTIONAL)))
    if unknown:
        faults.append(
            f"unknown {word}(s) {listed(unknown)}; allowed are {', '.join(REQUIRED + OPTIONAL)}"
            f"{near_miss(unknown, missing or OPTIONAL)}"
        )
    return faults


def _otherwise(names: Iterable[str]) -> str:
    """Which other format has fields with these names, if they are more like one than like ours."""
    there = set(map(str, names))
    return "" if nearest(there) == OWN else f" (it {resemblance(there)})"
