"""Table 3, first half: how long each run's prompts are."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from neuron_eval.logs.runs import EXPLAINER, Run
from neuron_eval.report.comparing import label
from neuron_eval.report.pairing import is_baseline
from neuron_eval.report.tables.base import Cell, Column, Table, number, whole, words

COUNTED = " counted"
RATIO = "fewer than {baseline}"


def tokens_table(runs: Sequence[Run], baseline: str = "original") -> Table:
    """A row a run: the explainer's prompt tokens a neuron, and how many times fewer.

    Args:
        runs: At least one.
        baseline: The format that the others' prompts are measured by.
    """
    columns = (
        Column("run"),
        Column("neurons", True, (COUNTED,)),
        Column("prompt tokens a neuron", True),
        Column(RATIO.format(baseline=baseline), True),
    )
    rows = tuple(_row(run, runs, baseline) for run in runs)
    notes = [
        "Tokens of the explainer's whole prompt, few-shot neurons included, as its provider counts "
        "them; mean over neurons. The ratio is over the neurons that both runs have, with the same "
        "explainer."
    ]
    if not any(is_baseline(run, baseline) for run in runs):
        notes.append(f"There is no run of {baseline} to compare with.")
    return Table("tokens", "Prompt tokens of the explainer", columns, rows, tuple(notes))


def _row(run: Run, runs: Sequence[Run], baseline: str) -> tuple[Cell, ...]:
    counts = _counts(run)
    asked = any(spent.role == EXPLAINER and spent.requests for spent in run.spent)
    neurons = whole(len(run.results))
    return (
        words(label(run, runs)),
        Cell(neurons.text, neurons.value, extra=(len(counts),)),
        number(
            fmean(counts.values()) if counts else None,
            ",.0f",
            "unknown" if asked else "no model was asked",
        ),
        _ratio(run, runs, baseline),
    )


def _ratio(run: Run, runs: Sequence[Run], baseline: str) -> Cell:
    mine = _counts(run)
    for other in runs:
        theirs = _counts(other)
        both = [id for id in mine if id in theirs]
        if not is_baseline(other, baseline) or other.explainer != run.explainer or not both:
            continue
        tokens = sum(mine[id] for id in both)
        if tokens:
            value = sum(theirs[id] for id in both) / tokens
            return Cell(f"{value:.2f} x", value)
    return Cell("unknown")


def _counts(run: Run) -> dict[str, float]:
    """By neuron, where the provider reports a count."""
    return {
        id: result.prompt_tokens
        for id, result in run.results.items()
        if result.prompt_tokens is not None
    }
