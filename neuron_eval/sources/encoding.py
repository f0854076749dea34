"""From neuron records to Arrow rows of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

from neuron_eval.messages import message_of, shown
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.sources.columns import arrow_schema
from neuron_eval.sources.objects import to_json

if TYPE_CHECKING:
    import pyarrow

ROWS = 64
"""At most so many neurons in a row group, so that choosing a few reads few others."""

TOKENS = 1_000_000
"""No neuron is added to a row group that holds so many tokens: it has to fit into memory."""


def batches(neurons: Iterable[NeuronRecord]) -> Iterator[pyarrow.RecordBatch]:
    """Neurons as batches, each meant to be one row group; at most one is in memory.

    Raises:
        RecordError: A text cannot be written as UTF-8, or a whole number has over 64 bits.
    """
    held: list[NeuronRecord] = []
    tokens = 0
    for neuron in neurons:
        held.append(neuron)
        tokens += sum(len(record.tokens) for record in _all_excerpts(neuron))
        if len(held) >= ROWS or tokens >= TOKENS:
            yield _batch(held)
            held, tokens = [], 0
    if held:
        yield _batch(held)


def _all_excerpts(neuron: NeuronRecord) -> Iterator[ActivationRecord]:
    placed = chain.from_iterable(excerpts for _, excerpts in neuron.given_splits)
    return chain(neuron.top, neuron.random, (excerpt.record for excerpt in placed))


def _batch(neurons: Sequence[NeuronRecord]) -> pyarrow.RecordBatch:
    import pyarrow as pa

    schema = arrow_schema()
    # Everything but the excerpts goes the simple way; it is little.
    rows = [to_json(replace(neuron, top=(), random=())) for neuron in neurons]
    try:
        columns = [
            _excerpts([getattr(neuron, field.name) for neuron in neurons])
            if field.name in ("top", "random")
            else pa.array([row.get(field.name) for row in rows], field.type)
            for field in schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)
    except (UnicodeEncodeError, OverflowError, pa.ArrowException) as error:
        raise RecordError(
            f"neurons {shown(neurons[0].id)} to {shown(neurons[-1].id)}: cannot be written "
            f"({message_of(error)})"
        ) from error


def _excerpts(lists: Sequence[tuple[ActivationRecord, ...]]) -> pyarrow.ListArray:
    """One column of excerpts; the flat arrays are much faster than nested Python objects."""
    import pyarrow as pa

    records = list(chain.from_iterable(lists))
    tokens = pa.array(list(chain.from_iterable(r.tokens for r in records)), pa.string())
    values = pa.array(list(chain.from_iterable(r.activations for r in records)), pa.float64())
    structs = pa.StructArray.from_arrays(
        [
            pa.ListArray.from_arrays(_offsets([r.tokens for r in records]), tokens),
            pa.ListArray.from_arrays(_offsets([r.activations for r in records]), values),
        ],
        names=["tokens", "activations"],
    )
    return pa.ListArray.from_arrays(_offsets(lists), structs)


def _offsets(lists: Sequence[Sequence[Any]]) -> pyarrow.Array:
    import pyarrow as pa

    return pa.array([0, *accumulate(map(len, lists))], pa.int32())
