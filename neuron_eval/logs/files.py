"""Which logs the user named, each once, and which of them count."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log, read_eval_log_sample_summaries
from pydantic import ValidationError

from neuron_eval.inspect_private import local_path
from neuron_eval.messages import visible

EXPLAINED, RATED, CHECKED = "task_format", "rated_columns", "sanity_concept"
"""What the headers of logs of explanations, ratings and sanity checks have in their metadata."""

RATING = "rating"  # the name of the scorer of ratings
LONGEST = 200  # so many characters of what a file says are shown


def log_files(places: Sequence[str]) -> Iterator[str]:
    """The logs in files and folders (at any depth, local or not), each once however often named."""
    seen: set[object] = set()
    for place in places:
        for name in _logs_at(place):
            key = _file(name)
            if key not in seen:
                seen.add(key)
                yield name


def headers(places: Sequence[str]) -> tuple[list[EvalLog], list[str]]:
    """The finished logs of this project's tasks without samples, a sentence for each other log."""
    logs: list[EvalLog] = []
    notes: list[str] = []
    for name in log_files(places):
        try:
            log = read_eval_log(name, header_only=True)
            why = _unusable(log, name)
        except Exception as error:  # of a file that may hold anything
            notes.append(f"{short(name)} cannot be read: {wrong(error)}")
            continue
        if why:
            notes.append(f"{short(name)} {why}")
        else:
            logs.append(log)
    return logs, notes


def about(log: EvalLog, kind: str) -> bool:
    """Whether a log is of explanations (`EXPLAINED`), of ratings (`RATED`) or of `CHECKED`."""
    return kind in (log.eval.metadata or {})


def short(location: str) -> str:
    return visible(location.rstrip("/").rpartition("/")[2])


def wrong(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return wrong(error.exceptions[0])
    if isinstance(error, ValidationError):
        first, *rest = error.errors(include_url=False)
        text = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        return line(f"{text}, and {len(rest)} more such" if rest else text)
    if isinstance(error, KeyError):
        return line(f"there is no {error}")
    return line(str(error) or type(error).__name__)


def line(text: str) -> str:
    """A text as one line of visible signs, its end cut off where it is long."""
    return visible(" ".join(text[: 2 * LONGEST].split()))[:LONGEST]


def _logs_at(place: str) -> list[str]:
    if _is_local(place):
        if not Path(local_path(place)).exists():
            raise FileNotFoundError(2, "there is no such log file or folder", place)
        single = Path(local_path(place)).is_file()
    else:
        single = place.endswith((".eval", ".json"))
    return [place] if single else [info.name for info in list_eval_logs(place)]


def _is_local(name: str) -> bool:
    return name.startswith("file://") or "://" not in name


def _file(name: str) -> object:
    """What two names of one file have in common."""
    if not _is_local(name):
        return re.sub(r"(?<!:)/{2,}", "/", name)
    try:
        status = Path(local_path(name)).stat()
    except OSError:
        return os.path.realpath(local_path(name))
    return status.st_dev, status.st_ino


def _unusable(log: EvalLog, name: str) -> str:
    task = log.eval.task
    if not any(about(log, kind) for kind in (EXPLAINED, RATED, CHECKED)):
        return f"is a log of another task, {task}"
    if log.status != "success":
        why = line(log.error.message) if log.error else f"its status is {log.status}"
        return f"({task}) did not finish: {why}"
    scored = [score.name for score in log.results.scores] if log.results else []
    if about(log, RATED) and not scored:
        return f"({task}) waits for the answers of {log.eval.model}"
    if about(log, RATED) and RATING not in scored:
        return f"({task}) has no score {RATING}, only {', '.join(scored)}"
    if not log.results or not log.results.completed_samples:
        return f"({task}) holds no samples"
    if not read_eval_log_sample_summaries(name):
        return f"({task}) holds results without their samples"
    return ""
