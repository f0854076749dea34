"""One row a log: how a prompt format scores and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspect_ai.log import EvalLog
from rich import box
from rich.markup import escape
from rich.table import Table

from neuron_eval.formats import format_names

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
    """The prompt format."""

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
    order = {name: i for i, name in enumerate(format_names())}
    made = [_row(log) for log in logs]
    return sorted(made, key=lambda row: (order.get(row.format, len(order)), row.format))


def ratio_to_original(rows: Sequence[Row]) -> list[float]:
    """How many times fewer prompt tokens each row takes than Original; NaN without that row."""
    original = next((row.prompt_tokens for row in rows if row.format == "original"), NAN)
    return [original / row.prompt_tokens for row in rows]


def render(rows: Sequence[Row]) -> Table:
    """The table, for a terminal of at least 112 columns."""
    table = Table(
        title="A neuron, mean with 95 % bootstrap interval",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    table.add_column("format", no_wrap=True)
    for heading in (
        "neurons",
        "simulation correlation",
        "AdaCS",
        "prompt\ntokens",
        "fewer than\nOriginal",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, ratio in zip(rows, ratio_to_original(rows), strict=True):
        table.add_row(
            row.format,
            str(row.neurons),
            escape(_with_count(row.simulation, row.neurons)),
            escape(_with_count(row.adacs, row.neurons)),
            "unknown" if math.isnan(row.prompt_tokens) else f"{row.prompt_tokens:.0f}",
            "unknown" if math.isnan(ratio) else f"{ratio:.2f} x",
        )
    return table


def _with_count(estimate: Estimate, neurons: int) -> str:
    partial = f" ({estimate.scored})" if 0 < estimate.scored < neurons else ""
    return f"{estimate}{partial}"


def _row(log: EvalLog) -> Row:
    neurons = log.results.completed_samples if log.results else 0
    return Row(
        format=_format(log),
        neurons=neurons,
        simulation=_estimate(log, "simulation_correlation"),
        adacs=_estimate(log, "adacs"),
        prompt_tokens=_prompt_tokens(log, neurons),
    )


def _format(log: EvalLog) -> str:
    """The format that ran: a solver given on the command line, else the task's."""
    solver = (log.eval.solver or "").rpartition("/")[2]
    if solver == "explain":
        return str((log.eval.solver_args or {}).get("format", "summary"))
    if solver in format_names():
        return solver
    return str((log.eval.metadata or {}).get("task_format", log.eval.task))


def _prompt_tokens(log: EvalLog, neurons: int) -> float:
    """From the samples; without them from the totals, if the explainer played no other part."""
    if log.samples:
        used = [s.output.usage.input_tokens for s in log.samples if s.output and s.output.usage]
        return sum(used) / len(used) if used else NAN
    total = log.stats.model_usage.get(log.eval.model)
    played_roles = any(
        metadata.model == log.eval.model
        for bound in (log.eval.model_roles or {}).values()
        for metadata in (bound if isinstance(bound, list) else [bound])
    )
    only_explained = not played_roles and not log.stats.role_usage.get("simulator")
    return total.input_tokens / neurons if total and neurons and only_explained else NAN


def _estimate(log: EvalLog, scorer: str) -> Estimate:
    for score in log.results.scores if log.results else []:
        if score.name == scorer:
            mean, lower, upper = (
                score.metrics[name].value if name in score.metrics else NAN
                for name in ("mean", "lower", "upper")
            )
            return Estimate(mean, lower, upper, score.scored_samples or 0)
    return Estimate(NAN, NAN, NAN, 0)
