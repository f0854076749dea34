"""What a sample holds of its neuron's excerpts: what was shown, simulated, and where it fires."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from inspect_ai.log import EvalSample
from inspect_ai.scorer import Score

from neuron_eval.messages import InputError
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.simulation import Basis, Simulated
from neuron_eval.simulation.headline import Numbers, measured, measured_nothing

BINS = 24
"""Bins of equal width from a neuron's lowest to its highest activation."""

TOP_TOKENS = 12
"""At most so many tokens on which a neuron fires most are kept."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A held-out excerpt: its tokens, the truth and what was simulated, each of shape [T]."""

    excerpt: str  # its name in the record, for instance ``top 2``
    record: ActivationRecord  # true raw activations
    expected: tuple[float, ...]  # simulated activations, in the simulator's units


class TopToken(NamedTuple):
    """A token on which a neuron fires."""

    text: str  # without blanks around it, unless it is nothing else
    peak: float  # its highest raw activation, above 0
    times: int  # how often it is in the excerpts


@dataclass(frozen=True, slots=True)
class Activity:
    """A neuron's raw activations over the tokens of some excerpts, ignored ones left out."""

    excerpts: int
    low: float
    high: float  # above `low`
    counts: tuple[int, ...]  # tokens in each of `BINS` bins of equal width from `low` to `high`
    tokens: tuple[TopToken, ...]  # highest peak first


@dataclass(frozen=True, slots=True)
class StoredExcerpts:
    """What a sample has of its neuron's excerpts."""

    shown: tuple[Excerpt, ...] = ()  # what an explainer sees
    predicted: tuple[Predicted, ...] = ()
    activity: Activity | None = None  # over all that it holds; None if all are alike


def excerpts_of(sample: EvalSample, simulated: Score | None) -> StoredExcerpts:
    """Read a sample's excerpts; none where it holds no neuron.

    ``simulated`` is the score of the simulation, if there is one.
    """
    stored: list[Mapping[str, Any]] = ((simulated and simulated.metadata) or {}).get("excerpts", [])
    if not stored and not isinstance((sample.metadata or {}).get("record"), str):
        return StoredExcerpts()
    dealt = from_metadata(sample.metadata, sample.id)
    held_out = {e.name: e for e in dealt.valid}
    predicted = tuple(_predicted(held_out[entry["excerpt"]], entry) for entry in stored)
    return StoredExcerpts(dealt.train, predicted, activity(_records(dealt)))


def measured_in(sample: EvalSample, simulated: Score | None) -> Numbers:
    """Every measure of a sample's simulation, from the arrays of its score; nothing without one."""
    if simulated is None:
        return {}
    dealt, about = from_metadata(sample.metadata, sample.id), simulated.metadata or {}
    if "excerpts" not in about:  # of a bad explanation
        nothing_given = math.isnan(simulated.as_float()) and "measures" not in about
        return {} if nothing_given else measured_nothing(dealt)
    basis: Basis = "cosine" if about.get("basis") == "cosine" else "values"
    held_out = {e.name: e for e in dealt.valid}
    scored = []
    for entry in about["excerpts"]:
        excerpt = held_out[entry["excerpt"]]
        predicted = _predicted(excerpt, entry)
        scored.append(
            (replace(excerpt, record=predicted.record), Simulated(predicted.expected, basis))
        )
    return measured(dealt, scored)


def activity(records: Sequence[ActivationRecord]) -> Activity | None:
    """A histogram and the top tokens; None where all activations are the same, or there is none."""
    counted = [(token, value) for r in records for token, value in r.counted(_pairs(r))]
    values = np.array([value for _, value in counted])
    if not values.size or np.ptp(values) == 0:
        return None
    counts, edges = np.histogram(values, BINS)
    tokens: dict[str, list[float]] = {}
    for token, value in counted:
        tokens.setdefault(token.strip() or token, []).append(value)
    fired = [TopToken(text, max(on), len(on)) for text, on in tokens.items() if max(on) > 0]
    fired.sort(key=lambda token: -token.peak)
    low, high = float(edges[0]), float(edges[-1])
    per_bin = tuple(map(int, counts))
    return Activity(len(records), low, high, per_bin, tuple(fired[:TOP_TOKENS]))


def _pairs(record: ActivationRecord) -> Sequence[tuple[str, float]]:
    return list(zip(record.tokens, record.activations, strict=True))


def _records(dealt: DealtNeuron) -> list[ActivationRecord]:
    return [excerpt.record for excerpt in (*dealt.train, *dealt.calibration, *dealt.valid)]


def _predicted(excerpt: Excerpt, entry: Mapping[str, Any]) -> Predicted:
    record, expected = excerpt.record, tuple(entry["expected"])
    true = tuple(entry.get("true", record.activations))  # earlier logs have it twice
    if not len(record.tokens) == len(true) == len(expected):
        raise InputError(
            f"{excerpt.name} has {len(record.tokens)} tokens, {len(true)} true and {len(expected)} "
            "simulated activations"
        )
    return Predicted(excerpt.name, replace(record, activations=true), expected)
