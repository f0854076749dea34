"""From logs to runs: which logs count, and what each says of each neuron."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from inspect_ai.log import EvalLog

from neuron_eval.logs.files import about, line, short, wrong
from neuron_eval.messages import visible


def choose(
    found: Sequence[EvalLog], kind: str, same: Callable[[EvalLog], str], notes: list[str]
) -> list[EvalLog]:
    """The logs of one kind that count: of the newest version, and of equal settings one.

    That is the one with the most samples; of equals the newest.

    Args:
        found: Finished logs of this project's tasks without their samples, see
            `neuron_eval.logs.files.headers`.
        kind: `neuron_eval.logs.files.EXPLAINED` or `neuron_eval.logs.files.RATED`.
        same: Equal for logs of equal settings.
        notes: Where a sentence on each log that is left out is added.
    """
    best: dict[str, EvalLog] = {}
    for log in _one_version([log for log in found if about(log, kind)], notes):
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
