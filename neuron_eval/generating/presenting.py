"""How the log shows texts that were tried: a line of numbers, a table, and heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from neuron_eval.generating import CHANCE, Tried, Written
from neuron_eval.generating.measuring import Result
from neuron_eval.records import ActivationRecord
from neuron_eval.records.activations import highest
from neuron_eval.records.heatmap import SIGNS, caption, heat_map, scale, shades
from neuron_eval.simulation.presenting import in_panels, plain

KINDS = ("fits", "near")
"""What the texts of each kind are called, those that fit first."""


def result_line(result: Result, tried: Tried, fitting: Written, near: Written) -> str:
    """Markdown: the numbers, what is missing, and a table of the texts."""
    counts = f"{len(tried.fitting)} texts, {len(tried.random)} random excerpts"
    if result.auroc is None:
        line = f"Not scored: {plain(result.reason)} ({counts})."
    else:
        parts = [
            f"AUROC {_number(result.auroc)}",
            f"at equal length {_number(result.auroc_same_length)}",
            f"against near misses {_number(result.auroc_near)}",
            f"{result.share_above:.0%} of the texts above the cutoff of {result.cutoff:.3g}",
            counts,
        ]
        line = f"{'; '.join(parts)}. Chance: {CHANCE:g}."
    rows = [
        f"| {kind} {number} | {record.peak:.3g} | {plain(record.text)} |"
        for kind, number, record in _texts(tried)
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
            for kind, _, record in _texts(tried)
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
    texts = list(_texts(tried))
    peak = highest([*shown, *(record for _, _, record in texts)])
    legend = "\n".join((scale("T", "activation", 0.0, peak), caption("signs", SIGNS)))
    return "\n\n".join(
        [
            legend,
            *(
                f"{caption(f'{kind} {number}', f'peak {record.peak:.3g}')}\n"
                f"{heat_map(record.tokens, shades(record.activations, 0.0, peak))}"
                for kind, number, record in texts
            ),
        ]
    )


def _texts(tried: Tried) -> Iterator[tuple[str, int, ActivationRecord]]:
    for kind, records in zip(KINDS, (tried.fitting, tried.near), strict=True):
        for number, record in enumerate(records, start=1):
            yield kind, number, record


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
