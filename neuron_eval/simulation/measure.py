"""From simulated excerpts to the numbers of one sample, and how the log shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal, cast, get_args

from neuron_eval.parameters import check_choice
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.heatmap import SIGNS, caption, heat_map, scale, shades
from neuron_eval.simulation import Failed, Outcome, Simulated, Simulation
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
    """

    scored: tuple[tuple[Excerpt, Simulated], ...]  # the excerpts that have values, in order
    failures: tuple[str, ...]  # why each other excerpt has none
    correlation: float | None
    unscored_reason: str  # why there is no correlation; empty if there is one
    correlation_top: float | None
    correlation_random: float | None
    calibration: Calibrator | None  # None if nothing was asked for or nothing fits
    calibration_failures: tuple[str, ...]
    r_squared: float | None  # 1 - mean((t-p)²)/mean(t²) after calibration, at most 1
    absolute_deviation_explained: float | None  # 1 - mean|t-p|/mean|t| likewise

    @property
    def basis(self) -> str:
        return ", ".join(sorted({simulated.basis for _, simulated in self.scored}))

    @property
    def unplaced(self) -> int:
        """How many names in the simulator's replies stand for no token."""
        return sum(simulated.unplaced for _, simulated in self.scored)

    @property
    def tokens(self) -> int:
        return sum(len(e.record.counted(simulated.values)) for e, simulated in self.scored)


def check_calibration(calibration: str) -> Calibration:
    return cast(Calibration, check_choice("calibration", calibration, get_args(Calibration)))


def measure(held_out: Pairs, calibration: Pairs, fit: Calibration = "linear") -> Measurement:
    """Score the held-out excerpts, after a fit on the calibration split, which may be empty."""
    both = {excerpt.name for excerpt, _ in held_out} & {excerpt.name for excerpt, _ in calibration}
    if both:
        raise ValueError(f"excerpts {', '.join(sorted(both))} would be fitted on and scored")
    scored = _simulated(held_out)
    of_kind = {kind: [p for p in scored if p[0].kind == kind] for kind in ("top", "random")}
    true, predicted = _flat(scored)
    correlation = pearson(true, predicted)
    fitted = _simulated(calibration)
    calibrator = _FITS[fit](*_flat(fitted)) if fitted and fit != "none" else None
    calibrated = calibrator(predicted) if calibrator and scored else None
    return Measurement(
        scored=tuple(scored),
        failures=_failures(held_out),
        correlation=correlation,
        unscored_reason=_reason(true, predicted) if correlation is None else "",
        correlation_top=pearson(*_flat(of_kind["top"])),
        correlation_random=pearson(*_flat(of_kind["random"])),
        calibration=calibrator,
        calibration_failures=_failures(calibration),
        r_squared=None if calibrated is None else r_squared(true, calibrated),
        absolute_deviation_explained=(
            None if calibrated is None else absolute_deviation_explained(true, calibrated)
        ),
    )


_FITS: Mapping[str, Callable[[list[float], list[float]], Calibrator | None]] = {
    "linear": fit_linear,
    "percentiles": fit_percentiles,
}


def _simulated(pairs: Pairs) -> list[tuple[Excerpt, Simulated]]:
    return [(excerpt, outcome) for excerpt, outcome in pairs if isinstance(outcome, Simulated)]


def _failures(pairs: Pairs) -> tuple[str, ...]:
    return tuple(outcome.reason for _, outcome in pairs if isinstance(outcome, Failed))


def _flat(pairs: Sequence[tuple[Excerpt, Simulated]]) -> tuple[list[float], list[float]]:
    records = [(excerpt.record, simulated.values) for excerpt, simulated in pairs]
    true = [value for record, _ in records for value in record.counted(record.activations)]
    predicted = [value for record, values in records for value in record.counted(values)]
    return true, predicted


def _reason(true: Sequence[float], predicted: Sequence[float]) -> str:
    if not true:
        return "no held-out excerpt was simulated"
    if is_constant(predicted):
        return f"the simulated activations are all {predicted[0]:g}, so nothing can correlate"
    if is_constant(true):
        return f"the true activations are all {true[0]:g}, so nothing can correlate"
    return "the correlation is undefined"


REASONS = 3
"""So many reasons why an excerpt has no values stand in the explanation; the metadata hold all."""

# < and & are left alone: the viewer escapes them itself, before it reads the Markdown
_MARKUP = re.compile(r"[\\`*\[\]$~|]|(?<![^\W_])_|_(?![^\W_])")


