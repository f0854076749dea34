"""From simulated excerpts to the numbers of one sample."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, cast, get_args

from neuron_eval.messages import InputError
from neuron_eval.parameters import check_choice
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.splits import SCORED, Scored, which_scored
from neuron_eval.simulation import LEAST_READ, Failed, Outcome, Simulated
from neuron_eval.stats import (
    Calibrator,
    absolute_deviation_explained,
    fit_linear,
    fit_percentiles,
    is_constant,
    pearson,
    r_squared,
)

Calibration = Literal["linear", "percentiles", "none"]

CALIBRATION: Calibration = "none"
"""What a user gets who does not say: a fit doubles the requests, and changes no correlation."""

Pairs = Sequence[tuple[Excerpt, Outcome]]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the simulation of one neuron gave, over its held-out excerpts.

    Correlations are Pearson's over the concatenation of excerpts, in [-1, 1]; None if undefined.
    Excerpts of strata count as much as they stand for, see `excerpt_weights`.
    """

    scored: tuple[tuple[Excerpt, Simulated], ...]  # the excerpts that have values, in order
    failures: tuple[str, ...]  # why each other excerpt has none
    correlation: float | None
    unscored_reason: str  # why there is no correlation; empty if there is one
    weights: tuple[float, ...] | None  # of each scored excerpt; None where all count alike
    correlation_top: float | None
    correlation_random: float | None
    calibration: Calibrator | None  # None if nothing was asked for or nothing fits
    calibration_failures: tuple[str, ...]
    calibration_unread: int  # how many tokens were left out of the fit
    r_squared: float | None  # 1 - mean((t-p)²)/mean(t²) after calibration, at most 1
    absolute_deviation_explained: float | None  # 1 - mean|t-p|/mean|t| likewise

    held_out: Scored  # which excerpts were to be scored
    lost: str  # why what is scored stands for no natural text; empty if it does, or need not

    @property
    def basis(self) -> str:
        return ", ".join(sorted({simulated.basis for _, simulated in self.scored}))

    @property
    def unplaced(self) -> int:
        """How many names in the simulator's replies stand for no token."""
        return sum(simulated.unplaced for _, simulated in self.scored)

    @property
    def unread(self) -> int:
        """How many tokens of the scored excerpts have no value, and so are not scored."""
        return sum(simulated.unread for _, simulated in self.scored)

    @property
    def token_failures(self) -> tuple[str, ...]:
        """Why, a reason per excerpt that has such tokens."""
        return tuple(f"excerpt {e.name}: {s.problem}" for e, s in self.scored if s.unread)

    @property
    def tokens(self) -> int:
        return sum(len(e.record.counted(simulated.values)) for e, simulated in self.scored)


def check_calibration(calibration: str, scored: Scored = SCORED) -> Calibration:
    fit = cast(Calibration, check_choice("calibration", calibration, get_args(Calibration)))
    if fit != "none" and scored == "quantiles":
        raise InputError(
            f"calibration={fit}: a fit needs excerpts like those that are scored, and "
            "excerpts_scored=quantiles leaves none for it; use calibration=none"
        )
    return fit


def measure(held_out: Pairs, calibration: Pairs, fit: Calibration = "linear") -> Measurement:
    """Score the held-out excerpts, after a fit on the calibration split, which may be empty.

    Tokens without a value are left out. An excerpt that has values for fewer than half of its
    tokens is a failure.
    """
    both = {excerpt.name for excerpt, _ in held_out} & {excerpt.name for excerpt, _ in calibration}
    if both:
        raise ValueError(f"excerpts {', '.join(sorted(both))} would be fitted on and scored")
    held_out, calibration = list(map(as_scored, held_out)), list(map(as_scored, calibration))
    scored = _simulated(held_out)
    of_kind = {kind: [p for p in scored if p[0].kind == kind] for kind in ("top", "random")}
    true, predicted = _flat(scored)
    weights = excerpt_weights([excerpt for excerpt, _ in scored])
    lost = lost_stratum([excerpt for excerpt, _ in held_out], scored)
    correlation = None if lost else pearson(true, predicted, token_weights(scored, weights))
    fitted = _simulated(calibration)
    calibrator = _FITS[fit](*_flat(fitted)) if fitted and fit != "none" else None
    calibrated = calibrator(predicted) if calibrator and scored else None
    return Measurement(
        scored=tuple(scored),
        failures=_failures(held_out),
        held_out=which_scored([excerpt for excerpt, _ in held_out]),
        lost=lost,
        correlation=correlation,
        unscored_reason=lost or _reason(true, predicted) if correlation is None else "",
        weights=weights,
        correlation_top=pearson(*_flat(of_kind["top"])),
        correlation_random=pearson(*_flat(of_kind["random"])),
        calibration=calibrator,
        calibration_failures=_failures(calibration),
        calibration_unread=sum(simulated.unread for _, simulated in fitted),
        r_squared=None if calibrated is None else r_squared(true, calibrated),
        absolute_deviation_explained=(
            None if calibrated is None else absolute_deviation_explained(true, calibrated)
        ),
    )


