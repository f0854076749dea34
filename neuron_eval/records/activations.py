"""Activations as they are stored and as models see them, and those that explain nothing.

Models see whole numbers from 0 to 10 (Bills et al. 2023). Many neurons fire hardest on the token
that opens a text, such as ``<bos>``: their peaks, and so what is shown of them and how they are
scored, then tell of that token alone. Such tokens stay in the text and count for nothing else.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.messages import InputError, shown
from neuron_eval.parameters import check_writable
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, with_changed
from neuron_eval.records.tokens import SPECIAL as MARKED

LEVELS = 10  # normalised activations are whole numbers from 0 to this


def highest(excerpts: Sequence[ActivationRecord]) -> float:
    """The highest raw activation of all excerpts after a relu, so at least 0."""
    return max((0.0, *(excerpt.peak for excerpt in excerpts)))


def lowest(excerpts: Sequence[ActivationRecord]) -> float:
    """The lowest raw activation of all excerpts that counts; 0 without any."""
    values = (min(e.counted(e.activations), default=0.0) for e in excerpts)
    return min(values, default=0.0)


def normalise(activations: Iterable[float], maximum: float) -> list[int]:
    """Raw activations as whole numbers from 0: min(10, floor(10 max(x, 0) / maximum)).

    With a maximum of 0 or below everything is 0.
    """
    if maximum <= 0:
        return [0 for _ in activations]
    return [min(LEVELS, math.floor(LEVELS * max(x, 0.0) / maximum)) for x in activations]


DIGITS = 4  # significant digits of a stored activation: relative error at most 0.05 %
# Looked up instead of computed, because `pow` may be off in the last bit, and then a stored
# activation would be 0.12340000000000001.
_POWERS = np.array([float(f"1e{k}") for k in range(64)])


def round_significant(values: NDArray[Any]) -> NDArray[np.float64]:
    """Finite numbers of single precision with `DIGITS` significant digits; no negative zero.

    The order stays (a <= b), so that the peak of rounded activations is the rounded peak.
    """
    exact = np.asarray(values, dtype=np.float64)
    size = np.abs(exact)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0))).astype(np.int64)
    shift = DIGITS - 1 - exponent
    up, down = _POWERS[np.clip(shift, 0, None)], _POWERS[np.clip(-shift, 0, None)]
    rounded: NDArray[np.float64] = np.round(exact * up / down) * down / up
    return rounded + 0.0


class UnfitNeuronError(RecordError):
    """A sound record of a neuron that there is nothing to explain of."""


def why_unfit(neuron: NeuronRecord) -> str | None:
    """What is the matter with a neuron, in a clause that begins with its kind; None if nothing is.

    - ``dead``: no token of its excerpts has an activation above 0.
    - ``fires everywhere``: each token of all its excerpts, random ones too, has an activation of
      at least a tenth of the highest, so that none is 0 on the scale of 0 to 10.
    - ``one text``: its top excerpts (without ignored tokens, up to white space) are all the same.
    """
    records = [excerpt.record for excerpt in neuron.excerpts]
    values = [value for record in records for value in record.counted(record.activations)]
    if not values:
        return None
    peak = max(values)
    if peak <= 0:
        return f"dead: none of its {len(values)} activations is above 0"
    if normalise([min(values)], peak)[0] > 0:
        return (
            f"fires everywhere: each of its {len(values)} activations is at least a tenth of the "
            f"highest, {peak:g}"
        )
    top = neuron.top or neuron.random
    texts = {" ".join("".join(record.counted(record.tokens)).split()) for record in top}
    # A source may have left out repeats; what is then left of them is one excerpt.
    if not neuron.given_splits and len(texts) == 1 and len(top) + neuron.repeated > 1:
        return f"one text: its top excerpts all read {' '.join(top[0].text.split())[:60]!r}"
    return None


SPECIAL = "special"  # stands for every special token of the neuron's source

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

    Names are tokens as they stand in the excerpts, and `SPECIAL`.
    """
    if not names:
        return neuron
    special = frozenset(map(str.strip, neuron.special_tokens))

    def ignored(token: str) -> bool:
        return token in names or (SPECIAL in names and _is_special(token, special))

    return with_changed(neuron, lambda excerpt: without(excerpt.record, ignored))


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


def without(record: ActivationRecord, ignores: Callable[[str], bool]) -> ActivationRecord:
    """The excerpt with the tokens ignored that ``ignores`` is true of, which may be all."""
    ignored = tuple(i for i, token in enumerate(record.tokens) if ignores(token))
    if not ignored:
        return record
    marked = replace(record, ignored=ignored)
    # Nowhere above the others, so that no format can take it for a peak or mark it.
    floor = min([0.0, *marked.counted(record.activations)])
    left_out = frozenset(ignored)
    values = tuple(floor if i in left_out else v for i, v in enumerate(record.activations))
    return replace(marked, activations=values)
