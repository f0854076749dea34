"""Checking neuron records on loading, with errors that find the place again."""

from __future__ import annotations

import math
from itertools import pairwise

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError


def check_record(neuron: NeuronRecord, where: str) -> NeuronRecord:
    """Check one record against the contract of the field docstrings.

    Args:
        neuron: The record.
        where: File and line (or whatever else finds the record again), for the message.

    Returns:
        The record itself.

    Raises:
        RecordError: Names ``where``, the neuron, the excerpt, the field, the value and what
            would be right.
    """
    at = f"{where}: neuron {neuron.id}"
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        for i, record in enumerate(records):
            _check_excerpt(record, f"{at}: excerpt {kind} {i}")
    for i, (before, after) in enumerate(pairwise(neuron.top)):
        if after.peak > before.peak:
            raise RecordError(
                f"{at}: field 'top': excerpt {i + 1} has peak {after.peak:g}, above excerpt {i} "
                f"with {before.peak:g}; top excerpts must be sorted by peak, highest first"
            )
    _check_boundaries(neuron, at)
    _check_distinct(neuron, at)
    return neuron


def _check_excerpt(record: ActivationRecord, at: str) -> None:
    if not record.tokens:
        raise RecordError(f"{at}: field 'tokens' is empty; an excerpt needs at least one token")
    if len(record.tokens) != len(record.activations):
        raise RecordError(
            f"{at}: {len(record.tokens)} tokens but {len(record.activations)} activations; "
            "fields 'tokens' and 'activations' must have the same length"
        )
    for i, token in enumerate(record.tokens):
        if token == "":
            raise RecordError(f"{at}: field 'tokens': token {i} is an empty string")
    for i, value in enumerate(record.activations):
        if not math.isfinite(value):
            raise RecordError(
                f"{at}: field 'activations': value {i} is {value}; activations must be finite"
            )


def _check_boundaries(neuron: NeuronRecord, at: str) -> None:
    for field in ("quantiles", "quantile_boundaries"):
        values: tuple[float, ...] = getattr(neuron, field)
        if any(not math.isfinite(v) for v in values):
            raise RecordError(f"{at}: field {field!r} holds {values}; every value must be finite")
        if list(values) != sorted(values):
            raise RecordError(f"{at}: field {field!r} holds {values}; it must be ascending")
    if neuron.quantiles and len(neuron.quantiles) != len(neuron.quantile_boundaries):
        raise RecordError(
            f"{at}: {len(neuron.quantiles)} 'quantiles' but {len(neuron.quantile_boundaries)} "
            "'quantile_boundaries'; each level needs its boundary"
        )


def _check_distinct(neuron: NeuronRecord, at: str) -> None:
    """No text may stand twice: it would end up in two splits, and be fitted and scored."""
    seen: dict[str, str] = {}
    named = [(f"top {i}", r) for i, r in enumerate(neuron.top)]
    named += [(f"random {i}", r) for i, r in enumerate(neuron.random)]
    if neuron.given_splits:
        named = [(f"{s} {e.name}", e.record) for s, es in neuron.given_splits for e in es]
    for name, record in named:
        if record.text in seen:
            raise RecordError(
                f"{at}: excerpts {seen[record.text]!r} and {name!r} hold the same text "
                f"{record.text[:60]!r}; excerpts must be distinct so that splits do not overlap"
            )
        seen[record.text] = name
