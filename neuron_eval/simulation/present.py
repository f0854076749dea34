"""A measurement as the log shows it: a line of numbers, the arrays, and the heat map."""

from __future__ import annotations

from typing import Any

from neuron_eval.heatmap import heat_map, shades
from neuron_eval.simulation.base import Simulation
from neuron_eval.simulation.measure import Measurement
from neuron_eval.stats import pearson


def explanation_line(result: Measurement) -> str:
    """The numbers of a sample in words, as Markdown."""
    parts = [
        f"correlation {_number(result.correlation)}",
        f"top excerpts {_number(result.correlation_top)}",
        f"random excerpts {_number(result.correlation_random)}",
    ]
    if result.calibration is not None:
        parts.append(f"R² after calibration {_number(result.r_squared)}")
        parts.append(f"absolute deviation explained {_number(result.absolute_deviation_explained)}")
    parts.append(f"{result.tokens} tokens in {len(result.scored)} excerpts")
    line = "; ".join(parts) + "."
    if result.unscored_reason:
        line = f"Not scored: {result.unscored_reason}. {line}"
    problems = [f"- {failure}" for failure in result.failures + result.calibration_failures]
    return "\n".join([line, *(["", *problems] if problems else [])])


def score_metadata(result: Measurement, simulate: Simulation, explainer: str) -> dict[str, Any]:
    """Everything that can be computed with later, and the heat map.

    Args:
        result: The measurement.
        simulate: What ran.
        explainer: The explainer's name.
    """
    bases = sorted({simulated.basis for _, simulated in result.scored})
    line = result.calibration
    return {
        "heat map": heat_maps(result),
        "simulation": simulate.name,
        "simulator": simulate.model,
        "simulator_is_explainer": simulate.model == explainer,
        "basis": ", ".join(bases),
        "correlation_top": result.correlation_top,
        "correlation_random": result.correlation_random,
        "r_squared": result.r_squared,
        "absolute_deviation_explained": result.absolute_deviation_explained,
        "calibration": None if line is None else {"slope": line.slope, "intercept": line.intercept},
        "tokens": result.tokens,
        "excerpts_scored": len(result.scored),
        "excerpts_failed": len(result.failures),
        "failures": list(result.failures),
        "calibration_excerpts_failed": len(result.calibration_failures),
        "calibration_failures": list(result.calibration_failures),
        "excerpts": [
            {
                "excerpt": excerpt.name,
                "true": list(excerpt.record.activations),
                "expected": list(simulated.values),
            }
            for excerpt, simulated in result.scored
        ],
    }


def heat_maps(result: Measurement) -> str:
    """Each held-out excerpt with a line of numbers, truth (T) above simulation (S).

    One scale for the whole neuron: truth from 0 to its highest activation, simulation from its
    lowest value (0 where a language model simulates) to its highest.
    """
    true = [v for excerpt, _ in result.scored for v in excerpt.record.activations]
    expected = [v for _, simulated in result.scored for v in simulated.values]
    if not true:
        return ""
    low = min(expected)
    blocks = []
    for excerpt, simulated in result.scored:
        record = excerpt.record
        numbers = (
            f"{excerpt.name}: correlation "
            f"{_number(pearson(record.activations, simulated.values))}, "
            f"true peak {record.peak:.3g}, simulated peak {max(simulated.values):.3g}"
        )
        picture = heat_map(
            record.tokens,
            shades(record.activations, 0.0, max(true)),
            shades(simulated.values, low, max(expected)),
        )
        blocks.append(f"{numbers}\n{picture}")
    return "\n\n".join(blocks)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
