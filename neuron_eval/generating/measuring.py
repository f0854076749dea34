"""From the neuron's activations on written texts to the numbers of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuron_eval.generating import LEAST, Tried
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.activations import without
from neuron_eval.records.splits import DealtNeuron


@dataclass(frozen=True, slots=True)
class Result:
    """What an explanation's texts say of a neuron."""

    auroc: float | None
    """How often a fitting text's peak is above that of a random excerpt, in [0, 1]; a tie is half.
    None where nothing is measured."""

    auroc_same_length: float | None
    """Likewise above that of the excerpt's pieces of as many tokens as the text has: a long text
    has more chances of a high peak than a short one. None where nothing is measured."""

    auroc_near: float | None
    """Likewise above that of a near text; None where there are fewer than `LEAST` of these."""

    share_above: float  # of fitting texts those with a peak above the cutoff, in [0, 1]
    cutoff: float  # the raw activation above which tokens are highlighted
    reason: str = ""  # why nothing is measured; empty if something is


def held_out_random(dealt: DealtNeuron) -> tuple[Excerpt, ...]:
    """The random excerpts of the valid and the calibration split, on which nothing is fitted."""
    return tuple(e for e in (*dealt.valid, *dealt.calibration) if e.kind == "random")


def measure(tried: Tried, shown: Sequence[ActivationRecord], cutoff: float) -> Result:
    """Compare peaks; ``shown`` are the excerpts that the explainer saw.

    Nothing is measured where the neuron is alike on all of them, or fires on none: it is dead.
    There are `LEAST` fitting texts and random excerpts.
    """
    fitting, near = _peaks(tried.fitting), _peaks(tried.near)
    random = _peaks([excerpt.record for excerpt in tried.random])
    every = [*fitting, *near, *random, *_peaks(shown)]
    share = sum(peak > cutoff for peak in fitting) / len(fitting)
    if max(every) <= 0:
        return Result(None, None, None, share, cutoff, "the neuron fires on no text")
    if min(every) == max(every):
        reason = "the neuron's peak is the same on every text"
        return Result(None, None, None, share, cutoff, reason)
    return Result(
        above(fitting, random),
        above_pieces(tried.fitting, [excerpt.record for excerpt in tried.random]),
        above(fitting, near) if len(near) >= LEAST else None,
        share,
        cutoff,
    )


def above(high: Sequence[float], low: Sequence[float]) -> float:
    """The share of pairs of which the first is greater, a tie being half of one: the AUROC."""
    won = sum((a > b) + (a == b) / 2 for a in high for b in low)
    return won / (len(high) * len(low))


def above_pieces(texts: Sequence[ActivationRecord], excerpts: Sequence[ActivationRecord]) -> float:
    """The share of texts and excerpts of which the text's peak is above that of a piece.

    A piece has as many tokens as the text, or is the whole of a shorter excerpt; each of an
    excerpt's pieces counts for an equal part of it.
    """
    won = [
        above([text.peak], _piece_peaks(excerpt, len(text.counted(text.tokens))))
        for text in texts
        for excerpt in excerpts
    ]
    return sum(won) / len(won)


def _piece_peaks(excerpt: ActivationRecord, length: int) -> list[float]:
    values = excerpt.counted(excerpt.activations)
    starts = range(max(1, len(values) - length + 1))
    return [max(values[start : start + length]) for start in starts]


def ignoring(record: ActivationRecord, tokens: frozenset[str]) -> ActivationRecord:
    """A text whose tokens are ignored that a neuron's excerpts ignore, unless those are all."""
    left = without(record, tokens.__contains__)
    return record if len(left.ignored) == len(left.tokens) else left


def ignored_tokens(dealt: DealtNeuron) -> frozenset[str]:
    """The tokens that the neuron's excerpts ignore."""
    records = [e.record for e in (*dealt.train, *dealt.calibration, *dealt.valid)]
    return frozenset(record.tokens[i] for record in records for i in record.ignored)


def _peaks(records: Sequence[ActivationRecord]) -> list[float]:
    return [record.peak for record in records]
