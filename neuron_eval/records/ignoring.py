"""Tokens that stay in the text and count for nothing else, such as ``<bos>``.

Many neurons fire hardest on the token that opens a text, whatever the text says: their peaks, and
so what is shown of them and how they are scored, then tell of that token alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from neuron_eval.messages import InputError, shown
from neuron_eval.parameters import check_writable
from neuron_eval.records import ActivationRecord, NeuronRecord, with_excerpts
from neuron_eval.records.tokens import SPECIAL as MARKED

SPECIAL = "special"
"""Stands for every special token of the neuron's source."""

WELL_KNOWN = frozenset((
    "<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<s>", "</s>", "<cls>", "<sep>", "<BOS>", "<EOS>",
    "<PAD>", "<UNK>", "<start_of_turn>", "<end_of_turn>", "[BOS]", "[EOS]", "[CLS]", "[SEP]",
    "[PAD]", "[UNK]", "[MASK]", "[INST]", "[/INST]",
))  # fmt: skip
"""What is special where the source does not say, besides all that looks like ``<|endoftext|>``;
white space around a token does not count."""


def parse_ignored(value: object) -> frozenset[str]:
    """The names after ``-T ignore_tokens=``, one or a list; none where it is None."""
    if value is None:
        return frozenset()
    names = value if isinstance(value, list | tuple) else [value]
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(
                f"ignore_tokens={shown(value)}: expected {SPECIAL}, or tokens such as <bos>; one "
                "that reads as a number or the like wants quotes of its own"
            )
        check_writable(ignore_tokens=name)
    if not names:
        raise InputError(f"ignore_tokens={shown(value)}: name at least one token")
    return frozenset(names)


def ignoring(neuron: NeuronRecord, names: frozenset[str]) -> NeuronRecord:
    """The neuron with these tokens ignored, see `neuron_eval.records.ActivationRecord.ignored`.

    Names are tokens as they stand in the excerpts, and `SPECIAL`. Top excerpts are sorted by what
    is left; an excerpt of ignored tokens alone is left out, but for those of given splits.
    """
    if not names:
        return neuron
    special = frozenset(map(str.strip, neuron.special_tokens))

    def ignored(token: str) -> bool:
        return token in names or (SPECIAL in names and _is_special(token, special))

    if neuron.given_splits:
        splits = tuple(
            (name, tuple(replace(e, record=_without(e.record, ignored)) for e in given))
            for name, given in neuron.given_splits
        )
        return replace(neuron, given_splits=splits)
    top, random = (
        [record for record in (_without(r, ignored) for r in records) if _counts(record)]
        for records in (neuron.top, neuron.random)
    )
    return with_excerpts(neuron, top, random)


def ignored_tokens(neuron: NeuronRecord) -> Counter[str]:
    """How often each ignored token stands in the neuron's excerpts."""
    return Counter(
        excerpt.record.tokens[i] for excerpt in neuron.excerpts for i in excerpt.record.ignored
    )


def special_peak(neuron: NeuronRecord) -> str | None:
    """The special token that holds the peak of more than half of the top excerpts, if one does."""
    special = frozenset(map(str.strip, neuron.special_tokens))
    firing = [e.record for e in neuron.excerpts if e.kind != "random" and e.record.peak > 0]
    peaks = Counter(r.tokens[r.activations.index(r.peak)].strip() for r in firing)
    token, count = max(peaks.items(), key=lambda item: item[1], default=("", 0))
    return token if _is_special(token, special) and 2 * count > len(firing) else None


def _is_special(token: str, special: frozenset[str]) -> bool:
    """Whether a token is among those that the source calls special, or well known as such."""
    bare = token.strip()
    return bare in special if special else bare in WELL_KNOWN or bool(MARKED.fullmatch(bare))


def _without(record: ActivationRecord, ignores: Callable[[str], bool]) -> ActivationRecord:
    ignored = tuple(i for i, token in enumerate(record.tokens) if ignores(token))
    if not ignored:
        return record
    marked = replace(record, ignored=ignored)
    # Nowhere above the others, so that no format can take it for a peak or mark it.
    floor = min([0.0, *marked.counted(record.activations)])
    left_out = frozenset(ignored)
    values = tuple(floor if i in left_out else v for i, v in enumerate(record.activations))
    return replace(marked, activations=values)


def _counts(record: ActivationRecord) -> bool:
    return len(record.ignored) < len(record.tokens)
