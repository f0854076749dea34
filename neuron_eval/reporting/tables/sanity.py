"""Which scores can be believed: the sanity checks of their logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuron_eval.logs.sanity import (
    CHECKS_OVER,
    SanityChecks,
    check_label,
    criterion,
    result_text,
)
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
from neuron_eval.sanity import REWRITTEN, SCORE_LABELS, CheckResult

CHANGE = "Change: the mean difference, as a share of the score's range."


@report_table("sanity", "sanity_rewritten")
def sanity_tables(checks: Sequence[SanityChecks]) -> list[Table]:
    """One where labels were changed, one where references were rewritten."""
    by_name = {
        "sanity": [c for c in checks if REWRITTEN not in c.samples],
        "sanity_rewritten": [c for c in checks if REWRITTEN in c.samples],
    }
    return [_table(name, chosen) for name, chosen in by_name.items() if chosen]


def _table(name: str, checks: Sequence[SanityChecks]) -> Table:
    """A row per score and sample of tokens; of several logs, each with its number."""
    several = len(checks) > 1
    columns = [Column("score"), Column("over")]
    for check in CHECKS_OVER[next(iter(checks[0].samples))]:
        columns.append(Column(check_label(check), True, INTERVAL))
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
    notes = (*titles, criterion(checks[0].samples), CHANGE)
    return Table(name, title, tuple(columns), tuple(rows), notes)


def _rows(checks: SanityChecks) -> Iterator[Row]:
    for sample, over in checks.samples.items():
        for name in checks.scores(sample):
            row = [words(SCORE_LABELS[name]), words(over)]
            for check in CHECKS_OVER[sample]:
                result = checks.results[name, sample, check]
                row += [_cell(result, checks.neurons), number(result.change, "+.4f", "none")]
            yield tuple(row)


def _cell(result: CheckResult, neurons: int) -> Cell:
    low, high = result.interval or (None, None)
    text = " ".join(result_text(result, neurons).split())
    return Cell(text, result.share, extra=(low, high, result.neurons))
