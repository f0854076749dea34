"""What is done to neurons between their source and their splits, and what the log says of it.

Tokens are ignored, and long excerpts cut: a top excerpt around its peak, a random one anywhere.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuron_eval.messages import InputError, listed, shown
from neuron_eval.parameters import check_number
from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, with_changed
from neuron_eval.records.activations import SPECIAL, ignoring, parse_ignored, special_peak
from neuron_eval.records.tokens import is_stored

# What is said of neurons of `has_stored_tokens`, after ``have``
STORED = (
    "tokens as a tokenizer stores them (Ġ or ▁ for a space); models read them so, and so are "
    "they scored: write the text that they stand for"
)

UNCUT = "none"  # in place of a window's length: whole excerpts


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the user wants done to every neuron; made by `parse_treatment`."""

    # Tokens that are left out of peaks, marks and scores, see `ActivationRecord.ignored`.
    ignore: frozenset[str] = frozenset()
    # Tokens of an excerpt at most, 0 for whole ones; None is the rule of `window_length`.
    window: int | None = None

    def __call__(self, neuron: NeuronRecord) -> NeuronRecord:
        """The neuron as it is explained and scored; itself where nothing is to be done."""
        clean = ignoring(neuron, self.ignore)
        return windowed(clean, window_length(clean, self.window))


def loss(before: NeuronRecord, after: NeuronRecord) -> str:
    """How many excerpts a treatment has cost a neuron, to end a message; empty if none."""
    had, left = len(before.excerpts), len(after.excerpts)
    if left == had:
        return ""
    return f"; of its {had} excerpts ignore_tokens and window have left {left}"


def has_stored_tokens(neuron: NeuronRecord) -> bool:
    """Whether most of the first ten excerpts have tokens as a tokenizer stores them."""
    excerpts = neuron.excerpts[:10]
    return 2 * sum(is_stored(excerpt.record.tokens) for excerpt in excerpts) > len(excerpts)


def parse_treatment(ignore_tokens: object, window: object) -> Treatment:
    """What users write after ``-T``, checked."""
    length = 0 if window == UNCUT else window
    try:
        tokens = None if length is None else check_number("window", length, least=0)
    except InputError:
        raise InputError(
            f"window={shown(window)}: expected the tokens of an excerpt, a whole number such "
            f"as {LENGTH}; 0 or {UNCUT} for whole excerpts"
        ) from None
    return Treatment(parse_ignored(ignore_tokens), tokens)


@dataclass
class Treated:
    """What became of a set of neurons, counted up one by one with `add`."""

    treatment: Treatment = field(default_factory=Treatment)
    neurons: int = 0
    window: int = 0  # the length that excerpts were cut to; 0 where none was cut
    cut: int = 0  # neurons that had an excerpt cut
    ignored: Counter[str] = field(default_factory=Counter)  # how often each ignored token stood
    # By special token, the neurons most of whose top excerpts have their peak on it.
    on_special: dict[str, list[str]] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)  # those with tokens as a tokenizer stores them

    def add(self, before: NeuronRecord, after: NeuronRecord) -> None:
        self.neurons += 1
        if length := window_length(before, self.treatment.window):
            self.window, self.cut = length, self.cut + 1
        if self.treatment.ignore:
            records = [excerpt.record for excerpt in after.excerpts]
            self.ignored.update(record.tokens[i] for record in records for i in record.ignored)
        if has_stored_tokens(after):
            self.stored.append(after.id)
        if token := special_peak(after):
            self.on_special.setdefault(token, []).append(after.id)

    def header(self) -> Mapping[str, Any]:
        """What a log's header says, only where something was done."""
        about: dict[str, Any] = {}
        if self.cut:
            about["window"] = {"tokens": self.window, "neurons": self.cut}
        if self.treatment.ignore:
            about["ignored_tokens"] = dict(sorted(self.ignored.items()))
        return about

    def warnings(self) -> list[str]:
        """What a person should know, a sentence each."""
        sentences = [
            f"{len(ids)} of {self.neurons} neurons, the first {ids[0]}, have the peak of most of "
            f"their top excerpts on the special token {token!r}; ignore_tokens={SPECIAL} leaves "
            "such tokens out"
            for token, ids in sorted(self.on_special.items())
        ]
        if self.stored:
            sentences.append(
                f"{len(self.stored)} of {self.neurons} neurons, the first {self.stored[0]}, have "
                f"{STORED}"
            )
        idle = sorted(self.treatment.ignore - {SPECIAL} - set(self.ignored))
        if idle:
            sentences.append(
                f"ignore_tokens: no excerpt holds {listed(idle)}; a token is named as it stands "
                "there, with its white space, and one such as [CLS] wants quotes of its own"
            )
        return sentences


LENGTH = 64  # tokens of a window unless the user says otherwise, as in OpenAI's excerpts of GPT-2
LONG = 128  # unless the user says otherwise, only neurons with an excerpt of more tokens are cut


def window_length(neuron: NeuronRecord, wanted: int | None) -> int:
    """How many tokens of each excerpt to keep at most; 0 where no excerpt has more.

    ``wanted`` is 0 for whole excerpts, and None for `LENGTH` where one has more than `LONG` tokens.
    """
    records = [excerpt.record for excerpt in neuron.excerpts]
    records += (record for stratum in neuron.strata for record in stratum.excerpts)
    longest = max((len(record.tokens) for record in records), default=0)
    if wanted is None:
        return LENGTH if longest > LONG else 0
    return wanted if longest > wanted else 0


def windowed(neuron: NeuronRecord, length: int) -> NeuronRecord:
    """The neuron with each longer excerpt cut to ``length`` tokens; 0 changes nothing.

    A top excerpt, and a puzzle's sentence, is cut with its peak in the middle, or as near to it
    as the text's ends allow. A random excerpt, and one of a stratum, is cut around a token that is
    drawn, by the neuron's id and the excerpt's place alone, from those that are not ignored.
    Windows whose text is the same become one.
    """
    if not length:
        return neuron
    return with_changed(neuron, lambda excerpt: _cut(excerpt, length, neuron.id))


def hashed(text: str) -> int:
    """A number in [0, 2**64) that is the same for the same text on every machine."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def seeded(seed: str) -> np.random.Generator:
    """A generator that draws the same for the same text on every machine."""
    return np.random.default_rng(hashed(seed))


def _cut(excerpt: Excerpt, length: int, id_: str) -> ActivationRecord:
    record = excerpt.record
    size = len(record.tokens)
    if size <= length:
        return record
    places = record.counted(range(size)) or range(1)
    if excerpt.kind in ("random", "quantile"):
        seed = f"{id_}/{excerpt.stratum}" if excerpt.kind == "quantile" else id_
        middle = places[int(seeded(f"{seed}/{excerpt.name}").integers(len(places)))]
    else:  # at the peak; of equals the first that is not ignored
        middle = max(places, key=lambda i: record.activations[i])
    begin = min(max(0, middle - length // 2), size - length)
    end = begin + length
    return ActivationRecord(
        record.tokens[begin:end],
        record.activations[begin:end],
        tuple(i - begin for i in record.ignored if begin <= i < end),
    )
