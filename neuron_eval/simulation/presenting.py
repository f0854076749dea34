"""How the log shows a measurement: a line, the numbers as metadata, and the heat map."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from neuron_eval.records import ActivationRecord
from neuron_eval.records.heatmap import SIGNS, caption, heat_map, scale, shades
from neuron_eval.simulation import Simulated, Simulation, without_nan
from neuron_eval.simulation.headline import HEADLINE, Numbers, headline_label, value_of
from neuron_eval.simulation.measure import Measurement, background, counted_or
from neuron_eval.stats import pearson

PANEL = 16  # lines of a value that Inspect's log viewer shows before it folds it
REASONS = 3  # so many reasons for missing values are explained; the metadata hold all

# < and & are left alone: the viewer escapes them itself, before it reads the Markdown
_MARKUP = re.compile(r"[\\`*\[\]$~|]|(?<![^\W_])_|_(?![^\W_])")


def explanation_line(
    result: Measurement, numbers: Numbers | None = None, headline: str = HEADLINE
) -> str:
    """The score, the ``headline`` among the numbers, or why there is none; and the correlation."""
    value, unscored_reason = value_of(result, numbers or {}, headline)
    counts = f"{result.tokens} tokens in {len(result.scored)} excerpts"
    if value is None:
        return f"Not scored: {plain(unscored_reason)} ({counts}).{_problems(result)}"
    parts = [f"correlation {rounded(result.correlation)}"]
    if headline != HEADLINE:
        parts.insert(0, f"{headline_label(headline)} {rounded(value)}")
    if len({excerpt.kind for excerpt, _ in result.scored}) > 1:
        parts.append(f"top excerpts {rounded(result.correlation_top)}")
        parts.append(f"random excerpts {rounded(result.correlation_random)}")
    if result.weights is not None:
        parts.append("weighted by how much of all text each excerpt stands for")
    if result.calibration is not None:
        parts.append(f"R² after calibration {rounded(result.r_squared)}")
        parts.append(f"absolute deviation explained {rounded(result.absolute_deviation_explained)}")
    if result.unread:
        counts += f"; {result.unread} more without a value"
    if result.unplaced:
        counts += f"; {result.unplaced} named words that are not in their excerpt"
    return f"{'; '.join([*parts, counts])}.{_problems(result)}"


def score_metadata(
    result: Measurement, simulate: Simulation, why: str, explainer: str
) -> dict[str, Any]:
    """Everything that can be computed with later, and the heat map; ``why`` it was that way."""
    calibration = result.calibration
    return {
        **in_panels(heat_maps(result)),
        "simulation": simulate.name,
        "simulation_why": why,
        "simulator": simulate.model,
        "simulator_is_explainer": simulate.model == explainer,
        "basis": result.basis,
        "held_out": result.held_out,
        "correlation_top": result.correlation_top,
        "correlation_random": result.correlation_random,
        "r_squared": result.r_squared,
        "absolute_deviation_explained": result.absolute_deviation_explained,
        "calibration": None if calibration is None else asdict(calibration),
        "tokens": result.tokens,
        "excerpts_scored": len(result.scored),
        "excerpts_failed": len(result.failures),
        "failures": list(result.failures),
        "tokens_failed": result.unread,
        "token_failures": list(result.token_failures),
        "names_unplaced": result.unplaced,
        "calibration_excerpts_failed": len(result.calibration_failures),
        "calibration_failures": list(result.calibration_failures),
        "calibration_tokens_failed": result.calibration_unread,
        # Tokens and true activations are in the sample's record, under the same names.
        "excerpts": [
            {
                "excerpt": excerpt.name,
                "expected": without_nan(simulated.values),
                **({"ignored": list(excerpt.record.ignored)} if excerpt.record.ignored else {}),
                **({} if result.weights is None else {"weight": result.weights[i]}),
            }
            for i, (excerpt, simulated) in enumerate(result.scored)
        ],
    }


def heat_maps(result: Measurement) -> str:
    """Each held-out excerpt with a line of numbers, truth (T) above simulation (S).

    One scale for the whole neuron, which the legend on top states: truth from 0 to its highest
    activation, simulation from its median, which is what it says of tokens that it has nothing
    to say of, to its highest value. Tokens that are not scored are white:
    ignored ones, and in the simulation those without a value.
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


def in_panels(picture: str, rest: str = "further excerpts") -> dict[str, str]:
    """The heat map by headings, so that the log viewer shows the first without a click.

    It holds as many excerpts as fit, the ``rest`` comes below and opens by a click.
    """
    blocks = picture.split("\n\n")
    heights = accumulate(block.count("\n") + 2 for block in blocks)
    fit = max(2, sum(height - 1 <= PANEL for height in heights))
    panels = {"heat map": blocks[:fit], rest: blocks[fit:]}
    return {heading: "\n\n".join(part) for heading, part in panels.items() if part}


def _numbers(record: ActivationRecord, simulated: Simulated) -> str:
    true, expected = record.counted(record.activations), record.counted(simulated.values)
    if not expected:
        return "not scored: every token is ignored"
    left_out = f", {len(record.ignored)} of {len(record.tokens)} tokens not scored"
    return (
        f"correlation {rounded(pearson(true, expected))}, peak true {record.peak:.3g}, simulated "
        f"{max(expected):.3g}{left_out if record.ignored else ''}"
    )


def _problems(result: Measurement) -> str:
    return problem_list(
        f"No values for {len(result.failures)} held-out and {len(result.calibration_failures)} "
        "calibration excerpts",
        result.failures + result.calibration_failures,
    ) + problem_list("Tokens without a value", result.token_failures)


def problem_list(heading: str, failures: Sequence[str]) -> str:
    """Markdown: a paragraph with the first few reasons; empty if there are none."""
    if not failures:
        return ""
    lines = [f"\n\n{heading}:\n", *(f"- {plain(failure)}" for failure in failures[:REASONS])]
    if len(failures) > REASONS:
        lines.append(f"- and {len(failures) - REASONS} more, in the metadata")
    return "\n".join(lines)


def rounded(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def plain(text: str) -> str:
    """A model's words inside Markdown: on one line, nothing of them markup or mathematics."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
