"""Does a score fall when a concept loses half of its labels, or gets as many more?

`missing_labels` and `extra_labels` are the checks over all text; those with ``_top_random`` are
over the top and random excerpts that `simulation_correlation` scores.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast, get_args

import numpy as np
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import TaskState

from neuron_eval import sanity
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.measures import MEASURES, threshold
from neuron_eval.messages import InputError, shown
from neuron_eval.metrics import NAN
from neuron_eval.parameters import check_choice, check_number, check_real
from neuron_eval.records import Excerpt
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.sanity import Check, Fall, Flags, Floats, Sample, TokenSample
from neuron_eval.simulation import with_nan
from neuron_eval.simulation.measure import scored_part
from neuron_eval.usage_error import scorer_errors

Concept = Literal["truth", "reference"]

ALPHA = 0.001
"""About as often as the concepts of Oikarinen et al. are true, such as one of 1,000 classes. How
far some scores fall depends on it: AUROC by half of it where labels are added."""

PREDICTED = "predicted"
"""Where a sample's store has what was simulated of a reference: values by excerpt."""


def check_concept(concept: object) -> Concept:
    return cast(Concept, check_choice("concept", concept, get_args(Concept)))


def check_alpha(alpha: object) -> float:
    share = check_real("alpha", alpha, str(ALPHA))
    if not 0 < share < 0.5:
        raise InputError(f"alpha={shown(alpha)}: expected a share of tokens above 0, below 0.5")
    return share


