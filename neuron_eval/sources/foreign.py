"""Records from other projects' files, made to keep the contract of `neuron_eval.records`.

What these files are free to do and records are not: excerpts may repeat, may be unsorted, and
tokens may be empty. Repeats after the first go, excerpts are sorted by peak (stable), an empty
token goes with its activation, since it can neither be shown nor predicted. Anything else that
is wrong is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from neuron_eval.messages import shown
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, with_excerpts
from neuron_eval.records.checks import check_record


def excerpt(tokens: object, activations: object, at: str) -> ActivationRecord:
    """One excerpt from two JSON lists, without its empty tokens.

    Args:
        tokens: A list of strings, shape [T].
        activations: A list of numbers, shape [T].
        at: File, record and excerpt, for the message.

    Raises:
        RecordError: Not lists, of different lengths, not strings, or not finite numbers (other
            projects write NaN as null); the message names the place and the value.
    """
    for field, values in (("tokens", tokens), ("activations", activations)):
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise RecordError(f"{at}: field {field!r} is {shown(values)}; expected a list")
    assert isinstance(tokens, Sequence)
    assert isinstance(activations, Sequence)
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


def foreign_record(
    neuron: NeuronRecord,
    top: Iterable[ActivationRecord],
    random: Iterable[ActivationRecord],
    where: str,
) -> NeuronRecord:
    """A record with these excerpts, sorted and without repeats, checked.

    Args:
        neuron: Everything but the excerpts.
        top: Excerpts on which the neuron fires most, in any order.
        random: Excerpts drawn at random; one whose text is among ``top`` is left out.
        where: File and record, for the message.

    Raises:
        RecordError: See `neuron_eval.records.checks.check_record`.
    """
    return check_record(with_excerpts(neuron, top, random), where)
