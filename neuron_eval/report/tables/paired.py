"""Table 2: every run against a baseline, on the same neurons."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.logs.runs import Run
from neuron_eval.report.comparing import label, scorer_name, scorers
from neuron_eval.report.pairing import Comparison, comparisons, is_baseline
from neuron_eval.report.power import MOST_NEURONS
from neuron_eval.report.statistics import Paired
from neuron_eval.report.tables.base import (
    Cell,
    Column,
    Table,
    few_neurons,
    interval_text,
    number,
    whole,
    words,
)

AGAINST = Column("against")
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


def paired_table(runs: Sequence[Run], baseline: str) -> Table:
    """A row for each measure and run that is not the baseline's.

    Args:
        runs: At least one.
        baseline: The format to compare with.
    """
    found: list[Comparison] = []
    left_out: list[str] = []
    if any(is_baseline(run, baseline) for run in runs):
        for scorer in scorers(runs):
            compared, notes = comparisons(runs, baseline, scorer)
            found.extend(compared)
            left_out.extend(notes)
    notes = [
        *(NOTES if found else [_why_none(runs, baseline)]),
        *few_neurons(one.paired.n for one in found),
        *left_out,
    ]
    named = len({one.baseline.log for one in found}) > 1 or any(
        one.baseline.explainer != one.run.explainer for one in found
    )
    rows = tuple(_row(one, runs, named) for one in found)
    columns = (*COLUMNS[:2], AGAINST, *COLUMNS[2:]) if named else COLUMNS
    return Table("paired", f"Difference from {baseline}", columns, rows, tuple(notes))


def _row(one: Comparison, runs: Sequence[Run], named: bool) -> tuple[Cell, ...]:
    found = one.paired
    return (
        words(scorer_name(one.scorer)),
        words(label(one.run, runs)),
        *((words(label(one.baseline, runs)),) if named else ()),
        whole(found.n),
        number(found.difference, "+.3f"),
        Cell(
            interval_text(found.lower, found.upper, "+.3f"),
            found.lower,
            extra=(found.lower, found.upper),
        ),
        Cell(
            f"{found.wins}/{found.ties}/{found.losses}",
            found.wins,
            extra=(found.wins, found.ties, found.losses),
        ),
        _p(one),
        _needed(found),
    )


def _p(one: Comparison) -> Cell:
    if one.p is None:
        return Cell("all tied", extra=(None,))
    text = "<0.0001" if one.p < 1e-4 else f"{one.p:.4f}"
    return Cell(text, one.p, extra=(one.paired.p,))


def _needed(found: Paired) -> Cell:
    if found.needed is None:
        return Cell("unknown" if found.n < 2 else "none")
    if found.needed >= MOST_NEURONS:
        return Cell(f"over {MOST_NEURONS:,}", found.needed)
    return whole(found.needed)


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
