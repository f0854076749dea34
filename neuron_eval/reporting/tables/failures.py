"""Table 5: what has no number, and why; reasons are put together where they say the same."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from neuron_eval.logs.runs import Run
from neuron_eval.messages import visible
from neuron_eval.reporting.comparing import label, scorer_name, scorer_names
from neuron_eval.reporting.tables.base import Column, Row, Table, report_table, row_of, share

COLUMNS = (
    Column("what"),
    Column("reason"),
    Column("count", numeric=True),
    Column("of", numeric=True),
    Column("share", numeric=True),
    Column("where"),
)
COUNTED = (
    "Counted by epoch. What is not scored is in no mean. … stands for what differs between reasons "
    "that are counted together."
)
SKIPPED = (
    "Neurons of the source that were not run, for having too few excerpts or nothing to explain, "
    "or being missing there"
)
SILENT = "no score and no reason in the log"
CUT_OFF = "the explainer's reply stopped at max_tokens"
LONGEST = 160  # characters of a reason that are shown
READ = 2000  # characters of a reason that are looked at: a model's words in it may be of any length
_QUOTED = re.compile(r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|\"(?:[^\"\\]|\\.)*\"|“[^”]*”|`[^`]*`")
_EXCERPT = re.compile(r"\b(?:top|random) \d+")
_WITH_DIGIT = re.compile(r"[^\s,;:()\[\]{}'\"]*\d[^\s,;()\[\]{}'\"]*")
_REPEATED = re.compile(r"…(?:[\s,;]*…)+")
Given = tuple[str, str]  # a log and the reason that it gives


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason and how often it was given, in all and by log.

    Where reasons that say the same differ, the text has … for what differs.
    """

    text: str
    count: int
    by: Counter[str]


@report_table("failures")
def failures_table(runs: Sequence[Run], controls: Sequence[Run] = ()) -> Table:
    """A row for each thing that failed and reason, over all runs; the most frequent first."""
    runs = (*runs, *controls)
    labels = {run.log: label(run, runs) for run in runs}
    results = [(run.log, result) for run in runs for result in run.results.values()]
    samples = sum(result.epochs for _, result in results)
    rows: list[Row] = []
    for name in scorer_names(runs):
        reasons = [given for run in runs for given in _unscored(run, name)]
        rows.extend(_rows(f"not scored: {scorer_name(name)}", reasons, samples, labels))
    failed = [(log, why) for log, n in results for why in n.excerpt_failures]
    excerpts = len(failed) + sum(n.excerpts_scored for _, n in results)
    rows.extend(_rows("excerpt without values", failed, excerpts, labels))
    partly = [(log, why) for log, n in results for why in n.token_failures]
    rows.extend(_rows("excerpt with tokens left out", partly, excerpts, labels))
    for what, reasons in (
        ("error", [(log, why) for log, n in results for why in n.errors]),
        ("explanation cut off", [(log, CUT_OFF) for log, n in results for _ in range(n.cut_off)]),
        ("sample run again", [(log, "an error") for log, n in results for _ in range(n.retries)]),
    ):
        rows.extend(_rows(what, reasons, samples, labels))
    rows.extend(_request_retries(runs, labels))
    notes = [COUNTED]
    if not rows:
        several = "run" if len(runs) == 1 else "runs"
        notes = [f"Nothing failed: {len(runs)} {several}, {samples:,} samples, every one scored."]
    skipped = [(labels[run.log], run.neurons_skipped) for run in runs if run.neurons_skipped]
    if skipped:
        notes.append(f"{SKIPPED}: {_where(skipped, len(runs))}.")
    return Table("failures", "Failures and retries", COLUMNS, tuple(rows), tuple(notes))


def skeleton(reason: str) -> str:
    """A reason on one line, with … for what is quoted, and for numbers and ids."""
    line = _line(reason)[:READ]
    for pattern in (_QUOTED, _EXCERPT, _WITH_DIGIT, _REPEATED):
        line = pattern.sub("…", line)
    return _short(line)


def grouped(reasons: Iterable[Given]) -> list[Reason]:
    """Each different reason once, the most frequent first."""
    given: dict[str, list[Given]] = {}
    for log, reason in reasons:
        given.setdefault(skeleton(reason), []).append((log, _short(_line(reason))))
    different = []
    for key, same in given.items():
        texts = {text for _, text in same}
        text = key if len(texts) > 1 else texts.pop()
        different.append(Reason(text, len(same), Counter(log for log, _ in same)))
    return sorted(different, key=lambda reason: -reason.count)


def _line(reason: str) -> str:
    return visible(" ".join(reason.split()))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _unscored(run: Run, scorer: str) -> Iterator[Given]:
    """Each epoch that the scorer gave no number; none where the scorer was not used at all."""
    results = run.results.values()
    if not any(scorer in result.scores or scorer in result.unscored for result in results):
        return
    for result in results:
        yield from ((run.log, why) for why in result.unscored.get(scorer, ()))
        if not (scorer in result.scores or scorer in result.unscored or result.errors):
            yield from ((run.log, SILENT) for _ in range(result.epochs))


def _rows(what: str, reasons: Iterable[Given], of: int, labels: dict[str, str]) -> Iterator[Row]:
    for reason in grouped(reasons):
        by = [(name, reason.by[log]) for log, name in labels.items() if log in reason.by]
        part = share(reason.count, of)
        yield row_of(what, reason.text, reason.count, of, part, _where(by, len(labels)))


def _where(by: Sequence[tuple[str, int]], runs: int) -> str:
    """For instance ``original 3; summary 2``, or ``every run 2``."""
    if len(by) == runs > 1 and len({times for _, times in by}) == 1:
        return f"every run {by[0][1]:,}"
    return "; ".join(f"{name} {times:,}" for name, times in by)


def _request_retries(runs: Sequence[Run], labels: dict[str, str]) -> Iterator[Row]:
    """Requests that a provider refused, by role and model."""
    every = [(labels[run.log], spent) for run in runs for spent in run.spent]
    for role, model in dict.fromkeys((spent.role, spent.model) for _, spent in every):
        used = [(name, s) for name, s in every if (s.role, s.model) == (role, model)]
        where = [(name, spent.retries) for name, spent in used if spent.retries]
        if where:
            times, requests = sum(n for _, n in where), sum(spent.requests for _, spent in used)
            what, why = f"request sent again: {role}", f"the provider refused: {model}"
            part = share(times, requests)
            yield row_of(what, why, times, requests, part, _where(where, len(labels)))
