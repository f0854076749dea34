"""Table 5: what has no number, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.report.comparing import label, scorer_name, scorer_names
from neuron_eval.report.tables.base import Cell, Column, Table, share, whole, words
from neuron_eval.report.tables.reasons import grouped, told

TITLE = "Failures and retries"
COLUMNS = (
    Column("what"),
    Column("reason"),
    Column("count", numeric=True),
    Column("of", numeric=True),
    Column("share", numeric=True),
    Column("where"),
)
NOTES = (
    "Counted by epoch. What is not scored is in no mean. … stands for what differs between reasons "
    "that are counted together.",
)
SILENT = "no score and no reason in the log"
CUT_OFF = "the explainer's reply stopped at max_tokens"

Given = tuple[str, str]
"""A run's log and the reason."""


def failures_table(runs: Sequence[Run]) -> Table:
    """A row for each thing that failed and reason, over all runs; the most frequent first.

    Args:
        runs: At least one.
    """
    labels = {run.log: label(run, runs) for run in runs}
    results = [(run.log, result) for run in runs for result in run.results.values()]
    samples = sum(result.epochs for _, result in results)
    rows: list[tuple[Cell, ...]] = []
    for name in scorer_names(runs):
        reasons = [given for run in runs for given in _unscored(run, name)]
        rows.extend(_rows(f"not scored: {scorer_name(name)}", reasons, samples, labels))
    failed = [(log, why) for log, result in results for why in result.excerpt_failures]
    excerpts = len(failed) + sum(result.excerpts_scored for _, result in results)
    rows.extend(_rows("excerpt without values", failed, excerpts, labels))
    errors = [(log, why) for log, result in results for why in result.errors]
    rows.extend(_rows("error", errors, samples, labels))
    cut = [(log, CUT_OFF) for log, result in results for _ in range(result.cut_off)]
    rows.extend(_rows("explanation cut off", cut, samples, labels))
    again = [(log, "an error") for log, result in results for _ in range(result.retries)]
    rows.extend(_rows("sample run again", again, samples, labels))
    rows.extend(_request_retries(runs, labels))
    notes = [*(NOTES if rows else [_nothing(runs, samples)]), *_skipped(runs, labels)]
    return Table("failures", TITLE, COLUMNS, tuple(rows), tuple(notes))


def _unscored(run: Run, scorer: str) -> Iterator[Given]:
    """Each epoch that the scorer gave no number; none where the scorer was not used at all."""
    results = run.results.values()
    if not any(scorer in result.scores or scorer in result.unscored for result in results):
        return
    for result in results:
        yield from ((run.log, why) for why in result.unscored.get(scorer, ()))
        if _silent(result, scorer):
            yield from ((run.log, SILENT) for _ in range(result.epochs))


def _silent(result: NeuronResult, scorer: str) -> bool:
    return scorer not in result.scores and scorer not in result.unscored and not result.errors


def _rows(
    what: str, reasons: Iterable[Given], of: int, labels: dict[str, str]
) -> Iterator[tuple[Cell, ...]]:
    for reason in grouped(reasons):
        where = [(name, reason.by[log]) for log, name in labels.items() if log in reason.by]
        yield _row(what, reason.text, reason.count, of, where, len(labels))


def _row(
    what: str, why: str, count: int, of: int, where: Sequence[tuple[str, int]], runs: int
) -> tuple[Cell, ...]:
    cells = (words(what), words(why), whole(count), whole(of), share(count, of))
    return (*cells, words(told(where, runs)))


def _request_retries(runs: Sequence[Run], labels: dict[str, str]) -> Iterator[tuple[Cell, ...]]:
    """Requests that a provider refused, by role and model."""
    models = dict.fromkeys((one.role, one.model) for run in runs for one in run.spent)
    for role, model in models:
        used = [
            (labels[run.log], one)
            for run in runs
            for one in run.spent
            if (one.role, one.model) == (role, model)
        ]
        where = [(name, one.retries) for name, one in used if one.retries]
        if where:
            count, requests = sum(n for _, n in where), sum(one.requests for _, one in used)
            why = f"the provider refused: {model}"
            yield _row(f"request sent again: {role}", why, count, requests, where, len(labels))


def _nothing(runs: Sequence[Run], samples: int) -> str:
    several = "run" if len(runs) == 1 else "runs"
    return f"Nothing failed: {len(runs)} {several}, {samples:,} samples, every one scored."


def _skipped(runs: Sequence[Run], labels: dict[str, str]) -> list[str]:
    skipped = [(labels[run.log], run.neurons_skipped) for run in runs if run.neurons_skipped]
    if not skipped:
        return []
    return [
        "Neurons of the source that were not run, for having too few excerpts or nothing to "
        f"explain, or being missing there: {told(skipped, len(runs))}."
    ]
