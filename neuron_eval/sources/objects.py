"""From a neuron record to an object of the schema (`neuron_eval.sources.schema`) and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from neuron_eval.messages import listed
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.checks import check_record, named
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.fields import (
    excerpts,
    number,
    numbers,
    reference,
    references,
    splits,
    texts,
    typed,
)
from neuron_eval.sources.resembling import OWN, nearest, resemblance

KEY = ("id", "layer", "neuron")
"""What tells which neuron it is."""

REQUIRED = ("id", "model", "layer", "neuron", "top", "random")

_OPTIONAL: Mapping[str, tuple[str, Callable[[Mapping[str, Any], str, str], Any]]] = {
    "group": ("group", lambda data, field, at: typed(data, field, str, at)),
    "quantiles": ("quantiles", numbers),
    "quantile_boundaries": ("quantile_boundaries", numbers),
    "cutoff": ("cutoff", number),
    "reference": ("reference", reference),
    "other_explanations": ("other_explanations", references),
    "false_explanations": ("false_explanations", texts),
    "splits": ("given_splits", splits),
    "special_tokens": ("special_tokens", texts),
    "repeated": ("repeated", lambda data, field, at: typed(data, field, int, at)),
}
"""Field to the attribute of `NeuronRecord` that it is, and how it is read."""

OPTIONAL = tuple(_OPTIONAL)
"""Fields that may be left out or null, which means the same."""


def to_json(neuron: NeuronRecord) -> dict[str, Any]:
    """One neuron as a JSON object of the schema; fields without a value are left out."""
    data: dict[str, Any] = {name: getattr(neuron, name) for name in ("id", "model", *KEY[1:])}
    lists = ("quantiles", "quantile_boundaries", "false_explanations", "special_tokens")
    for field in ("group", *lists, "repeated"):
        if value := getattr(neuron, field):
            data[field] = list(value) if field in lists else value
    if neuron.cutoff is not None:
        data["cutoff"] = neuron.cutoff
    if neuron.reference:
        data["reference"] = asdict(neuron.reference)
    if neuron.other_explanations:
        data["other_explanations"] = [asdict(r) for r in neuron.other_explanations]
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        data[kind] = [_from_excerpt(record) for record in records]
    if neuron.given_splits:
        data["splits"] = {
            name: [{"kind": e.kind, "index": e.index, **_from_excerpt(e.record)} for e in placed]
            for name, placed in neuron.given_splits
        }
    return data


def _from_excerpt(record: ActivationRecord) -> dict[str, Any]:
    return {"tokens": list(record.tokens), "activations": list(record.activations)}


def from_json(value: object, where: str) -> NeuronRecord:
    """One neuron from a JSON object of the schema, checked.

    Args:
        value: The parsed JSON; its excerpts may be a tuple of records.
        where: File and line, for the message.

    Raises:
        RecordError: A field is missing, unknown or of the wrong type, or the record breaks the
            contract of `neuron_eval.records`.
    """
    data, at = _neuron_object(value, where)
    for wrong in wrong_names(data, "field"):
        raise RecordError(f"{at}: {wrong}")
    neuron = NeuronRecord(
        id=typed(data, "id", str, at),
        model=typed(data, "model", str, at),
        layer=typed(data, "layer", int, at),
        neuron=typed(data, "neuron", int, at),
        top=excerpts(data, "top", at),
        random=excerpts(data, "random", at),
        **{
            name: read(data, field, at)
            for field, (name, read) in _OPTIONAL.items()
            if data.get(field) is not None
        },
    )
    return check_record(neuron, where)


def key(value: object, where: str) -> NeuronKey:
    """Which neuron an object is; nothing else of it is looked at."""
    data, at = _neuron_object(value, where)
    missing = [field for field in KEY if field not in data]
    if missing:
        fields = ", ".join(map(repr, missing))
        raise RecordError(f"{at}: missing field(s) {fields}{_otherwise(data)}")
    return NeuronKey(
        typed(data, "id", str, at), typed(data, "layer", int, at), typed(data, "neuron", int, at)
    )


def _neuron_object(value: object, where: str) -> tuple[Mapping[str, Any], str]:
    if not isinstance(value, Mapping):
        raise RecordError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value, f"{where}: neuron {named(value.get('id', '?'))}"


def wrong_names(names: Iterable[str], word: str) -> list[str]:
    """What is wrong with the names of fields: those missing, those unknown.

    Args:
        names: The names that there are.
        word: What a field is called here, ``field`` or ``column``.
    """
    there = set(names)
    faults = []
    missing = [name for name in REQUIRED if name not in there]
    if missing:
        faults.append(f"missing {word}(s) {', '.join(map(repr, missing))}{_otherwise(there)}")
    unknown = sorted(map(str, there - set(REQUIRED) - set(OPTIONAL)))
    if unknown:
        faults.append(
            f"unknown {word}(s) {listed(unknown)}; allowed are {', '.join(REQUIRED + OPTIONAL)}"
        )
    return faults


def _otherwise(names: Iterable[str]) -> str:
    """Which other format has fields with these names, if they are more like one than like ours."""
    there = set(map(str, names))
    return "" if nearest(there) == OWN else f" (it {resemblance(there)})"
