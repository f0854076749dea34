"""One row a log: how a prompt format scores and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inspect_ai.log import EvalLog
from inspect_ai.model import ModelUsage
from rich import box
from rich.markup import escape
from rich.table import Table

from neuron_eval.logs.identity import format_of, paper_order

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; NaN where there is no measurement."""

    mean: float
    """The mean over the scored neurons."""

    lower: float
    """Lower end of the 95 % bootstrap interval."""

    upper: float
    """Upper end."""

    scored: int
    """How many neurons were scored."""

    def __str__(self) -> str:
        """For instance ``0.412 [0.380, 0.447]``."""
        if math.isnan(self.mean):
            return "not scored"
        return f"{self.mean:.3f} [{self.lower:.3f}, {self.upper:.3f}]"


@dataclass(frozen=True, slots=True)
class Row:
    """What one log says about its prompt format."""

    format: str
    """The prompt format; where explanations were given, the column that they stand in."""

    neurons: int
    """How many neurons were explained."""

    simulation: Estimate
    """Simulation correlation, in [-1, 1]."""

    adacs: Estimate
    """AdaCS, in [-1, 1]."""

    prompt_tokens: float
    """Mean tokens of the explainer's prompt a neuron; NaN if the provider reports none."""


def rows(logs: Sequence[EvalLog]) -> list[Row]:
    """One row a log, in the paper's order of formats.

    Args:
        logs: Logs of this project's tasks, with or without their samples.
    """
    return sorted((_row(log) for log in logs), key=lambda row: paper_order(row.format))


def ratio_to_original(rows: Sequence[Row]) -> list[float]:
    """How many times fewer prompt tokens each row takes than Original; NaN without that row."""
    original = next((row.prompt_tokens for row in rows if row.format == "original"), NAN)
    return [original / row.prompt_tokens for row in rows]


def render(rows: Sequence[Row], only_measured: bool = False) -> Table:
    """The table, for a terminal of at least 112 columns.

    Args:
        rows: The rows, in the order to print.
        only_measured: Whether to leave out columns in which no row has a number.
    """
    table = Table(
        title="A neuron, mean with 95 % bootstrap interval",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    tokens = [row.prompt_tokens for row in rows]
    ratios = ratio_to_original(rows)
    columns = [
        ("format", [row.format for row in rows], True),
        ("neurons", [str(row.neurons) for row in rows], True),
        (
            "simulation correlation",
            [_with_count(row.simulation, row.neurons) for row in rows],
            any(row.simulation.scored for row in rows),
        ),
        (
            "AdaCS",
            [_with_count(row.adacs, row.neurons) for row in rows],
            any(row.adacs.scored for row in rows),
        ),
        ("prompt\ntokens", [_or_unknown(value, ".0f") for value in tokens], _any_number(tokens)),
        (
            "fewer than\nOriginal",
            [_or_unknown(value, ".2f", " x") for value in ratios],
            _any_number(ratios),
        ),
    ]
    shown = [(heading, cells) for heading, cells, has in columns if has or not only_measured]
    for heading, _ in shown:
        justify: Literal["left", "right"] = "left" if heading == "format" else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for cells in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*map(escape, cells))
    return table


def _any_number(values: Sequence[float]) -> bool:
    return not all(map(math.isnan, values))


def _or_unknown(value: float, spec: str, unit: str = "") -> str:
    return "unknown" if math.isnan(value) else f"{value:{spec}}{unit}"


def _with_count(estimate: Estimate, neurons: int) -> str:
    partial = f" ({estimate.scored})" if 0 < estimate.scored < neurons else ""
    return f"{estimate}{partial}"


def _row(log: EvalLog) -> Row:
    neurons = log.results.completed_samples if log.results else 0
    return Row(
        format=format_of(log),
        neurons=neurons,
        simulation=_estimate(log, "simulation_correlation"),
        adacs=_estimate(log, "adacs"),
        prompt_tokens=_prompt_tokens(log, neurons),
    )


def _prompt_tokens(log: EvalLog, neurons: int) -> float:
    """From the samples; without them from the totals, if the explainer played no other part."""
    if log.samples:
        used = [_prompt(s.output.usage) for s in log.samples if s.output and s.output.usage]
        return sum(used) / len(used) if used else NAN
    total = log.stats.model_usage.get(log.eval.model)
    played_roles = any(
        metadata.model == log.eval.model
        for bound in (log.eval.model_roles or {}).values()
        for metadata in (bound if isinstance(bound, list) else [bound])
    )
    only_explained = not played_roles and not log.stats.role_usage.get("simulator")
    return _prompt(total) / neurons if total and neurons and only_explained else NAN


def _prompt(usage: ModelUsage) -> int:
    """The whole prompt: providers state apart what they had cached."""
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    return usage.input_tokens + cached


def _estimate(log: EvalLog, scorer: str) -> Estimate:
    for score in log.results.scores if log.results else []:
        if score.name == scorer:
            mean, lower, upper = (
                score.metrics[name].value if name in score.metrics else NAN
                for name in ("mean", "lower", "upper")
            )
            return Estimate(mean, lower, upper, score.scored_samples or 0)
    return Estimate(NAN, NAN, NAN, 0)
