"""Table 2: each run against the baseline's run, on the neurons that both scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import (
    is_baseline,
    label,
    measured_by,
    scored_ids,
    scorer_name,
    scorers,
    settings,
    values,
)
from neuron_eval.reporting.statistics import MOST_NEURONS, Paired, holm, paired
from neuron_eval.reporting.tables.base import (
    Cell,
    Column,
    Row,
    Table,
    count,
    few_neurons,
    interval_text,
    number,
    report_table,
    words,
)

COLUMNS = (
    Column("measure"),
    Column("run"),
    Column("neurons", numeric=True),
    Column("mean difference", numeric=True),
    Column("95 % interval", extra=(" lower", " upper")),
    Column("win / tie / loss", extra=(" wins", " ties", " losses")),
    Column("p (Holm)", True, (" uncorrected",)),
    Column("neurons needed", numeric=True),
)
NOTES = (
    "Difference on the same neurons. Interval: cluster bootstrap, 10,000 resamples of neurons, "
    "each neuron with the mean of its epochs; percentiles, taken further out for a small number "
    "of neurons.",
    "A win is a higher score than the baseline's on a neuron, a tie the same up to 1e-12.",
    "p: Wilcoxon signed-rank test, two-sided, with Holm's correction over the comparisons of the "
    "same measure with the same baseline run; no test where all neurons are tied.",
    "Neurons needed: for 80 % power of a two-sided paired t test at 0.05, if the mean and the "
    "spread of the differences are those seen here.",
)


@report_table("paired")
def paired_table(runs: Sequence[Run], baseline: str) -> Table:
    """A row for each measure and run that is not of the baseline's format."""
    compared: list[Comparison] = []
    left_out: list[str] = []
    if any(is_baseline(run, baseline) for run in runs):
        for scorer in scorers(runs):
            more, notes = comparisons(runs, baseline, scorer)
            compared.extend(more)
            left_out.extend(notes)
    notes = [
        *(NOTES if compared else [_why_none(runs, baseline)]),
        *few_neurons(c.paired.n for c in compared),
        *left_out,
    ]
    named = len({c.baseline.log for c in compared}) > 1 or any(
        c.baseline.explainer != c.run.explainer for c in compared
    )
    rows = tuple(_row(c, runs, named) for c in compared)
    columns = (*COLUMNS[:2], Column("against"), *COLUMNS[2:]) if named else COLUMNS
    return Table("paired", f"Difference from {baseline}", columns, rows, tuple(notes))


def _row(comparison: Comparison, runs: Sequence[Run], named: bool) -> Row:
    paired = comparison.paired
    ends, outcomes = (paired.lower, paired.upper), (paired.wins, paired.ties, paired.losses)
    return (
        words(scorer_name(comparison.scorer)),
        words(label(comparison.run, runs)),
        *((words(label(comparison.baseline, runs)),) if named else ()),
        count(paired.n),
        number(paired.difference, "+.3f"),
        Cell(interval_text(*ends, "+.3f"), paired.lower, extra=ends),
        Cell("/".join(map(str, outcomes)), paired.wins, extra=outcomes),
        _p(comparison),
        _needed(paired),
    )


def _p(comparison: Comparison) -> Cell:
    if comparison.p is None:
        return Cell("all tied", extra=(None,))
    text = "<0.0001" if comparison.p < 1e-4 else f"{comparison.p:.4f}"
    return Cell(text, comparison.p, extra=(comparison.paired.p,))


def _needed(paired: Paired) -> Cell:
    if paired.needed is None:
        return Cell("unknown" if paired.n < 2 else "none")
    if paired.needed >= MOST_NEURONS:
        return Cell(f"over {MOST_NEURONS:,}", paired.needed)
    return count(paired.needed)


def _why_none(runs: Sequence[Run], baseline: str) -> str:
    formats = dict.fromkeys(run.format for run in runs)
    if not any(is_baseline(run, baseline) for run in runs):
        return (
            f"No paired comparison: there is no run of the baseline format {baseline}; "
            f"there are {', '.join(formats)}."
        )
    if all(is_baseline(run, baseline) for run in runs):
        return f"No paired comparison: {baseline} is the only format."
    return f"No paired comparison: no neuron was scored both with {baseline} and otherwise."


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against one baseline by one scorer, on the neurons that both have scores of.

    The p is the test's after Holm's correction over the scorer's comparisons with this baseline
    run; None without a test.
    """

    run: Run
    baseline: Run
    scorer: str
    paired: Paired
    p: float | None


def baseline_of(run: Run, runs: Sequence[Run], baseline: str, scorer: str) -> Run | None:
    """The baseline's run to compare a run with.

    It was measured by the same model and has the same explainer: formats are compared, not
    explainers. Explanations from elsewhere, which have none, are compared with the only baseline
    there is. Of several it is the one with the most settings in common; None if there is none.
    """
    measured = [
        other
        for other in runs
        if is_baseline(other, baseline)
        and scored_ids(other, scorer)
        and measured_by(other, scorer) == measured_by(run, scorer)
    ]
    same = [other for other in measured if other.explainer == run.explainer]
    if not same and not (run.given and len(measured) == 1):
        return None
    own = set(settings(run).items())
    return max(same or measured, key=lambda other: len(own & set(settings(other).items())))


def comparisons(
    runs: Sequence[Run], baseline: str, scorer: str
) -> tuple[list[Comparison], list[str]]:
    """Every other run against the baseline's, by one scorer; a sentence on each left out."""
    compared: list[Comparison] = []
    notes: list[str] = []
    for run in runs:
        scored = set(scored_ids(run, scorer))
        if is_baseline(run, baseline) or not scored:
            continue
        other = baseline_of(run, runs, baseline, scorer)
        if other is None:
            notes.append(
                f"{scorer_name(scorer)}: {label(run, runs)} has no {baseline} run to be compared "
                "with, by the same explainer and measured by the same model."
            )
            continue
        ids = tuple(id for id in scored_ids(other, scorer) if id in scored)
        notes.extend(_left_out(run, other, len(scored), ids, runs, scorer))
        result = paired(values(run, ids, scorer), values(other, ids, scorer))
        if result is not None:
            compared.append(Comparison(run, other, scorer, result, None))
    corrected: dict[str, float | None] = {}
    for baseline_log in dict.fromkeys(c.baseline.log for c in compared):
        family = [c for c in compared if c.baseline.log == baseline_log]
        ps = holm([c.paired.p for c in family])
        corrected.update({c.run.log: p for c, p in zip(family, ps, strict=True)})
    return [replace(c, p=corrected[c.run.log]) for c in compared], notes


def _left_out(
    run: Run, baseline: Run, scored: int, ids: Sequence[str], runs: Sequence[Run], scorer: str
) -> list[str]:
    theirs = len(scored_ids(baseline, scorer))
    if scored == theirs == len(ids):
        return []
    return [
        f"{scorer_name(scorer)}: {label(run, runs)} and {label(baseline, runs)} have "
        f"{len(ids) or 'no'} scored neurons in common; left out: {scored - len(ids)} of {scored} "
        f"and {theirs - len(ids)} of {theirs}."
    ]
