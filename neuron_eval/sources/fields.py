"""Reading the values of an object; whatever is not of its type is a `RecordError`.

Each function takes the object, the field's name and ``at``: file, line and neuron for the message.
Not by pydantic: each of its errors would have to be put into our words, which name the excerpt,
the token or the split, and that takes as many lines.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from neuron_eval.messages import listed, shown
from neuron_eval.records import (
    TOP_SPLITS,
    ActivationRecord,
    Excerpt,
    Kind,
    RecordError,
    Reference,
    SplitName,
)

T = TypeVar("T")

_EXCERPT = ("tokens", "activations")


def typed(data: Mapping[str, Any], field: str, kind: type[T], at: str) -> T:
    """A value of this type; True is no whole number."""
    value = data[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected {kind.__name__}")
    return value


def number(data: Mapping[str, Any], field: str, at: str) -> float:
    return _number(data[field], f"{at}: field {field!r}")


def numbers(data: Mapping[str, Any], field: str, at: str) -> tuple[float, ...]:
    values = typed(data, field, list, at)
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple(_number(v, f"{at}: field {field!r}: value {i}") for i, v in enumerate(values))


def _number(value: object, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = " (NaN?)" if value is None else ""
        raise RecordError(f"{at} is {shown(value)}{hint}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise RecordError(f"{at} has {len(str(value))} digits; expected a number") from error


def texts(data: Mapping[str, Any], field: str, at: str, item: str = "value") -> tuple[str, ...]:
    values = typed(data, field, list, at)
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
    for i, item in enumerate(typed(data, kind, list, at)):
        here = f"{at}: excerpt {kind} {i}"
        if not isinstance(item, Mapping) or set(item) != set(_EXCERPT):
            raise RecordError(f"{here}: expected an object with 'tokens' and 'activations'")
        records.append(_excerpt(item, here))
    return tuple(records)


def reference(data: Mapping[str, Any], field: str, at: str) -> Reference:
    return _reference(data[field], f"{at}: field {field!r}")


def _reference(value: object, at: str) -> Reference:
    data = _object(value, ("explanation", "source"), at)
    return Reference(typed(data, "explanation", str, at), typed(data, "source", str, at))


def references(data: Mapping[str, Any], field: str, at: str) -> tuple[Reference, ...]:
    values = enumerate(typed(data, field, list, at))
    return tuple(_reference(v, f"{at}: field {field!r}: value {i}") for i, v in values)


def _placed(value: object, at: str) -> Excerpt:
    data = _object(value, ("kind", "index", *_EXCERPT), at)
    kind, index = typed(data, "kind", str, at), typed(data, "index", int, at)
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
    given = typed(data, field, dict, at)
    unknown = sorted(set(given) - set(TOP_SPLITS))
    if unknown:
        raise RecordError(
            f"{at}: field {field!r}: unknown split(s) {listed(unknown)}; "
            f"allowed are {', '.join(TOP_SPLITS)}"
        )
    dealt = []
    for name in TOP_SPLITS:
        if given.get(name) is not None:
            items = typed(given, name, list, f"{at}: field {field!r}")
            placed = (_placed(e, f"{at}: split {name} {i}") for i, e in enumerate(items))
            dealt.append((name, tuple(placed)))
    return tuple(dealt)


def excerpt(tokens: object, activations: object, at: str) -> ActivationRecord:
    """An excerpt of another project's file from two JSON lists, without its empty tokens.

    An empty token can neither be shown nor predicted; anything else that is wrong is an error.

    Args:
        tokens: A list of strings, shape [T].
        activations: A list of numbers, shape [T]; other projects write NaN as null.
        at: File, record and excerpt, for the message.
    """
    if not isinstance(tokens, Sequence) or isinstance(tokens, str):
        raise RecordError(f"{at}: field 'tokens' is {shown(tokens)}; expected a list")
    if not isinstance(activations, Sequence) or isinstance(activations, str):
        raise RecordError(f"{at}: field 'activations' is {shown(activations)}; expected a list")
    if len(tokens) != len(activations):
        raise RecordError(
            f"{at}: {len(tokens)} tokens but {len(activations)} activations; "
            "there must be one activation for each token"
        )
    for i, token in enumerate(tokens):
        if not isinstance(token, str):
            raise RecordError(f"{at}: token {i} is {shown(token)}; expected a string")
    for i, value in enumerate(activations):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            hint = " (NaN?)" if value is None else ""
            raise RecordError(f"{at}: activation {i} is {shown(value)}{hint}; expected a number")
        if abs(value) > sys.float_info.max:
            raise RecordError(f"{at}: activation {i} is too large for a floating-point number")
    kept = [(t, float(a)) for t, a in zip(tokens, activations, strict=True) if t]
    if not kept:
        raise RecordError(f"{at}: holds no tokens")
    return ActivationRecord(tuple(t for t, _ in kept), tuple(a for _, a in kept))
