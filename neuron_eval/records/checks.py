"""Checking neuron records on loading, with errors that find the place again.

By hand and not by pydantic, because records come by the hundred thousand: what is looked at first
is one expression over a whole excerpt; only where that finds a fault is the excerpt searched.
"""

import math
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from neuron_eval.messages import listed, shortened, shown, without_surrogates
from neuron_eval.records import (
    TOP_SPLITS,
    ActivationRecord,
    NeuronRecord,
    RecordError,
    Stratum,
    with_excerpts,
)
from neuron_eval.records.heatmap import token_signs

# The largest whole number that a browser, which shows the logs, can tell from the next.
LARGEST = 2**53 - 1
HIGHEST = sys.float_info.max / 10  # of activations: on the scale of 0 to 10 a larger one overflows
SHARES_OFF = 1e-3  # what the shares of a neuron's strata may miss 1 by, since files round them


def check_record(neuron: NeuronRecord, where: str) -> NeuronRecord:
    """The record, checked against what its fields must hold.

    Where a text holds half a character, it is a copy that has U+FFFD there. ``where`` is file and
    line, or whatever else finds the record again, for the message.
    """
    at = f"{where}: neuron {named(neuron.id)}"
    check_id(neuron.id, at)
    _check_identity(neuron, at)
    _check_splits(neuron, at)
    kinds = (("top", neuron.top), ("random", neuron.random))
    lists = [(f"{kind} {i}", r) for kind, records in kinds for i, r in enumerate(records)]
    given = [(f"{name} {e.name}", e.record) for name, es in neuron.given_splits for e in es]
    # Excerpts by stratum may be among the others too.
    drawn = [
        (f"{i} of stratum {number}", record)
        for number, stratum in enumerate(neuron.strata)
        for i, record in enumerate(stratum.excerpts)
    ]
    for name, record in lists + given + drawn:
        _check_excerpt(record, f"{at}: excerpt {name}")
    _check_shares(neuron, at)
    texts = [record.text for _, record in lists + given + drawn]
    texts += (neuron.model, neuron.group, *neuron.false_explanations, *neuron.special_tokens)
    for reference in filter(None, (neuron.reference, *neuron.other_explanations)):
        texts += (reference.explanation, reference.source)
    try:  # UTF-8 cannot hold the half characters that JSON can write
        "".join(texts).encode()
    except UnicodeEncodeError:
        return check_record(without_surrogates(neuron), where)
    _check_sorted([record.peak for record in neuron.top], at)
    _check_numbers(neuron, at)
    _check_distinct(given or lists, at)
    _check_distinct(drawn, at)
    return neuron


def foreign_record(
    identity: NeuronRecord,
    top: Iterable[ActivationRecord],
    random: Iterable[ActivationRecord],
    strata: Iterable[tuple[float, Iterable[ActivationRecord]]],
    where: str,
) -> NeuronRecord:
    """The record of a neuron with another project's excerpts, checked; see `with_excerpts`.

    ``strata`` are shares with their excerpts; the record has none if one of them has no text of its
    own to stand for its share.
    """
    parts = [Stratum(share, tuple(excerpts)) for share, excerpts in strata]
    neuron = with_excerpts(identity, top, random, parts)
    if len(neuron.strata) < len(parts):
        neuron = replace(neuron, strata=())
    return check_record(neuron, where)


def check_id(id_: str, at: str) -> None:
    """Raise a RecordError if a text cannot be a neuron's id; ``at`` is file, and line or record."""
    if fault := fault_of(id_):
        raise RecordError(
            f"{at}: field 'id' is {shown(id_)}; expected a name to find it by, such as "
            f"gpt2-xl/L5N131, but it {fault}"
        )


_OUTSIDE = "a whole number from 0, or -1 where the neuron is not part of a network"

# Fields with the lowest number that they may have, and what is expected of them
_COUNTED = (
    ("layer", -1, _OUTSIDE),
    ("neuron", -1, _OUTSIDE),
    ("repeated", 0, "how many excerpts were left out as repeats, a whole number from 0"),
)


def _check_identity(neuron: NeuronRecord, at: str) -> None:
    for field, least, expected in _COUNTED:
        value: int = getattr(neuron, field)
        if not least <= value <= LARGEST:
            raise RecordError(
                f"{at}: field {field!r} is {shown(value)}; expected {expected}, and none above "
                f"{LARGEST}"
            )
    if neuron.page and not neuron.page.startswith("https://"):
        raise RecordError(
            f"{at}: field 'page' is {shown(neuron.page)}; expected the address of the neuron's "
            "page, beginning with https://"
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
            if not abs(value) <= HIGHEST:
                scaled = f" when they are scaled to 0 to 10, so none may be above {HIGHEST:.2e}"
                raise RecordError(
                    f"{at}: field 'activations': value {i} is {value}; activations must be finite"
                    f"{scaled if math.isfinite(value) else ''}"
                )


def _check_shares(neuron: NeuronRecord, at: str) -> None:
    shares = [stratum.share for stratum in neuron.strata]
    for i, stratum in enumerate(neuron.strata):
        if not 0 < stratum.share <= 1:
            raise RecordError(
                f"{at}: field 'strata': stratum {i} has the share {stratum.share:g}; expected the "
                "part of all text that it stands for, above 0 and at most 1"
            )
        if not stratum.excerpts:
            raise RecordError(
                f"{at}: field 'strata': stratum {i} holds no excerpts; without any, nothing stands "
                "for its share of all text"
            )
    if shares and abs(math.fsum(shares) - 1) > SHARES_OFF:
        raise RecordError(
            f"{at}: field 'strata': the shares sum to {math.fsum(shares):g}; the strata must be "
            "the parts of all text, so expected 1"
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


def _check_distinct(excerpts: list[tuple[str, ActivationRecord]], at: str) -> None:
    """No text may stand twice: it would end up in two splits, and be fitted and scored."""
    seen: dict[str, str] = {}
    for name, record in excerpts:
        first = seen.setdefault(record.text, name)
        if first is not name:
            raise RecordError(
                f"{at}: excerpts {first!r} and {name!r} hold the same text "
                f"{shown(record.text, 60)}; excerpts must be distinct so that splits do not overlap"
            )


LONGEST = 200  # bytes of UTF-8: a file system takes 255 in a name, of which Inspect needs some

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