@metric
def noticed() -> Metric:
    """By score: the share of neurons in which it falls, and whether it ``passes`` (1 or 0).

    Neurons for which a score is undefined, before or after, are left out of its share.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values = [cast(Mapping[str, float], score.score.value) for score in scores]
        named = {name for value in values for name in value}
        results = {}
        for name in (n for n in sanity.SCORE_LABELS if n in (named or MEASURES)):
            differences = [float(value.get(name, NAN)) for value in values]
            results[name] = sanity.check_result([d for d in differences if not math.isnan(d)])
        shares = {name: _number(result.share) for name, result in results.items()}
        passes = {f"{name}_passes": _number(result.passes) for name, result in results.items()}
        return cast(Value, {**shares, **passes})

    return compute


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


@scorer(metrics=[noticed()])
def missing_labels(concept: str = "truth", alpha: float = ALPHA, seed: int = 0) -> Scorer:
    """Leave out half of a concept's labels: which measures fall, over all text?

    The value holds, by measure, the score after less the score before, as a share of the
    measure's range; NaN where there is no measurement. A neuron without a concept is unscored with
    the reason.

    Args:
        concept: ``truth``: the tokens on which the neuron is active. ``reference``: those for
            which the simulated reference predicts the most, as many.
        alpha: The share of all tokens on which a neuron counts as active.
        seed: Which labels are drawn, with the neuron's id.

    Raises:
        PrerequisiteError: A parameter is not among the allowed values.
    """
    return _check("natural", "missing", concept, alpha, seed)


@scorer(metrics=[noticed()])
def extra_labels(concept: str = "truth", alpha: float = ALPHA, seed: int = 0) -> Scorer:
    """Add as many labels to a concept as it has, at random: which measures fall, over all text?

    Value, parameters and errors are those of `missing_labels`.
    """
    return _check("natural", "extra", concept, alpha, seed)


@scorer(metrics=[noticed()])
def missing_labels_top_random(
    concept: str = "truth", alpha: float = ALPHA, seed: int = 0
) -> Scorer:
    """As `missing_labels`, over the top and random excerpts that a score uses."""
    return _check("top_random", "missing", concept, alpha, seed)


@scorer(metrics=[noticed()])
def extra_labels_top_random(concept: str = "truth", alpha: float = ALPHA, seed: int = 0) -> Scorer:
    """As `extra_labels`, over the top and random excerpts that a score uses."""
    return _check("top_random", "extra", concept, alpha, seed)


def _check(sample: Sample, check: Check, concept: str, alpha: float, seed: int) -> Scorer:
    with scorer_errors():
        source, share = check_concept(concept), check_alpha(alpha)
        check_number("seed", seed, least=0)

    async def score(state: TaskState, target: Target) -> Score:
        dealt = from_metadata(state.metadata, state.sample_id)
        predicted: dict[str, tuple[float, ...]] | None = None
        if source == "reference":
            if (bad := bad_explanation(state.output)) is not None:
                return bad
            stored: dict[str, list[float | None]] = state.store.get(PREDICTED, {})
            predicted = {name: with_nan(values) for name, values in stored.items()}
        tokens, labels = _concept(dealt, predicted, share)
        about = {
            "tokens": int(tokens.true.size),
            "concept_tokens": int(labels.sum()),
            "concept_share": float(tokens.natural[labels].sum()),
        }
        measured = sanity.falls(tokens, labels, sample, check, seed, dealt.neuron.id)
        if not labels.any():
            reason = "the concept is true of no token"
        elif all(fall.difference is None for fall in measured.values()):
            reason = "no label that counts was changed, or no score is defined"
        else:
            value, table = differences(measured), falls_table(measured)
            return Score(value=value, explanation=table, metadata=about)
        return Score.unscored(reason=reason, explanation=f"{reason}.", metadata=about)

    return score


def _concept(
    dealt: DealtNeuron, predicted: Mapping[str, Sequence[float]] | None, alpha: float
) -> tuple[TokenSample, Flags]:
    """All tokens, and those that the concept is true of.

    ``predicted`` has values by excerpt; None where the truth is the concept. Excerpts without
    are left out, and so are tokens whose value is NaN.
    """
    # In one order, whichever of them are scored, so that the same labels are drawn.
    excerpts = sorted(
        (e for e in every_excerpt(dealt) if predicted is None or e.name in predicted),
        key=lambda e: (e.kind, e.index),
    )
    if predicted is not None:
        excerpts = [scored_part(e, predicted[e.name]) for e in excerpts]
    sizes = [len(e.record.counted(e.record.tokens)) for e in excerpts]

    def flags(values: Iterable[bool]) -> Flags:
        return np.repeat(np.array(list(values), dtype=np.bool_), sizes)

    levels, boundaries = dealt.neuron.quantiles, dealt.neuron.quantile_boundaries
    true = _flat(e.record.counted(e.record.activations) for e in excerpts)
    random = flags(e.kind == "random" for e in excerpts)
    weights = sanity.natural_weights(true, random, levels, boundaries)
    active = true > threshold(
        true, weights, levels=levels, boundaries=boundaries if levels else (), alpha=alpha
    )
    valid = {excerpt.name for excerpt in dealt.valid}
    tokens = TokenSample(true, weights, active, flags(e.name in valid for e in excerpts))
    share = float(weights[active].sum())
    if predicted is None or not share:
        return tokens, active
    values = _flat(e.record.counted(predicted[e.name]) for e in excerpts)
    return tokens, values > threshold(values, weights, alpha=share)


def every_excerpt(dealt: DealtNeuron) -> tuple[Excerpt, ...]:
    return (*dealt.calibration, *dealt.valid)


def natural_tokens(dealt: DealtNeuron) -> int:
    """How many tokens stand for all text, see `neuron_eval.sanity.natural_weights`."""
    chosen = (
        e.record for e in every_excerpt(dealt) if dealt.neuron.quantiles or e.kind == "random"
    )
    return sum(len(record.counted(record.tokens)) for record in chosen)


def _flat(values: Iterable[Iterable[float]]) -> Floats:
    return np.array([value for part in values for value in part], dtype=np.float64)


def differences(measured: Mapping[str, Fall]) -> dict[str, float]:
    """After less before, as a share of the score's range; NaN where there is no measurement."""
    return {n: NAN if f.difference is None else f.difference for n, f in measured.items()}


def falls_table(measured: Mapping[str, Fall]) -> str:
    lines = ["| score | before | after | |", "|---|---|---|---|"]
    for name, fall in measured.items():
        before, after = (
            "undefined" if value is None else f"{value:.4f}" for value in (fall.before, fall.after)
        )
        verdict = "" if fall.difference is None or fall.noticed else "does not fall"
        lines.append(f"| {sanity.SCORE_LABELS[name]} | {before} | {after} | {verdict} |")
    return "\n".join(lines)
