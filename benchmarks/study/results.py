"""What the study keeps: a row for each explanation, with its scores and what it cost."""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from statistics import fmean

from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample, list_eval_logs, read_eval_log

from neuron_eval.comparison.running import is_complete
from neuron_eval.comparison.running import unfinished as unfinished_sentences
from neuron_eval.files.locking import unfinished

TABLE = Path("logs/study/results.csv.gz")

MODEL = "openai-api/local/qwen"
"""The model of the page."""


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
    tokens_failed: int
    """Of the excerpts that were scored."""
    prompt_tokens: int
    output_tokens: int
    requests: int
    """To the simulator; 0 where it is an embedder."""
    complaints: int
    """Of these, how many asked again what had been asked, with what was wrong."""


def read_rows(path: Path = TABLE) -> list[Row]:
    """The rows of a table; none if there is no table.

    Raises:
        SystemExit: The file is no such table; the message names it and the row.
    """
    if not path.exists():
        return []
    rows: list[Row] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                rows.append(_typed(row))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path}: cannot be read behind row {len(rows)}: {error!r}") from error
    return rows


def write_rows(rows: Iterable[Row], path: Path = TABLE) -> None:
    """Write a table, sorted, so that the same rows are the same bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in fields(Row))
    for row in sorted(rows, key=lambda r: (r.model, r.job, r.neuron, r.epoch)):
        writer.writerow("" if value is None else value for value in asdict(row).values())
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as file:
        file.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def rows_of(folder: Path, model: str, job: str) -> list[Row]:
    """The rows of a job's one log.

    Raises:
        ValueError: The folder holds no whole log; says why the newest is not.
    """
    logs = [read_eval_log(info) for info in list_eval_logs(str(folder))]
    for log in logs:
        if is_complete(log):
            return [_row(sample, model, job) for sample in log.samples or []]
    raise ValueError(unfinished_sentences(logs[:1])[0] if logs else "there is no log")


def _row(sample: EvalSample, model: str, job: str) -> Row:
    scores = sample.scores or {}
    simulated = scores.get("simulation_correlation")
    metadata = (simulated.metadata if simulated else None) or {}
    told = [e for e in sample.events if isinstance(e, ModelEvent) and not e.error]
    # a run that goes on meets replies that could not be read once more in the cache
    told = list({str([m.text for m in e.input]): e for e in told}.values())
    asked = [event for event in told if event.role == "simulator"]
    # not the sample's own sums: those leave out what the cache answers after a stop
    usage = [
        event.output.usage
        for event in told
        if event.output.usage and not event.model.startswith("embed-")
    ]
    first = min((len(event.input) for event in asked), default=0)
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
        tokens_failed=int(metadata.get("tokens_failed", 0)),
        prompt_tokens=sum(use.input_tokens for use in usage),
        output_tokens=sum(use.output_tokens for use in usage),
        requests=len(asked),
        # a first question may show examples, and is the shortest there is all the same
        complaints=sum(len(event.input) > first for event in asked),
    )


class Results:
    """One model's rows by job."""

    def __init__(self, rows: Iterable[Row], model: str = MODEL) -> None:
        self._rows: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.model == model:
                self._rows[row.job].append(row)

    def __call__(self, job: str) -> list[Row]:
        """The rows of a job."""
        return self._rows.get(job, [])

    def explained(self, pack: str, format: str, neurons: str = "smollm2") -> list[Row]:
        """The rows of a format."""
        return self(f"explain/{pack}/{neurons}/{format}")


SCORES: dict[str, Callable[[Row], float | None]] = {
    "AdaCS": attrgetter("adacs"),
    "embedding simulation": attrgetter("correlation"),
}


def by_neuron(
    rows: Iterable[Row], score: Callable[[Row], float | None] = attrgetter("correlation")
) -> dict[str, float]:
    """Each neuron's mean, of those that have a reference and a score."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = score(row)
        if row.reference and value is not None:
            values[row.neuron].append(value)
    return {neuron: fmean(found) for neuron, found in values.items()}


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
