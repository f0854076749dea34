"""One row a log: how a prompt format scores and what it costs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from inspect_ai.log import EvalLog

from neuron_eval.logs.identity import format_of, paper_order
from neuron_eval.logs.runs import ADACS, SIMULATION, headline_of, prompt_size
from neuron_eval.reporting.comparing import NAMES
from neuron_eval.reporting.statistics import Estimate
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, Cell, Column, Table
from neuron_eval.simulation.headline import HEADLINE, score_of


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What one log says about its prompt format, or about a column of given explanations.

    Scores are None if no neuron was scored; the mean tokens of the explainer's prompt a neuron
    are None if the provider reports none.
    """

    format: str
    neurons: int
    simulation: Estimate | None  # by the measure that `simulated_by` names
    adacs: Estimate | None
    prompt_tokens: float | None
    simulated_by: str = HEADLINE


def summaries(logs: Iterable[EvalLog]) -> list[LogSummary]:
    """One a log, in the paper's order of formats; logs may be without their samples."""
    rows = []
    for log in logs:
        neurons = log.results.completed_samples if log.results else 0
        scores = (_estimate(log, SIMULATION), _estimate(log, ADACS))
        tokens = _prompt_tokens(log, neurons)
        rows.append(LogSummary(format_of(log), neurons, *scores, tokens, headline_of(log)))
    return sorted(rows, key=lambda row: paper_order(row.format))


def ratios_to_original(rows: Sequence[LogSummary]) -> list[float | None]:
    """How many times fewer prompt tokens each row takes than Original; None if that is unknown."""
    original = next((row.prompt_tokens for row in rows if row.format == "original"), None)
    return [
        original / row.prompt_tokens if original and row.prompt_tokens else None for row in rows
    ]


def summary_table(
    rows: Sequence[LogSummary], only_measured: bool = False, counts: bool = True
) -> Table:
    """The rows, at least one, in their order.

    ``only_measured`` leaves out columns in which no row has a number; with ``counts`` an interval
    is followed by how many neurons were scored, if not all were.
    """
    columns = {
        Column("format"): [base.words(row.format) for row in rows],
        Column("neurons", True): [base.number(row.neurons, "d") for row in rows],
        **{
            Column(NAMES[score_of(measure)], True, INTERVAL): [
                _mean(row.simulation if row.simulated_by == measure else None, row.neurons, counts)
                for row in rows
            ]
            for measure in dict.fromkeys(row.simulated_by for row in rows)
        },
        Column("AdaCS", True, INTERVAL): [_mean(row.adacs, row.neurons, counts) for row in rows],
        Column("prompt tokens", True): [base.number(row.prompt_tokens, ".0f") for row in rows],
        Column("fewer than Original", True): [
            base.number(ratio, ".2f", unit=" x") for ratio in ratios_to_original(rows)
        ],
    }
    if only_measured:
        known = {c: any(cell.value is not None for cell in cells) for c, cells in columns.items()}
        columns = {column: cells for column, cells in columns.items() if known[column]}
    title = "A neuron, mean with 95 % bootstrap interval"
    return Table("summary", title, tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _mean(estimate: Estimate | None, neurons: int, counts: bool) -> Cell:
    cell = base.estimate_cell(estimate)
    if estimate is None or estimate.n >= neurons or not counts:
        return cell
    return Cell(f"{cell.text} ({estimate.n})", cell.value, extra=cell.extra)


def _prompt_tokens(log: EvalLog, neurons: int) -> float | None:
    """From the samples; without them from the totals, if the explainer played no other part."""
    if log.samples:
        used = [prompt_size(s.output.usage) for s in log.samples if s.output and s.output.usage]
        return fmean(used) if used else None
    total = log.stats.model_usage.get(log.eval.model)
    played_roles = any(
        metadata.model == log.eval.model
        for bound in (log.eval.model_roles or {}).values()
        for metadata in (bound if isinstance(bound, list) else [bound])
    )
    only_explained = not played_roles and not log.stats.role_usage.get("simulator")
    return prompt_size(total) / neurons if total and neurons and only_explained else None


def _estimate(log: EvalLog, scorer: str) -> Estimate | None:
    for score in log.results.scores if log.results else []:
        if score.name == scorer:
            values = {name: m.value for name, m in score.metrics.items() if not math.isnan(m.value)}
            mean, lower, upper = map(values.get, ("mean", "lower", "upper"))
            if mean is not None:
                return Estimate(mean, lower, upper, score.scored_samples or 0)
    return None