_FITS: Mapping[str, Callable[[list[float], list[float]], Calibrator | None]] = {
    "linear": fit_linear,
    "percentiles": fit_percentiles,
}


def scored_part(excerpt: Excerpt, values: Sequence[float]) -> Excerpt:
    """The excerpt with the tokens that have no value among the ignored ones."""
    unread = {i for i, value in enumerate(values) if math.isnan(value)}
    if not unread:
        return excerpt
    # Their true activations stay, to be seen in heat maps.
    ignored = tuple(sorted(unread.union(excerpt.record.ignored)))
    return replace(excerpt, record=replace(excerpt.record, ignored=ignored))


def as_scored(pair: tuple[Excerpt, Outcome]) -> tuple[Excerpt, Outcome]:
    """An excerpt without its tokens that have no value; a failure if too few tokens are left."""
    excerpt, outcome = pair
    if isinstance(outcome, Failed) or not outcome.unread:
        return pair
    if not outcome.problem:
        raise ValueError(
            f"excerpt {excerpt.name}: {outcome.unread} of {len(outcome.values)} values are NaN, "
            "and Simulated.problem does not say why"
        )
    # what is ignored needs no value
    outcome = replace(outcome, values=tuple(counted_or(0.0, excerpt.record, outcome.values)))
    part = scored_part(excerpt, outcome.values)
    remaining, countable = (len(e.record.counted(e.record.tokens)) for e in (part, excerpt))
    if part is not excerpt and remaining < max(1, countable * LEAST_READ):
        return excerpt, Failed(f"excerpt {excerpt.name}: {outcome.problem}")
    return part, outcome


def _simulated(pairs: Pairs) -> list[tuple[Excerpt, Simulated]]:
    return [(excerpt, outcome) for excerpt, outcome in pairs if isinstance(outcome, Simulated)]


def _failures(pairs: Pairs) -> tuple[str, ...]:
    return tuple(outcome.reason for _, outcome in pairs if isinstance(outcome, Failed))


def _flat(pairs: Sequence[tuple[Excerpt, Simulated]]) -> tuple[list[float], list[float]]:
    records = [(excerpt.record, simulated.values) for excerpt, simulated in pairs]
    true = [value for record, _ in records for value in record.counted(record.activations)]
    predicted = [value for record, values in records for value in record.counted(values)]
    return true, predicted


def excerpt_weights(excerpts: Sequence[Excerpt]) -> tuple[float, ...] | None:
    """How much each token of each excerpt counts, so that strata weigh as they do in all text.

    The share of the excerpt's stratum over the number of its excerpts; over all excerpts the mean
    is 1. None where all weigh the same.
    """
    counts = Counter(excerpt.stratum for excerpt in excerpts)
    parts = [excerpt.share / counts[excerpt.stratum] for excerpt in excerpts]
    if len(set(parts)) < 2:
        return None
    mean = sum(parts) / len(parts)
    return tuple(part / mean for part in parts)


def token_weights(
    pairs: Sequence[tuple[Excerpt, Simulated]], weights: Sequence[float] | None
) -> list[float] | None:
    """Excerpts' weights for each of their tokens that is scored; these stand for those unread."""
    if weights is None:
        return None
    by_token: list[float] = []
    for (excerpt, simulated), weight in zip(pairs, weights, strict=True):
        scored = len(excerpt.record.counted(simulated.values))
        by_token += [weight * (scored + simulated.unread) / scored] * scored if scored else []
    return by_token


def lost_stratum(held_out: Sequence[Excerpt], scored: Sequence[tuple[Excerpt, Simulated]]) -> str:
    """Which stratum was not simulated at all, so that nothing stands for its share; or nothing."""
    left = {e.stratum for e in held_out} - {e.stratum for e, _ in scored}
    if not left or not scored:
        return ""
    excerpt = next(excerpt for excerpt in held_out if excerpt.stratum in left)
    return (
        f"no excerpt was simulated of stratum {excerpt.stratum}, which stands for "
        f"{excerpt.share:.2%} of all text"
    )


def _reason(true: Sequence[float], predicted: Sequence[float]) -> str:
    if not true:
        return "no held-out excerpt was simulated"
    if is_constant(predicted):
        return f"the simulated activations are all {predicted[0]:g}, so nothing can correlate"
    if is_constant(true):
        return f"the true activations are all {true[0]:g}, so nothing can correlate"
    return "the correlation is undefined"


def counted_or(white: float, record: ActivationRecord, values: Sequence[float]) -> list[float]:
    """The values, one per token, with ``white`` in the place of those of ignored tokens."""
    left_out = frozenset(record.ignored)
    return [white if i in left_out else value for i, value in enumerate(values)]


def background(expected: Sequence[float]) -> float:
    """What is drawn white: the median, or the lowest value where the median is the highest."""
    middle = median(expected)
    return middle if middle < max(expected) else min(expected)
