"""A neuron's record as OpenAI's neuron-explainer writes it; nothing here reads a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.sources.fields import numbers
from neuron_eval.sources.foreign import excerpt, foreign_record
from neuron_eval.sources.openai.json_fields import (
    check_neuron,
    neuron_id,
    parse,
    typed_list,
    typed_object,
)

TOP = "most_positive_activation_records"
RANDOM = "random_sample"
BOUNDARIES = "quantile_boundaries"


def parse_record(
    content: bytes | str, model: str, layer: int, neuron: int, where: str
) -> NeuronRecord:
    """A record file as a neuron; moments and the samples by quantile are left aside.

    Args:
        content: The JSON of one neuron.
        model: The subject model's name.
        layer: The layer that the file should be of.
        neuron: The index that the file should be of.
        where: The file, for messages.

    Raises:
        RecordError: Not JSON, not a neuron record, of another neuron, or with a bad excerpt.
    """
    data = typed_object(parse(content, where), "NeuronRecord", where)
    check_neuron(neuron_id(data, where), (layer, neuron), where)
    identity = NeuronRecord(
        id=neuron_name(model, layer, neuron),
        model=model,
        layer=layer,
        neuron=neuron,
        top=(),
        random=(),
        quantile_boundaries=(
            () if data.get(BOUNDARIES) is None else numbers(data, BOUNDARIES, where)
        ),
    )
    top, random = _excerpts(data, TOP, where), _excerpts(data, RANDOM, where)
    return foreign_record(identity, top, random, where)


def neuron_name(model: str, layer: int, neuron: int) -> str:
    """The neuron's id, such as ``gpt2-xl/L5N131``."""
    return f"{model}/L{layer}N{neuron}"


def _excerpts(data: Mapping[str, Any], field: str, where: str) -> Iterator[ActivationRecord]:
    for i, item in enumerate(typed_list(data, field, where)):
        at = f"{where}: field {field!r}, excerpt {i}"
        item = typed_object(item, "ActivationRecord", at)
        try:
            yield excerpt(item.get("tokens"), item.get("activations"), at)
        except OverflowError as error:
            raise RecordError(f"{at}: an activation is too large for a number") from error
