"""From activations on written texts to the numbers of one sample, and how the log shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from neuron_eval.generating import CHANCE, LEAST
from neuron_eval.generating.asking import Written
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.activations import highest, without
from neuron_eval.records.heatmap import SIGNS, caption, heat_map, scale, shades
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.simulation.presenting import in_panels, plain, rounded


@dataclass(frozen=True, slots=True)
class Tried:
    """The writer's texts with the neuron's activations, and the excerpts that they are up to."""

    fitting: tuple[ActivationRecord, ...]
    near: tuple[ActivationRecord, ...]
    random: tuple[Excerpt, ...]  # held out

    def named(self) -> Iterator[tuple[str, int, ActivationRecord]]:
        """Each text with what its kind is called and its number in that, those that fit first."""
        for kind, records in (("fits", self.fitting), ("near", self.near)):
            for number, record in enumerate(records, start=1):
                yield kind, number, record


@dataclass(frozen=True, slots=True)
class Result:
    """What an explanation's texts say of a neuron."""

    # How often a fitting text's peak is above that of a random excerpt, in [0, 1]; a tie is half.
    # None where nothing is measured, like the next.
    auroc: float | None
    # Likewise above that of the excerpt's pieces of as many tokens as the text has: a long text
    # has more chances of a high peak than a short one.
    auroc_same_length: float | None
    # Likewise above that of a near text; None where there are fewer than `LEAST` of these.
    auroc_near: float | None
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
    excerpts = [excerpt.record for excerpt in tried.random]
    groups = (tried.fitting, tried.near, excerpts, shown)
    fitting, near, random, seen = ([record.peak for record in group] for group in groups)
    every = [*fitting, *near, *random, *seen]
    share = sum(peak > cutoff for peak in fitting) / len(fitting)
    if max(every) <= 0:
        return Result(None, None, None, share, cutoff, "the neuron fires on no text")
    if min(every) == max(every):
        reason = "the neuron's peak is the same on every text"
        return Result(None, None, None, share, cutoff, reason)
    return Result(
        above(fitting, random),
        above_pieces(tried.fitting, excerpts),
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
    records = [e.record for e in (*dealt.train, *dealt.calibration, *dealt.valid)]
    return frozenset(record.tokens[i] for record in records for i in record.ignored)


def result_line(result: Result, tried: Tried, fitting: Written, near: Written) -> str:
    """Markdown: the numbers, what is missing, and a table of the texts."""
    counts = f"{len(tried.fitting)} texts, {len(tried.random)} random excerpts"
    if result.auroc is None:
        line = f"Not scored: {plain(result.reason)} ({counts})."
    else:
        parts = [
            f"AUROC {rounded(result.auroc)}",
            f"at equal length {rounded(result.auroc_same_length)}",
            f"against near misses {rounded(result.auroc_near)}",
            f"{result.share_above:.0%} of the texts above the cutoff of {result.cutoff:.3g}",
            counts,
        ]
        line = f"{'; '.join(parts)}. Chance: {CHANCE:g}."
    rows = [
        f"| {kind} {number} | {record.peak:.3g} | {plain(record.text)} |"
        for kind, number, record in tried.named()
    ]
    table = ["| text | peak | |", "|---|---|---|", *rows]
    return "\n\n".join([line, *missing_lines(fitting, near), "\n".join(table)])


def missing_lines(fitting: Written, near: Written) -> list[str]:
    """A sentence on each kind of text that there are fewer of than were asked for."""
    return [
        f"{what} missing: {written.missing} ({plain(written.problem)})."
        for written, what in ((fitting, "Texts that fit"), (near, "Near misses"))
        if written.missing
    ]


def result_metadata(
    result: Result, tried: Tried, fitting: Written, near: Written, shown: Sequence[ActivationRecord]
) -> dict[str, Any]:
    """Everything that can be computed with later, and the heat maps."""
    return {
        **in_panels(heat_maps(tried, shown), "further texts"),
        "chance": CHANCE,
        "auroc_same_length": result.auroc_same_length,
        "auroc_near": result.auroc_near,
        "share_above_cutoff": result.share_above,
        "cutoff": result.cutoff,
        **missing_metadata(fitting, near),
        "texts": [
            {
                "kind": kind,
                "text": record.text,
                "peak": record.peak,
                "tokens": list(record.tokens),
                "activations": list(record.activations),
                **({"ignored": list(record.ignored)} if record.ignored else {}),
            }
            for kind, _, record in tried.named()
        ],
        "random_excerpts": [
            {"excerpt": excerpt.name, "peak": excerpt.record.peak} for excerpt in tried.random
        ],
    }


def missing_metadata(fitting: Written, near: Written) -> dict[str, Any]:
    return {
        "texts_missing": fitting.missing,
        "near_texts_missing": near.missing,
        "failures": [written.problem for written in (fitting, near) if written.problem],
    }


def heat_maps(tried: Tried, shown: Sequence[ActivationRecord]) -> str:
    """Each written text, coloured by the neuron's activation, on a scale that a legend states.

    It goes up to the highest activation of the texts and of the excerpts ``shown`` to explainers.
    """
    peak = highest([*shown, *tried.fitting, *tried.near])
    legend = "\n".join((scale("T", "activation", 0.0, peak), caption("signs", SIGNS)))
    maps = [
        f"{caption(f'{kind} {number}', f'peak {record.peak:.3g}')}\n"
        f"{heat_map(record.tokens, shades(record.activations, 0.0, peak))}"
        for kind, number, record in tried.named()
    ]
    return "\n\n".join([legend, *maps])
