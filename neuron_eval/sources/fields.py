"""Reading the values of an object of the schema; whatever is not of its type is an error.

Each function takes the object, the field's name and ``at``: file, line and neuron for the message.
"""

from __future__ import annotations

from collections.abc import Mapping
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

EXCERPT = ("tokens", "activations")
PLACED = ("kind", "index", *EXCERPT)
REFERENCE = ("explanation", "source")


def typed(data: Mapping[str, Any], field: str, kind: type[T], at: str) -> T:
    """The field's value.

    Raises:
        RecordError: It is not of that type; True is no whole number.
    """
    value = data[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected {kind.__name__}")
    return value


def number(data: Mapping[str, Any], field: str, at: str) -> float:
    """A number.

    Raises:
        RecordError: It is something else.
    """
    return _number(data[field], f"{at}: field {field!r}")


def numbers(data: Mapping[str, Any], field: str, at: str) -> tuple[float, ...]:
    """A list of numbers.

    Raises:
        RecordError: It is something else.
    """
    values = typed(data, field, list, at)
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple(_number(v, f"{at}: field {field!r}: value {i}") for i, v in enumerate(values))


def texts(data: Mapping[str, Any], field: str, at: str, item: str = "value") -> tuple[str, ...]:
    """A list of strings.

    Raises:
        RecordError: It is something else.
    """
    values = typed(data, field, list, at)
    if not set(map(type, values)) <= {str}:
        for i, value in enumerate(values):
            if not isinstance(value, str):
                raise RecordError(
                    f"{at}: field {field!r}: {item} {i} is {shown(value)}, not a string"
                )
    return tuple(values)


def excerpts(data: Mapping[str, Any], kind: str, at: str) -> tuple[ActivationRecord, ...]:
    """A list of excerpts.

    Raises:
        RecordError: It is something else.
    """
    found = []
    for i, item in enumerate(typed(data, kind, list, at)):
        here = f"{at}: excerpt {kind} {i}"
        if not isinstance(item, Mapping) or set(item) != set(EXCERPT):
            raise RecordError(f"{here}: expected an object with 'tokens' and 'activations'")
        found.append(_excerpt(item, here))
    return tuple(found)


def reference(data: Mapping[str, Any], field: str, at: str) -> Reference:
    """An explanation with its source.

    Raises:
        RecordError: It is something else.
    """
    return _reference(data[field], f"{at}: field {field!r}")


def references(data: Mapping[str, Any], field: str, at: str) -> tuple[Reference, ...]:
    """A list of explanations, each with its source.

    Raises:
        RecordError: It is something else.
    """
    values = enumerate(typed(data, field, list, at))
    return tuple(_reference(v, f"{at}: field {field!r}: value {i}") for i, v in values)


def splits(
    data: Mapping[str, Any], field: str, at: str
) -> tuple[tuple[SplitName, tuple[Excerpt, ...]], ...]:
    """Splits that are fixed, in the order train, calibration, valid, test; null is left out.

    Raises:
        RecordError: It is something else.
    """
    given = typed(data, field, dict, at)
    unknown = sorted(set(given) - set(TOP_SPLITS))
    if unknown:
        raise RecordError(
            f"{at}: field {field!r}: unknown split(s) {listed(unknown)}; "
            f"allowed are {', '.join(TOP_SPLITS)}"
        )
    found = []
    for name in TOP_SPLITS:
        if given.get(name) is not None:
            here = f"{at}: split {name}"
            items = typed(given, name, list, f"{at}: field {field!r}")
            found.append((name, tuple(_placed(e, f"{here} {i}") for i, e in enumerate(items))))
    return tuple(found)


def _number(value: object, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = " (NaN?)" if value is None else ""
        raise RecordError(f"{at} is {shown(value)}{hint}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise RecordError(f"{at} has {len(str(value))} digits; expected a number") from error


def _excerpt(data: Mapping[str, Any], at: str) -> ActivationRecord:
    return ActivationRecord(texts(data, "tokens", at, "token"), numbers(data, "activations", at))


def _reference(data: object, at: str) -> Reference:
    found = _object(data, REFERENCE, at)
    return Reference(typed(found, "explanation", str, at), typed(found, "source", str, at))


def _placed(data: object, at: str) -> Excerpt:
    found = _object(data, PLACED, at)
    kind, index = typed(found, "kind", str, at), typed(found, "index", int, at)
    if kind not in get_args(Kind) or index < 0:
        raise RecordError(
            f"{at}: kind is {shown(kind)} and index is {shown(index)}; expected a kind among "
            f"{', '.join(get_args(Kind))} and an index from 0"
        )
    return Excerpt(cast(Kind, kind), index, _excerpt(found, at))


def _object(data: object, fields: tuple[str, ...], at: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or set(data) != set(fields):
        raise RecordError(
            f"{at} is {shown(data)}; expected an object with {', '.join(map(repr, fields))}"
        )
    return data
