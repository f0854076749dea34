"""Differences between runs: from the baseline, and of two runs neuron by neuron."""

from collections.abc import Sequence

from neuron_eval.logs.runs import Run
from neuron_eval.messages import shortened
from neuron_eval.reporting.comparing import is_baseline, label, scorer_name, scorers
from neuron_eval.reporting.differences import Comparison, Pair, comparisons, paired_scores
from neuron_eval.reporting.statistics import MOST_NEURONS, Paired
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import Cell, Column, Row, Table

COLUMNS = (
    Column("measure"),
    Column("run"),
    Column("neurons", True, short="n"),
    Column("mean difference", True, short="difference"),
    Column("95 % interval", extra=(" lower", " upper"), short="interval"),
    Column("win / tie / loss", extra=(" wins", " ties", " losses"), short="w/t/l"),
    Column("p (Holm)", True, (" uncorrected",), "p"),
    Column("neurons needed", True, short="needed"),
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

SHOWN = 10  # neurons of a pair at most, but in the CSV file
LONGEST = 100  # characters of an explanation


@base.report_table("paired")
def paired_table(runs: Sequence[Run], baseline: str, pair: Pair | None = None) -> Table:
    """A row for each measure and run that is not of the baseline's format.

    With a pair, its first run against the other by each measure, and no more.
    """
    compared: list[Comparison] = []
    left_out: list[str] = []
    if pair is not None or any(is_baseline(run, baseline) for run in runs):
        for scorer in scorers(runs):
            more, notes = comparisons(runs, baseline, scorer, pair)
            compared += more
            left_out += notes
    why = NOTES if compared else (_why_none(runs, baseline, pair),)
    few = base.few_neurons(c.paired.n for c in compared)
    named = pair is None and (
        len({c.baseline.log for c in compared}) > 1
        or any(c.baseline.explainer != c.run.explainer for c in compared)
    )
    rows = tuple(_row(c, runs, named) for c in compared)
    columns = (*COLUMNS[:2], Column("against"), *COLUMNS[2:]) if named else COLUMNS
    other = label(pair.other, runs) if pair else baseline
    return Table("paired", f"Difference from {other}", columns, rows, (*why, *few, *left_out))


def _row(comparison: Comparison, runs: Sequence[Run], named: bool) -> Row:
    paired, p = comparison.paired, comparison.p
    ends, outcomes = (paired.lower, paired.upper), (paired.wins, paired.ties, paired.losses)
    return base.row_of(
        scorer_name(comparison.scorer),
        label(comparison.run, runs),
        *([label(comparison.baseline, runs)] if named else []),
        paired.n,
        base.number(paired.mean, "+.3f"),
        Cell(base.interval_text(paired, "+.3f"), paired.lower, extra=ends),
        Cell("/".join(map(str, outcomes)), paired.wins, extra=outcomes),
        Cell("all tied" if p is None else base.p_text(p), p, extra=(paired.p,)),
        _needed(paired),
    )


def _needed(paired: Paired) -> Cell:
    if paired.needed is None:
        return Cell("unknown" if paired.n < 2 else "none")
    if paired.needed >= MOST_NEURONS:
        return Cell(f"over {MOST_NEURONS:,}", paired.needed)
    return base.count(paired.needed)


def _why_none(runs: Sequence[Run], baseline: str, pair: Pair | None) -> str:
    if pair is not None:
        names = f"{label(pair.run, runs)} and {label(pair.other, runs)}"
        return f"No paired comparison: {names} have no scored neuron in common."
    formats = dict.fromkeys(run.format for run in runs)
    if not any(is_baseline(run, baseline) for run in runs):
        no_run = f"there is no run of the baseline format {baseline}"
        return f"No paired comparison: {no_run}; there are {', '.join(formats)}."
    if all(is_baseline(run, baseline) for run in runs):
        return f"No paired comparison: {baseline} is the only format."
    return f"No paired comparison: no neuron was scored both with {baseline} and otherwise."


@base.report_table("pair")
def pair_table(runs: Sequence[Run], pair: Pair | None = None) -> list[Table]:
    """A row per neuron that two runs share, by the first measure that both have; none otherwise."""
    if pair is None:
        return []
    run, other = label(pair.run, runs), label(pair.other, runs)
    columns = (
        Column("neuron"),
        *(Column(f"score of {name}", numeric=True) for name in (run, other)),
        Column("difference", numeric=True),
        *(Column(f"explanation of {name}") for name in (run, other)),
    )
    paired = ((scorer, paired_scores(pair, scorer)) for scorer in scorers(runs))
    scorer, scores = next((of for of in paired if of[1]), ("", {}))
    if not scores:
        why = f"No neurons side by side: {run} and {other} have none that can be compared."
        return [Table("pair", f"{run} against {other} by neuron", columns, (), (why,))]
    title = f"Neurons that differ most: {scorer_name(scorer)} of {run} against {other}"
    rows = tuple(_neuron(pair, id, *both) for id, both in scores.items())
    more = len(rows) - SHOWN
    notes = (f"{more:,} more neurons are in tables/pair.csv.",) if more > 0 else ()
    return [Table("pair", title, columns, rows, notes, SHOWN)]


def _neuron(pair: Pair, id: str, score: float, other: float) -> Row:
    texts = (run.results[id].explanation for run in (pair.run, pair.other))
    return base.row_of(
        *(id, base.number(score), base.number(other), base.number(score - other, "+.3f")),
        *(shortened(" ".join(text.split()), LONGEST) for text in texts),
    )
