"""Table 4: do the measures agree on which neurons, and which runs, are explained well?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from neuron_eval.logs.runs import Run
from neuron_eval.report.comparing import scored_ids, scorer_name, scorers, values
from neuron_eval.report.statistics import spearman
from neuron_eval.report.tables.base import Cell, Column, Table, whole, words

OVER_NEURONS = (
    Column("over neurons", True, (" lowest run", " highest run")),
    Column("runs", numeric=True),
    Column("neurons", True, (" fewest", " most")),
)
OVER_RUNS = (
    Column("over runs", numeric=True),
    Column("common neurons", numeric=True),
)
COLUMNS = (Column("measure"), Column("other measure"), *OVER_NEURONS, *OVER_RUNS)
TITLE = "Agreement of measures (Spearman's rank correlation)"
NOTES = (
    "Over neurons: within each run, over the neurons that both measures scored; the mean of the "
    "runs in which it is defined, whose number and neurons follow.",
    "Over runs: between the means of the runs, each over the common neurons, which both measures "
    "scored in every run. Each run is a format with its models.",
    "Undefined: fewer than three values, or a measure that is the same for all.",
)


def agreement_table(runs: Sequence[Run]) -> Table:
    """A row for every pair of scorers.

    Args:
        runs: At least one.
    """
    names = scorers(runs)
    if len(names) < 2:
        found = f"only {scorer_name(names[0])} has scores" if names else "nothing was scored"
        return Table("agreement", TITLE, COLUMNS, (), (f"No measures to compare: {found}.",))
    rows = tuple(
        (words(scorer_name(a)), words(scorer_name(b)), *over_neurons_and_runs(runs, a, b))
        for a, b in combinations(names, 2)
    )
    return Table("agreement", TITLE, COLUMNS, rows, NOTES)


def over_neurons_and_runs(runs: Sequence[Run], a: str, b: str) -> tuple[Cell, ...]:
    """The cells of `OVER_NEURONS` and `OVER_RUNS` for two scorers."""
    both = {run.log: _both(run, a, b) for run in runs}
    defined = [
        (rho, len(both[run.log]))
        for run in runs
        if (rho := spearman(*_columns(run, both[run.log], a, b))) is not None
    ]
    rhos, counts = [rho for rho, _ in defined], [n for _, n in defined]
    with_both = [run for run in runs if both[run.log]]
    common = set.intersection(*(set(both[run.log]) for run in with_both)) if with_both else set()
    ids = sorted(common)
    means = [[fmean(v) for v in _columns(run, ids, a, b)] for run in with_both] if ids else []
    over_runs = spearman([m[0] for m in means], [m[1] for m in means])
    return (
        _over_neurons(rhos),
        whole(len(rhos)),
        _range(counts),
        Cell("undefined") if over_runs is None else Cell(f"{over_runs:+z.2f}", over_runs),
        whole(len(ids)),
    )


def _both(run: Run, a: str, b: str) -> list[str]:
    second = set(scored_ids(run, b))
    return [id for id in scored_ids(run, a) if id in second]


def _columns(run: Run, ids: Sequence[str], a: str, b: str) -> tuple[list[float], list[float]]:
    return values(run, ids, a), values(run, ids, b)


def _over_neurons(rhos: Sequence[float]) -> Cell:
    if not rhos:
        return Cell("undefined", extra=(None, None))
    low, high = min(rhos), max(rhos)
    between = f" ({low:+z.2f} to {high:+z.2f})" if len(rhos) > 1 else ""
    return Cell(f"{fmean(rhos):+z.2f}{between}", fmean(rhos), extra=(low, high))


def _range(counts: Sequence[int]) -> Cell:
    """How many neurons the runs have."""
    if not counts:
        return Cell("0", 0, extra=(0, 0))
    low, high = min(counts), max(counts)
    text = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return Cell(text, low if low == high else fmean(counts), extra=(low, high))
