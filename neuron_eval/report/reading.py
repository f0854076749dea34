"""From logs to runs: which logs count, and what each says of each neuron."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspect_ai.log import EvalLog

from neuron_eval.rating.asking import is_person
from neuron_eval.report.identity import identity, rater_identity
from neuron_eval.report.log_files import EXPLAINED, RATED, about, headers, line, short, wrong
from neuron_eval.report.rater_reading import read_raters
from neuron_eval.report.run_reading import read_runs
from neuron_eval.report.runs import Collected
from neuron_eval.report.table import paper_order
from neuron_eval.report.visible import visible


class NoRunsError(ValueError):
    """There is nothing to report on; the message says what was found."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The logs that count, without their samples."""

    explained: tuple[EvalLog, ...]
    """Those of explanations."""

    rated: tuple[EvalLog, ...]
    """Those of raters, people first, by name, by excerpts and by time."""

    notes: tuple[str, ...]
    """A sentence for each log that was left out."""


def collect(places: Sequence[str], *, excerpts: bool = False, workers: int = 1) -> Collected:
    """Read logs and keep what can be compared.

    Args:
        places: Log files and folders, local or any address that Inspect reads; folders are
            searched at any depth.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
        workers: How many processes may read logs; above 1 only where the main module can be
            imported again, as that of a command can.

    Raises:
        NoRunsError: No log is left.
        OSError: A place does not exist.
    """
    chosen = choose(places)
    read = read_runs(chosen.explained, excerpts, workers)
    asked = read_raters(chosen.rated)
    runs = [one.run for one in read if one.run is not None]
    raters = [one.rater for one in asked if one.rater is not None]
    unread = [one.note for one in read] + [one.note for one in asked]
    notes = (*chosen.notes, *filter(None, unread))
    if not runs and not raters:
        found = "; ".join(notes) or "no log files"
        raise NoRunsError(f"{', '.join(places)}: no log to report on: {found}")
    runs.sort(key=lambda run: (*paper_order(run.format), run.explainer, run.simulator))
    return Collected(tuple(runs), notes, tuple(raters))


def choose(places: Sequence[str]) -> Chosen:
    """The finished logs of this project's tasks: of equal settings one, and of one version.

    Args:
        places: Log files and folders, see `collect`.

    Raises:
        OSError: A place does not exist.
    """
    found, notes = headers(places)
    explained = [log for log in found if about(log, EXPLAINED)]
    rated = [log for log in found if about(log, RATED)]
    return Chosen(
        tuple(_best(explained, identity, notes)),
        tuple(sorted(_best(rated, rater_identity, notes), key=_by_name)),
        tuple(notes),
    )


def _by_name(log: EvalLog) -> tuple[bool, str, str, str]:
    model, excerpts = log.eval.model, str((log.eval.metadata or {}).get("excerpts"))
    return not is_person(model), model, excerpts, log.eval.created


def _best(
    found: Sequence[EvalLog], same: Callable[[EvalLog], str], notes: list[str]
) -> list[EvalLog]:
    """Of logs with the same settings the one with the most samples; of equals the newest."""
    best: dict[str, EvalLog] = {}
    for log in _one_version(found, notes):
        try:
            key = same(log)
        except Exception as error:  # of a file that may hold anything
            notes.append(f"{short(log.location)} cannot be read: {wrong(error)}")
            continue
        other = best.get(key)
        if other is None:
            best[key] = log
            continue
        worse, best[key] = sorted((log, other), key=_rank)
        notes.append(_left_out(worse, best[key]))
    return list(best.values())


def _rank(log: EvalLog) -> tuple[int, str, int]:
    return _samples(log), log.eval.created, len(_scores(log))


def _left_out(worse: EvalLog, better: EvalLog) -> str:
    one, other = _told_apart(worse.location, better.location)
    if _run(worse) != _run(better):
        return f"{one} left out: run again as {other} with the same settings"
    if _samples(worse) < _samples(better):
        return f"{one} left out: {other} is the same log with more samples"
    if _scores(worse) != _scores(better):
        return f"{one} left out: {other} is the same log with other scores"
    return f"{one} left out: {other} is the same log"


def _run(log: EvalLog) -> tuple[str, str]:
    """The same in all copies of a log."""
    return log.eval.eval_id, log.eval.created


def _told_apart(*locations: str) -> Sequence[str]:
    names = [short(location) for location in locations]
    return names if len(set(names)) == len(names) else [visible(one) for one in locations]


def _samples(log: EvalLog) -> int:
    return log.results.completed_samples if log.results else 0


def _scores(log: EvalLog) -> set[str]:
    return {score.name for score in log.results.scores} if log.results else set()


def _one_version(found: Sequence[EvalLog], notes: list[str]) -> list[EvalLog]:
    """Only logs of the newest comparable task version."""
    numbers = {number for log in found if (number := comparable(log.eval.task_version)) >= 0}
    newest = max(numbers, default=-1)
    kept: list[EvalLog] = []
    for log in found:
        if comparable(log.eval.task_version) == newest:
            kept.append(log)
        else:
            version = line(str(log.eval.task_version))
            notes.append(
                f"{short(log.location)} left out: task version {version}, whose "
                f"scores cannot be compared with those of version {newest}"
            )
    return kept


def comparable(version: int | str) -> int:
    """The N of a task version ``N-X``; -1 if it is none."""
    number = re.match(r"[0-9]{1,9}(?=-|$)", str(version))
    return int(number[0]) if number else -1
