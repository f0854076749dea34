"""What the study keeps: a row for each explanation, with its scores and what it cost."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log

TABLE = Path("logs/study/results.csv.gz")


@dataclass(frozen=True, slots=True)
class Row:
    """One explanation of one neuron, simulated one way. A score that is undefined is None."""

    model: str
    job: str
    neuron: str
    reference: str
    epoch: int
    explanation: str
    adacs: float | None
    correlation: float | None
    why_unscored: str
    excerpts_failed: int
    prompt_tokens: int
    output_tokens: int
    requests: int
    """To the simulator; 0 where it is an embedder."""
    complaints: int
    """Of these, how many asked again what had been asked, with what was wrong."""


def read_rows(path: Path = TABLE) -> list[Row]:
    """The rows of a table; none if there is no table."""
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [_typed(row) for row in csv.DictReader(file)]


def write_rows(rows: Iterable[Row], path: Path = TABLE) -> None:
    """Write a table, sorted, so that the same rows are the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        lines = [",".join(f.name for f in fields(Row))]
        text = _Lines(lines)
        writer = csv.writer(text, lineterminator="")
        for row in sorted(rows, key=lambda r: (r.model, r.job, r.neuron, r.epoch)):
            writer.writerow(["" if v is None else v for v in asdict(row).values()])
        packed.write(("\n".join(lines) + "\n").encode())
    unfinished.replace(path)


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def rows_of(folder: Path, model: str, job: str) -> Iterator[Row]:
    """The rows of a job's one log.

    Raises:
        ValueError: The folder holds no whole log.
    """
    for info in list_eval_logs(str(folder)):
        log = read_eval_log(info)
        if _whole(log):
            return (_row(sample, model, job) for sample in log.samples or [])
    raise ValueError(f"{folder}: no log is whole")


def _whole(log: EvalLog) -> bool:
    found = log.results
    return log.status == "success" and bool(
        found and found.completed_samples == found.total_samples
    )


def _row(sample: EvalSample, model: str, job: str) -> Row:
    scores = sample.scores or {}
    simulated = scores.get("simulation_correlation")
    metadata = (simulated.metadata if simulated else None) or {}
    asked = [
        event
        for event in sample.events
        if isinstance(event, ModelEvent) and event.role == "simulator"
    ]
    usage = [use for name, use in sample.model_usage.items() if not name.startswith("embed-")]
    return Row(
        model=model,
        job=job,
        neuron=str(sample.id),
        reference=str(sample.target),
        epoch=sample.epoch,
        explanation=sample.output.completion.strip(),
        adacs=_number(scores["adacs"].value) if "adacs" in scores else None,
        correlation=_number(simulated.value) if simulated else None,
        why_unscored=(simulated.reason or "") if simulated else "",
        excerpts_failed=int(metadata.get("excerpts_failed", 0)),
        prompt_tokens=sum(use.input_tokens for use in usage),
        output_tokens=sum(use.output_tokens for use in usage),
        requests=len(asked),
        complaints=sum(len(event.input) > 2 for event in asked),
    )


def _number(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else None
    return None if number is None or number != number else round(number, 6)


def _typed(row: dict[str, str]) -> Row:
    typed: dict[str, object] = {}
    for column in fields(Row):
        text = row[column.name]
        if column.name in ("adacs", "correlation"):
            typed[column.name] = float(text) if text else None
        else:
            typed[column.name] = int(text) if column.type == "int" else text
    return Row(**typed)  # type: ignore[arg-type]