def explanation_line(result: Measurement) -> str:
    counts = f"{result.tokens} tokens in {len(result.scored)} excerpts"
    if result.unscored_reason:
        return f"Not scored: {_plain(result.unscored_reason)} ({counts}).{_problems(result)}"
    parts = [f"correlation {_number(result.correlation)}"]
    if len({excerpt.kind for excerpt, _ in result.scored}) > 1:
        parts.append(f"top excerpts {_number(result.correlation_top)}")
        parts.append(f"random excerpts {_number(result.correlation_random)}")
    if result.calibration is not None:
        parts.append(f"R² after calibration {_number(result.r_squared)}")
        parts.append(f"absolute deviation explained {_number(result.absolute_deviation_explained)}")
    if result.unplaced:
        counts += f"; {result.unplaced} named words that are not in their excerpt"
    return f"{'; '.join([*parts, counts])}.{_problems(result)}"


def score_metadata(
    result: Measurement, simulate: Simulation, why: str, explainer: str
) -> dict[str, Any]:
    """Everything that can be computed with later, and the heat map; ``why`` it was that way."""
    calibration = result.calibration
    return {
        "heat map": heat_maps(result),
        "simulation": simulate.name,
        "simulation_why": why,
        "simulator": simulate.model,
        "simulator_is_explainer": simulate.model == explainer,
        "basis": result.basis,
        "correlation_top": result.correlation_top,
        "correlation_random": result.correlation_random,
        "r_squared": result.r_squared,
        "absolute_deviation_explained": result.absolute_deviation_explained,
        "calibration": None if calibration is None else asdict(calibration),
        "tokens": result.tokens,
        "excerpts_scored": len(result.scored),
        "excerpts_failed": len(result.failures),
        "failures": list(result.failures),
        "names_unplaced": result.unplaced,
        "calibration_excerpts_failed": len(result.calibration_failures),
        "calibration_failures": list(result.calibration_failures),
        "excerpts": [
            {
                "excerpt": excerpt.name,
                "true": list(excerpt.record.activations),
                "expected": list(simulated.values),
                **({"ignored": list(excerpt.record.ignored)} if excerpt.record.ignored else {}),
            }
            for excerpt, simulated in result.scored
        ],
    }


def heat_maps(result: Measurement) -> str:
    """Each held-out excerpt with a line of numbers, truth (T) above simulation (S).

    One scale for the whole neuron, which the legend on top states: truth from 0 to its highest
    activation, simulation from its median, which is what it says of tokens that it has nothing
    to say of, to its highest value. Ignored tokens, which are not scored, are white.
    """
    expected = [v for e, simulated in result.scored for v in e.record.counted(simulated.values)]
    if not expected:
        return "no excerpt was simulated"
    ground, high = background(expected), max(expected)
    peak = max(excerpt.record.peak for excerpt, _ in result.scored)
    name = f"simulated activation ({result.basis})"
    truth = scale("T", "true activation".ljust(len(name)), 0.0, peak)
    blocks = ["\n".join((truth, scale("S", name, ground, high), caption("signs", SIGNS)))]
    for excerpt, simulated in result.scored:
        record = excerpt.record
        picture = heat_map(
            record.tokens,
            shades(record.activations, 0.0, peak),
            shades(counted_or(ground, record, simulated.values), ground, high),
        )
        blocks.append(f"{caption(excerpt.name, _numbers(record, simulated))}\n{picture}")
    return "\n\n".join(blocks)


def counted_or(white: float, record: ActivationRecord, values: Sequence[float]) -> list[float]:
    """The values, one a token, with ``white`` in the place of those of ignored tokens."""
    left_out = frozenset(record.ignored)
    return [white if i in left_out else value for i, value in enumerate(values)]


def background(expected: Sequence[float]) -> float:
    """What is drawn white: the median, or the lowest value where the median is the highest."""
    middle = median(expected)
    return middle if middle < max(expected) else min(expected)


def _numbers(record: ActivationRecord, simulated: Simulated) -> str:
    true, expected = record.counted(record.activations), record.counted(simulated.values)
    if not expected:
        return "not scored: every token is ignored"
    unscored = f", {len(record.ignored)} of {len(record.tokens)} tokens not scored"
    return (
        f"correlation {_number(pearson(true, expected))}, "
        f"peak true {record.peak:.3g}, simulated {max(expected):.3g}"
        f"{unscored * bool(record.ignored)}"
    )


def _problems(result: Measurement) -> str:
    failures = result.failures + result.calibration_failures
    if not failures:
        return ""
    lines = [
        f"\n\nNo values for {len(result.failures)} held-out and "
        f"{len(result.calibration_failures)} calibration excerpts:\n",
        *(f"- {_plain(failure)}" for failure in failures[:REASONS]),
    ]
    if len(failures) > REASONS:
        lines.append(f"- and {len(failures) - REASONS} more, in the metadata")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """A model's words inside Markdown: on one line, nothing of them markup or mathematics."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
