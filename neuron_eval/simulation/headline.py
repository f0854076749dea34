"""A simulation by every measure, over all held-out excerpts and over the random ones alone.

Names are those of `neuron_eval.measures.MEASURES`, and the same with ``_random`` behind it.
"""

from collections.abc import Sequence

import numpy as np

from neuron_eval.measures import MEASURES, Measure, measures, threshold
from neuron_eval.parameters import check_choice
from neuron_eval.records import Excerpt
from neuron_eval.records.activations import LEVELS
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.measure import Measurement, excerpt_weights, lost_stratum, token_weights
from neuron_eval.stats import pearson

HEADLINE = "pearson"
"""The measure that is the score where the user does not say, as published."""

RANDOM = "_random"
HEADLINES = (*MEASURES, *(f"{name}{RANDOM}" for name in MEASURES))

Numbers = dict[str, float | None]


def check_headline(headline: str) -> str:
    return check_choice("headline", headline, HEADLINES)


def score_of(headline: str) -> str:
    """What the score is called where it stands beside others: by its measure if not the usual."""
    return "simulation_correlation" if headline == HEADLINE else f"simulation_{headline}"


def headline_label(headline: str) -> str:
    """Such as ``F1`` or ``F1, random excerpts``; a name that is not known stays."""
    name = headline.removesuffix(RANDOM)
    label = MEASURES[name].label if name in MEASURES else name
    return f"{label}, random excerpts" if headline != name else label


def measure_of(headline: str) -> tuple[Measure, str]:
    """A headline's measure, and over which excerpts, such as ``on random excerpts``."""
    measure = MEASURES[headline.removesuffix(RANDOM)]
    return measure, "on random excerpts" if headline.endswith(RANDOM) else "on excerpts"


def why_undefined(headline: str) -> str:
    measure, _ = measure_of(headline)
    return f"{headline_label(headline)} is undefined: {measure.undefined}"


def value_of(result: Measurement, numbers: Numbers, headline: str) -> tuple[float | None, str]:
    """The score's value; without one, why there is none."""
    if headline == HEADLINE or not result.scored or result.lost:
        return result.correlation, result.unscored_reason
    value = numbers[headline]
    return value, "" if value is not None else why_undefined(headline)


def measured(dealt: DealtNeuron, scored: Sequence[tuple[Excerpt, Simulated]]) -> Numbers:
    """Every measure of `HEADLINES` over the excerpts that have values; None where undefined.

    A token is active above the neuron's `threshold`, which is one for all of its excerpts: from
    the quantile boundaries of its record where these have levels that reach it, else from the
    random excerpts among those scored, which are natural text, or from all if none is random.
    Predictions of a language model are divided by 10; cosines are taken as they are. Excerpts of
    strata weigh what they stand for, see `neuron_eval.simulation.measure.excerpt_weights`; where
    one was not simulated, nothing stands for its share and all is None.
    """
    if lost_stratum(dealt.valid, scored):
        return dict.fromkeys(HEADLINES)
    rows = [e.record.counted(e.record.activations) for e, _ in scored]
    tokens, true = [len(row) for row in rows], _joined(rows)
    expected = _joined([e.record.counted(simulated.values) for e, simulated in scored])
    full = np.repeat([1.0 if s.basis == "cosine" else LEVELS for _, s in scored], tokens)
    random = np.repeat([e.kind == "random" for e, _ in scored], tokens).astype(np.bool_)
    by_token = token_weights(scored, excerpt_weights([excerpt for excerpt, _ in scored]))
    weights = None if by_token is None else np.array(by_token)
    above = threshold(
        true[random] if random.any() else true,
        weights,
        levels=dealt.neuron.quantiles,
        boundaries=dealt.neuron.quantile_boundaries,
    )
    numbers: Numbers = {}
    for suffix, chosen in (("", np.ones_like(random)), (RANDOM, random)):
        t, e = true[chosen], expected[chosen]
        w = None if weights is None else weights[chosen]
        of_set = measures(t, e / full[chosen], t > above, w)
        of_set["pearson"] = pearson(t, e, w)  # to the last digit what the score is
        numbers |= {f"{name}{suffix}": value for name, value in of_set.items()}
    return numbers


def measured_nothing(dealt: DealtNeuron) -> Numbers:
    """The measures of an explanation that predicts nothing, as an empty one does.

    Those of predictions that are all 0, and 0 where only these make a measure undefined.
    """

    def of(values: Sequence[Sequence[float]]) -> Numbers:
        simulated = [Simulated(tuple(row), "values") for row in values]
        return measured(dealt, list(zip(dealt.valid, simulated, strict=True)))

    records = [excerpt.record for excerpt in dealt.valid]
    nothing = of([[0.0] * len(record.tokens) for record in records])
    best = of([[max(value, 0.0) for value in record.activations] for record in records])
    return {
        name: 0.0 if value is None and best[name] is not None else value
        for name, value in nothing.items()
    } | {HEADLINE: 0.0}


def _joined(rows: Sequence[Sequence[float]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value for row in rows for value in row], dtype=np.float64)
