"""From logs to runs: which logs count, and what each says of each neuron."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspect_ai.log import (
    EvalLog,
    list_eval_logs,
    read_eval_log,
    read_eval_log_sample_summaries,
)

from neuron_eval.rating.asking import is_person
from neuron_eval.report.identity import identity, rater_identity
from neuron_eval.report.rater_reading import SCORE, read_rater
from neuron_eval.report.run_reading import read_runs
from neuron_eval.report.runs import Collected
from neuron_eval.report.table import paper_order


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
    if not chosen.explained and not chosen.rated:
        found = "; ".join(chosen.notes) or "no log files"
        raise NoRunsError(f"{', '.join(places)}: no log to report on: {found}")
    runs = read_runs(chosen.explained, excerpts, workers)
    runs.sort(key=lambda run: (*paper_order(run.format), run.explainer, run.simulator))
    raters = tuple(read_rater(header) for header in chosen.rated)
    return Collected(tuple(runs), chosen.notes, raters)


def choose(places: Sequence[str]) -> Chosen:
    """The finished logs of this project's tasks: of equal settings one, and of one version.

    Args:
        places: Log files and folders, see `collect`.

    Raises:
        OSError: A place does not exist.
    """
    headers, notes = _headers(places)
    explained = [log for log in headers if _about(log, EXPLAINED)]
    rated = [log for log in headers if _about(log, RATED)]
    return Chosen(
        tuple(_best(explained, identity, notes)),
        tuple(sorted(_best(rated, rater_identity, notes), key=_by_name)),
        tuple(notes),
    )


EXPLAINED, RATED = "task_format", "rated_columns"
"""What the headers of logs of explanations, and of ratings, have in their metadata."""


def _about(log: EvalLog, name: str) -> bool:
    return name in (log.eval.metadata or {})


def _by_name(log: EvalLog) -> tuple[bool, str, str, str]:
    model, excerpts = log.eval.model, str((log.eval.metadata or {}).get("excerpts"))
    return not is_person(model), model, excerpts, log.eval.created


def _headers(places: Sequence[str]) -> tuple[list[EvalLog], list[str]]:
    """The finished logs of this project's tasks, and why others are not among them."""
    headers: list[EvalLog] = []
    notes: list[str] = []
    for name in _files(places):
        try:
            log = read_eval_log(name, header_only=True)
        except Exception as error:
            notes.append(f"{_short(name)} cannot be read, perhaps cut off ({_line(error)})")
            continue
        why = _unusable(log, name)
        if why:
            notes.append(f"{_short(name)} {why}")
        else:
            headers.append(log)
    return headers, notes


def _unusable(log: EvalLog, name: str) -> str:
    """Why a log does not count; nothing if it does."""
    task = log.eval.task
    if not _about(log, EXPLAINED) and not _about(log, RATED):
        return f"is a log of another task, {task}"
    if log.status != "success":
        return f"({task}) did not finish: {_why(log)}"
    scored = [score.name for score in log.results.scores] if log.results else []
    if _about(log, RATED) and not scored:
        return f"({task}) waits for the answers of {log.eval.model}"
    if _about(log, RATED) and SCORE not in scored:
        return f"({task}) has no score {SCORE}, only {', '.join(scored)}"
    if not log.results or not log.results.completed_samples:
        return f"({task}) holds no samples"
    if not read_eval_log_sample_summaries(name):
        return f"({task}) holds results without their samples"
    return ""


def _files(places: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for place in places:
        if "://" not in place and not Path(place).exists():
            raise FileNotFoundError(2, "there is no such log file or folder", place)
        single = place.endswith((".eval", ".json"))
        for name in [place] if single else [info.name for info in list_eval_logs(place)]:
            if name not in seen:
                seen.add(name)
                yield name


def _best(
    headers: Sequence[EvalLog], same: Callable[[EvalLog], str], notes: list[str]
) -> list[EvalLog]:
    """Of logs with the same settings the one with the most samples; of equals the newest."""
    best: dict[str, EvalLog] = {}
    for log in _one_version(headers, notes):
        key = same(log)
        other = best.get(key)
        if other is None:
            best[key] = log
            continue
        worse, best[key] = sorted((other, log), key=_rank)
        notes.append(
            f"{_short(worse.location)} left out: run again as {_short(best[key].location)} with "
            "the same settings"
        )
    return list(best.values())


def _rank(log: EvalLog) -> tuple[int, str]:
    return (log.results.completed_samples if log.results else 0, log.eval.created)


def _one_version(headers: Sequence[EvalLog], notes: list[str]) -> list[EvalLog]:
    """Only logs of the newest comparable task version."""
    numbers = {number for log in headers if (number := comparable(log.eval.task_version)) >= 0}
    newest = max(numbers, default=-1)
    kept: list[EvalLog] = []
    for log in headers:
        if comparable(log.eval.task_version) == newest:
            kept.append(log)
        else:
            notes.append(
                f"{_short(log.location)} left out: task version {log.eval.task_version}, whose "
                f"scores cannot be compared with those of version {newest}"
            )
    return kept


def comparable(version: int | str) -> int:
    """The N of a task version ``N-X``; -1 if it is none."""
    number = str(version).partition("-")[0]
    return int(number) if number.isdecimal() else -1


def _why(log: EvalLog) -> str:
    return _line(log.error.message) if log.error else f"its status is {log.status}"


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]


def _short(location: str) -> str:
    return location.rpartition("/")[2]
