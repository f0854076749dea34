"""Checking neuron records on loading, with errors that find the place again.

By hand and not by pydantic, because records come by the hundred thousand: what is looked at first
is one expression over a whole excerpt; only where that finds a fault is the excerpt searched.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from neuron_eval.messages import listed, shortened, shown, without_surrogates
from neuron_eval.records import TOP_SPLITS, ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.heatmap import token_signs
from neuron_eval.records.strata import check_shares

# The largest whole number that a browser, which shows the logs, can tell from the next.
LARGEST = 2**53 - 1

HIGHEST = sys.float_info.max / 10  # of activations: on the scale of 0 to 10 a larger one overflows


def check_record(neuron: NeuronRecord, where: str) -> NeuronRecord:
    """Check one record against the contract of the field docstrings.

    Args:
        neuron: The record.
        where: File and line (or whatever else finds the record again), for the message.

    Returns:
        The record itself; where a text held half a character, a copy that has U+FFFD there.
    """
    at = f"{where}: neuron {named(neuron.id)}"
    check_id(neuron.id, at)
    _check_identity(neuron, at)
    _check_repeated(neuron, at)
    if neuron.page and not neuron.page.startswith("https://"):
        raise RecordError(
            f"{at}: field 'page' is {shown(neuron.page)}; expected the address of the neuron's "
            "page, beginning with https://"
        )
    _check_splits(neuron, at)
    for kind, records in (("top", neuron.top), ("random", neuron.random)):
        for i, record in enumerate(records):
            _check_excerpt(record, f"{at}: excerpt {kind} {i}")
    for split, excerpts in neuron.given_splits:
        for excerpt in excerpts:
            _check_excerpt(excerpt.record, f"{at}: excerpt {split} {excerpt.name}")
    strata = _named_in_strata(neuron)
    for name, record in strata:
        _check_excerpt(record, f"{at}: excerpt {name}")
    check_shares(neuron, at)
    texts = [(name, record.text) for name, record in _named(neuron)]
    drawn = [(name, record.text) for name, record in strata]
    if not _encodable("".join([text for _, text in texts + drawn] + list(_texts(neuron)))):
        return check_record(without_surrogates(neuron), where)
    _check_sorted([record.peak for record in neuron.top], at)
    _check_numbers(neuron, at)
    _check_distinct(texts, at)
    _check_distinct(drawn, at)
    return neuron


def check_id(id_: str, at: str) -> None:
    """Raise a RecordError if a text cannot be a neuron's id; ``at`` is file, and line or record."""
    if fault := fault_of(id_):
        raise RecordError(
            f"{at}: field 'id' is {shown(id_)}; expected a name to find it by, such as "
            f"gpt2-xl/L5N131, but it {fault}"
        )


def _check_identity(neuron: NeuronRecord, at: str) -> None:
    for field, value in (("layer", neuron.layer), ("neuron", neuron.neuron)):
        if not -1 <= value <= LARGEST:
            raise RecordError(
                f"{at}: field {field!r} is {shown(value)}; expected a whole number from 0, or -1 "
                f"where the neuron is not part of a network, and none above {LARGEST}"
            )


def _check_repeated(neuron: NeuronRecord, at: str) -> None:
    if not 0 <= neuron.repeated <= LARGEST:
        raise RecordError(
            f"{at}: field 'repeated' is {shown(neuron.repeated)}; expected how many excerpts were "
            f"left out as repeats, a whole number from 0, and none above {LARGEST}"
        )


