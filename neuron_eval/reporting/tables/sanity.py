"""Which scores can be believed: the sanity checks of their logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuron_eval.logs.sanity import CRITERION, SanityChecks, result_text
from neuron_eval.measures import MEASURES
from neuron_eval.reporting.tables.base import (
    INTERVAL,
    Cell,
    Column,
    Row,
    Table,
    count,
    number,
    report_table,
    words,
)
from neuron_eval.sanity import CHECKS, SAMPLES, CheckResult

CHANGE = "Change: the mean difference, as a share of the score's range."


@report_table("sanity")
def sanity_table(checks: Sequence[SanityChecks]) -> Table:
    """A row per score and sample of tokens; of several logs, each with its number."""
    several = len(checks) > 1
    columns = [Column("score"), Column("over")]
    for check in CHECKS:
        columns.append(Column(f"{check} labels", True, INTERVAL))
        columns.append(Column(f"{check} change", True, short="change"))
    rows = [
        ((count(i), *row) if several else row)
        for i, of_log in enumerate(checks, 1)
        for row in _rows(of_log)
    ]
    if several:
        columns.insert(0, Column("log", True))
    titles = tuple(f"Log {i}: {c.title}." for i, c in enumerate(checks, 1)) if several else ()
    title = "Sanity checks of scores" if several else checks[0].title
    return Table("sanity", title, tuple(columns), tuple(rows), (*titles, CRITERION, CHANGE))


def _rows(checks: SanityChecks) -> Iterator[Row]:
    for sample in SAMPLES:
        for name, measure in MEASURES.items():
            row = [words(measure.label), words(checks.samples[sample])]
            for check in CHECKS:
                result = checks.results[name, sample, check]
                row += [_cell(result, checks.neurons), number(result.change, "+.4f", "none")]
            yield tuple(row)


def _cell(result: CheckResult, neurons: int) -> Cell:
    low, high = result.interval or (None, None)
    text = " ".join(result_text(result, neurons).split())
    return Cell(text, result.share, extra=(low, high, result.neurons))
