"""The JSON of OpenAI's neuron-explainer: objects carry a ``dataclass_name``, NaN is null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuron_eval.files.bounded import parse_json
from neuron_eval.messages import listed, shown
from neuron_eval.records import RecordError


def parse(content: bytes | str, at: str) -> Any:
    """The JSON value.

    Raises:
        RecordError: It is not JSON, for instance because it was cut.
    """
    try:
        return parse_json(content)
    except ValueError as error:
        raise RecordError(f"{at}: not valid JSON, perhaps cut off ({error})") from error


def typed_object(data: object, kind: str, at: str) -> Mapping[str, Any]:
    """A JSON object of this kind, as far as it says.

    Raises:
        RecordError: It is no object, or says that it is of another kind.
    """
    if not isinstance(data, Mapping):
        raise RecordError(f"{at}: is {shown(data)}; expected an object ({kind})")
    name = data.get("dataclass_name", kind)
    if name != kind:
        raise RecordError(f"{at}: field 'dataclass_name' is {shown(name)}; expected {kind!r}")
    return data


def typed_list(data: Mapping[str, Any], field: str, at: str) -> list[Any]:
    """A field that is a list.

    Raises:
        RecordError: It is missing or something else.
    """
    if field not in data:
        fields = listed(data) or "none"
        raise RecordError(f"{at}: missing field {field!r}; its fields are {fields}")
    value = data[field]
    if not isinstance(value, list):
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected a list")
    return value


def neuron_id(data: Mapping[str, Any], at: str) -> tuple[int, int]:
    """Layer and index of the field ``neuron_id``.

    Raises:
        RecordError: They are not whole numbers from 0.
    """
    found = typed_object(data.get("neuron_id"), "NeuronId", f"{at}: field 'neuron_id'")
    for field in ("layer_index", "neuron_index"):
        value = found.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected a whole number")
    return found["layer_index"], found["neuron_index"]


def check_neuron(found: tuple[int, int], wanted: tuple[int, int], at: str) -> None:
    """Check that a file is of the neuron that its name says.

    Raises:
        RecordError: It is of another one.
    """
    if found != wanted:
        raise RecordError(
            f"{at}: field 'neuron_id' says layer {shown(found[0])}, neuron {shown(found[1])}, "
            "but the file's "
            f"name says layer {wanted[0]}, neuron {wanted[1]}"
        )