def _check_splits(neuron: NeuronRecord, at: str) -> None:
    names = [name for name, _ in neuron.given_splits]
    if set(names) - set(TOP_SPLITS) or len(set(names)) < len(names):
        raise RecordError(
            f"{at}: field 'splits' has {listed(names)}; expected each of {', '.join(TOP_SPLITS)} "
            "at most once"
        )
    if names and not dict(neuron.given_splits).get("train"):
        raise RecordError(
            f"{at}: field 'splits': split 'train' is missing or empty; the explainer is shown its "
            "excerpts, so it needs at least one"
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
    # The sum of sound activations may overflow, so it alone is no proof of a fault.
    if not math.isfinite(10 * sum(map(abs, record.activations))):
        for i, value in enumerate(record.activations):
            if not math.isfinite(value):
                raise RecordError(
                    f"{at}: field 'activations': value {i} is {value}; activations must be finite"
                )
            if abs(value) > HIGHEST:
                raise RecordError(
                    f"{at}: field 'activations': value {i} is {value}; activations must be finite "
                    f"when they are scaled to 0 to 10, so none may be above {HIGHEST:.2e}"
                )


def _check_sorted(peaks: list[float], at: str) -> None:
    for i, (before, after) in enumerate(pairwise(peaks)):
        if after > before:
            raise RecordError(
                f"{at}: field 'top': excerpt {i + 1} has peak {after:g}, above excerpt {i} with "
                f"{before:g}; top excerpts must be sorted by peak, highest first"
            )


def _check_numbers(neuron: NeuronRecord, at: str) -> None:
    for field in ("quantiles", "quantile_boundaries"):
        values: tuple[float, ...] = getattr(neuron, field)
        if any(not math.isfinite(v) for v in values):
            raise RecordError(
                f"{at}: field {field!r} holds {shown(values)}; every value must be finite"
            )
        if list(values) != sorted(values):
            raise RecordError(f"{at}: field {field!r} holds {shown(values)}; it must be ascending")
    if neuron.quantiles and len(neuron.quantiles) != len(neuron.quantile_boundaries):
        raise RecordError(
            f"{at}: {len(neuron.quantiles)} 'quantiles' but {len(neuron.quantile_boundaries)} "
            "'quantile_boundaries'; each level needs its boundary"
        )
    if neuron.cutoff is not None and not math.isfinite(neuron.cutoff):
        raise RecordError(f"{at}: field 'cutoff' is {neuron.cutoff}; it must be finite")


def _check_distinct(excerpts: list[tuple[str, str]], at: str) -> None:
    """No text may stand twice: it would end up in two splits, and be fitted and scored."""
    seen: dict[str, str] = {}
    for name, text in excerpts:
        first = seen.setdefault(text, name)
        if first is not name:
            raise RecordError(
                f"{at}: excerpts {first!r} and {name!r} hold the same text {shown(text, 60)}; "
                "excerpts must be distinct so that splits do not overlap"
            )


def _encodable(text: str) -> bool:
    """Whether UTF-8 can hold it, which cannot hold the half characters that JSON can write."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _texts(neuron: NeuronRecord) -> Iterator[str]:
    """Every text but the id and the excerpts'."""
    yield from (neuron.model, neuron.group, *neuron.false_explanations, *neuron.special_tokens)
    for reference in (neuron.reference, *neuron.other_explanations):
        if reference:
            yield reference.explanation
            yield reference.source


def _named(neuron: NeuronRecord) -> list[tuple[str, ActivationRecord]]:
    """Every excerpt with its name; those of fixed splits, if there are any, in place of lists."""
    if neuron.given_splits:
        return [(f"{s} {e.name}", e.record) for s, es in neuron.given_splits for e in es]
    named = [(f"top {i}", r) for i, r in enumerate(neuron.top)]
    return named + [(f"random {i}", r) for i, r in enumerate(neuron.random)]


def _named_in_strata(neuron: NeuronRecord) -> list[tuple[str, ActivationRecord]]:
    """Excerpts by stratum, which may be among the others too."""
    return [
        (f"{i} of stratum {number}", record)
        for number, stratum in enumerate(neuron.strata)
        for i, record in enumerate(stratum.excerpts)
    ]


LONGEST = 200
"""Bytes of UTF-8: a file system takes 255 in a name, of which Inspect needs some."""

_UNFIT = {
    "Cc": "the control character",
    "Cs": "half of a surrogate pair,",
    "Zl": "the line separator",
    "Zp": "the paragraph separator",
}


def fault_of(id_: str) -> str:
    """Why a text cannot be a neuron's id, to stand after ``it``; empty if it can be one."""
    if not id_.strip():
        return "is blank"
    if id_ != id_.strip():
        return "begins or ends with a blank"
    for c in () if id_.isprintable() else id_:
        if unfit := _UNFIT.get(unicodedata.category(c)):
            return f"holds {unfit} U+{ord(c):04X}"
    if "\\" in id_:
        return "holds a backslash"
    if any(part in ("", ".", "..") for part in id_.split("/")):
        return "has a part before, between or after its slashes that is empty, '.' or '..'"
    size = len(id_.encode())
    if size > LONGEST:
        return f"is {size} bytes long as UTF-8, more than {LONGEST}"
    return ""


def named(id_: object) -> str:
    """An id for a message: cut, and with signs for what has no shape."""
    if not isinstance(id_, str):
        return shown(id_)
    return shortened(token_signs(id_[: LONGEST + 1]), LONGEST)
