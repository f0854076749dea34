"""Long excerpts cut to a window: of a top excerpt around its peak, of a random one anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, with_excerpts

LENGTH = 64
"""Tokens of a window unless the user says otherwise, as in OpenAI's excerpts of GPT-2."""

LONG = 128
"""Unless the user says otherwise, only neurons with an excerpt of more tokens are cut."""


def window_length(neuron: NeuronRecord, asked: int | None) -> int:
    """How many tokens of each excerpt to keep at most; 0 where no excerpt has more.

    Args:
        neuron: A checked record.
        asked: What the user asked for, 0 for whole excerpts; None for `LENGTH` where an excerpt
            has more than `LONG` tokens.
    """
    longest = max((len(excerpt.record.tokens) for excerpt in neuron.excerpts), default=0)
    if asked is None:
        return LENGTH if longest > LONG else 0
    return asked if longest > asked else 0


def windowed(neuron: NeuronRecord, length: int) -> NeuronRecord:
    """The neuron with each longer excerpt cut to ``length`` tokens.

    A top excerpt, and a puzzle's sentence, is cut with its peak in the middle, or as near to it
    as the text's ends allow. A random excerpt is cut around a token that is drawn, by the neuron's
    id and the excerpt's place alone, from those that are not ignored. Windows whose text is the
    same become one.

    Args:
        neuron: A checked record.
        length: Tokens, at least 1; 0 changes nothing.
    """
    if not length:
        return neuron
    if neuron.given_splits:
        return _with_given_splits_cut(neuron, length)
    cut = [(one.kind, _cut(one, length, neuron.id)) for one in neuron.excerpts]
    return with_excerpts(
        neuron,
        (record for kind, record in cut if kind == "top"),
        (record for kind, record in cut if kind == "random"),
    )


def _with_given_splits_cut(neuron: NeuronRecord, length: int) -> NeuronRecord:
    texts: set[str] = set()
    splits = []
    for name, given in neuron.given_splits:
        kept = []
        for one in given:
            record = _cut(one, length, neuron.id)
            if record.text not in texts:
                texts.add(record.text)
                kept.append(replace(one, record=record))
        splits.append((name, tuple(kept)))
    return replace(neuron, given_splits=tuple(splits))


def seeded(seed: str) -> np.random.Generator:
    """A generator that draws the same for the same text on every machine."""
    digest = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest))


def _cut(excerpt: Excerpt, length: int, id_: str) -> ActivationRecord:
    record = excerpt.record
    size = len(record.tokens)
    if size <= length:
        return record
    middle = _drawn(excerpt, id_) if excerpt.kind == "random" else _peak_at(record)
    begin = min(max(0, middle - length // 2), size - length)
    end = begin + length
    return ActivationRecord(
        record.tokens[begin:end],
        record.activations[begin:end],
        tuple(i - begin for i in record.ignored if begin <= i < end),
    )


def _peak_at(record: ActivationRecord) -> int:
    """The position of the peak; of equals the first that is not ignored."""
    places = record.counted(range(len(record.tokens))) or range(1)
    return max(places, key=lambda i: record.activations[i])


def _drawn(excerpt: Excerpt, id_: str) -> int:
    places = excerpt.record.counted(range(len(excerpt.record.tokens))) or range(1)
    return places[int(seeded(f"{id_}/{excerpt.name}").integers(len(places)))]
