"""What a sample holds of its neuron's excerpts: what was shown, simulated, and where it fires."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from inspect_ai.log import EvalSample
from inspect_ai.scorer import Score

from neuron_eval.messages import InputError
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.simulation import Basis, Simulated, with_nan
from neuron_eval.simulation.headline import Numbers, measured, measured_nothing
from neuron_eval.simulation.measure import scored_part

BINS = 24  # bins of equal width from a neuron's lowest to its highest activation
TOP_TOKENS = 12  # at most so many tokens on which a neuron fires most are kept


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


class StoredExcerpts(NamedTuple):
    """What a sample has of its neuron's excerpts."""

    shown: tuple[Excerpt, ...] = ()  # what an explainer sees
    predicted: tuple[Predicted, ...] = ()
    activity: Activity | None = None  # over all that it holds; None if all are alike


def excerpts_of(sample: EvalSample, simulated: Score | None) -> StoredExcerpts:
    """A sample's excerpts, by its simulation's score if it has one; none if it holds no neuron."""
    about = (simulated and simulated.metadata) or {}
    if not about.get("excerpts") and not isinstance((sample.metadata or {}).get("record"), str):
        return StoredExcerpts()
    dealt = from_metadata(sample.metadata, sample.id)
    predicted = tuple(Predicted(e.name, e.record, x) for e, x in _simulated(dealt, about))
    records = [excerpt.record for excerpt in (*dealt.train, *dealt.calibration, *dealt.valid)]
    return StoredExcerpts(dealt.train, predicted, activity(records))


def measured_in(sample: EvalSample, simulated: Score | None) -> Numbers:
    """Every measure of a sample's simulation, from the arrays of its score; nothing without one."""
    if simulated is None:
        return {}
    dealt, about = from_metadata(sample.metadata, sample.id), simulated.metadata or {}
    if "excerpts" not in about:  # of a bad explanation
        nothing_given = math.isnan(simulated.as_float()) and "measures" not in about
        return {} if nothing_given else measured_nothing(dealt)
    basis: Basis = "cosine" if about.get("basis") == "cosine" else "values"
    return measured(dealt, [(e, Simulated(x, basis)) for e, x in _simulated(dealt, about)])


def activity(records: Sequence[ActivationRecord]) -> Activity | None:
    """A histogram and the top tokens; None where all activations are the same, or there is none."""
    pairs = ((r, list(zip(r.tokens, r.activations, strict=True))) for r in records)
    counted = [pair for record, of_record in pairs for pair in record.counted(of_record)]
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


def _simulated(
    dealt: DealtNeuron, about: Mapping[str, Any]
) -> Iterator[tuple[Excerpt, tuple[float, ...]]]:
    held_out = {excerpt.name: excerpt for excerpt in dealt.valid}
    for entry in about.get("excerpts", []):
        excerpt, expected = held_out[entry["excerpt"]], with_nan(entry["expected"])
        record = excerpt.record
        true = tuple(entry.get("true", record.activations))  # earlier logs have it twice
        if not len(record.tokens) == len(true) == len(expected):
            raise InputError(
                f"{excerpt.name} has {len(record.tokens)} tokens, {len(true)} true and "
                f"{len(expected)} simulated activations"
            )
        excerpt = replace(excerpt, record=replace(record, activations=true))
        yield scored_part(excerpt, expected), expected
