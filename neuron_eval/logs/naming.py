"""What a log is called in tables: its prompt format or column, and who explained."""

from __future__ import annotations

from inspect_ai.log import EvalLog

from neuron_eval.formats import format_names
from neuron_eval.given.origin import label


def format_of(log: EvalLog) -> str:
    """What ran: a solver named on the command line, else the task's format or column."""
    solver = (log.eval.solver or "").rpartition("/")[2]
    if solver == "explain":
        return str((log.eval.solver_args or {}).get("format", "summary"))
    if solver == "given":
        given = log.eval.solver_args or {}
        return label(given.get("explanations"), given.get("column"))
    if solver in format_names():
        return solver
    return str((log.eval.metadata or {}).get("task_format", log.eval.task))


def explainer_of(log: EvalLog) -> str:
    """Who explained: the model, or where explanations that exist come from."""
    return str((log.eval.metadata or {}).get("explanations") or log.eval.model)


def paper_order(format: str) -> tuple[int, str]:
    """Sorts formats as the paper has them, then others by name."""
    names = format_names()
    return (names.index(format) if format in names else len(names)), format
