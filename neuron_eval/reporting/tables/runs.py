"""What each run was and which log holds it; every report has it last."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import label
from neuron_eval.reporting.tables.base import Column, Table, count, words

COLUMNS = (
    *(Column("run"), Column("explainer"), Column("simulator"), Column("embedder")),
    *(Column("neurons"), Column("explained", numeric=True), Column("skipped", numeric=True)),
    *(Column("version"), Column("log")),
)


def runs_table(runs: Sequence[Run]) -> Table | None:
    """A row per run; None without runs."""
    rows = tuple(
        (
            words(label(run, runs)),
            *(words(model or "none") for model in (run.explainer, run.simulator, run.embedder)),
            words(run.neurons),
            count(len(run.results)),
            count(run.neurons_skipped),
            words(run.version),
            words(", ".join(log.rpartition("/")[2] for log in run.logs)),
        )
        for run in runs
    )
    return Table("runs", "Runs and their logs", COLUMNS, rows) if rows else None
