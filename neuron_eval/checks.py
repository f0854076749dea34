"""Checking neuron records on loading, with errors that find the place again.

What is looked at first is one expression over a whole excerpt, because records come by the
hundred thousand; only where that finds a fault is the excerpt searched for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    _check_identity(neuron, at)
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        for i, record in enumerate(records):
            _check_excerpt(record, f"{at}: excerpt {kind} {i}")
    for split, excerpts in neuron.given_splits:
        for excerpt in excerpts:
            _check_excerpt(excerpt.record, f"{at}: excerpt {split} {excerpt.name}")
    peaks = [record.peak for record in neuron.top]
    if peaks != sorted(peaks, reverse=True):
        raise RecordError(f"{at}: field 'top': {_unsorted(peaks)}")
    _check_numbers(neuron, at)
    _check_texts(neuron, at)
    return neuron


def _check_identity(neuron: NeuronRecord, at: str) -> None:
    if not neuron.id.strip():
        raise RecordError(f"{at}: field 'id' is {neuron.id!r}; expected a name to find it by")
    for field, value in (("layer", neuron.layer), ("neuron", neuron.neuron)):
        if value < -1:
            raise RecordError(
                f"{at}: field {field!r} is {value}; expected a whole number from 0, or -1 where "
                "the neuron is not part of a network"
            )


def _check_excerpt(record: ActivationRecord, at: str) -> None:
    if not record.tokens:
        raise RecordError(f"{at}: field 'tokens' is empty; an excerpt needs at least one token")
    if len(record.tokens) != len(record.activations):
        raise RecordError(
            f"{at}: {len(record.tokens)} tokens but {len(record.activations)} activations; "
            "fields 'tokens' and 'activations' must have the same length"
        )
    if not all(record.tokens):
        empty = record.tokens.index("")
        raise RecordError(f"{at}: field 'tokens': token {empty} is an empty string")
    # The sum of finite numbers may overflow, so it alone is no proof of a fault.
    if not math.isfinite(sum(record.activations)):
        for i, value in enumerate(record.activations):
            if not math.isfinite(value):
                raise RecordError(
                    f"{at}: field 'activations': value {i} is {value}; activations must be finite"
                )


def _unsorted(peaks: list[float]) -> str:
    i, before, after = next(
        (i, before, after) for i, (before, after) in enumerate(pairwise(peaks)) if after > before
    )
    return (
        f"excerpt {i + 1} has peak {after:g}, above excerpt {i} with {before:g}; top excerpts "
        "must be sorted by peak, highest first"
    )


def _check_numbers(neuron: NeuronRecord, at: str) -> None:
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
    if neuron.cutoff is not None and not math.isfinite(neuron.cutoff):
        raise RecordError(f"{at}: field 'cutoff' is {neuron.cutoff}; it must be finite")


def _check_texts(neuron: NeuronRecord, at: str) -> None:
    """No text may stand twice, nor hold what no file can keep."""
    excerpts = [(name, record.text) for name, record in _named(neuron)]
    seen: dict[str, str] = {}
    for name, text in excerpts:
        first = seen.setdefault(text, name)
        # Such an excerpt would end up in two splits, and be fitted and scored.
        if first is not name:
            raise RecordError(
                f"{at}: excerpts {first!r} and {name!r} hold the same text "
                f"{text[:60]!r}; excerpts must be distinct so that splits do not overlap"
            )
    fields = list(_texts(neuron))
    whole = "".join([text for _, text in fields] + [text for _, text in excerpts])
    if not _encodable(whole):
        _find_surrogate(fields + [(f"excerpt {name}", text) for name, text in excerpts], at)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _find_surrogate(texts: list[tuple[str, str]], at: str) -> None:
    """Name the text that holds half a character, which JSON can write but UTF-8 cannot."""
    name, text = next((name, text) for name, text in texts if not _encodable(text))
    raise RecordError(
        f"{at.encode('utf-8', 'backslashreplace').decode()}: {name} holds half of a surrogate "
        f"pair in {text[:60]!r}; write the whole character"
    )


def _texts(neuron: NeuronRecord) -> Iterator[tuple[str, str]]:
    yield "field 'id'", neuron.id
    yield "field 'model'", neuron.model
    yield "field 'group'", neuron.group
    if neuron.reference:
        yield "field 'reference'", neuron.reference.explanation + neuron.reference.source
    for other in neuron.other_explanations:
        yield "field 'other_explanations'", other.explanation + other.source
    for false in neuron.false_explanations:
        yield "field 'false_explanations'", false


def _named(neuron: NeuronRecord) -> list[tuple[str, ActivationRecord]]:
    """Every excerpt with its name; those of fixed splits, if there are any, in place of lists."""
    if neuron.given_splits:
        return [(f"{s} {e.name}", e.record) for s, es in neuron.given_splits for e in es]
    named = [(f"top {i}", r) for i, r in enumerate(neuron.top)]
    return named + [(f"random {i}", r) for i, r in enumerate(neuron.random)]
