"""Running a comparison with Inspect's `eval_set`, so that it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import escape
from typing import Any

import inspect_ai
from inspect_ai.log import EvalLog, read_eval_log_sample_summaries
from inspect_ai.model import CachePolicy
from inspect_ai.util import DisplayType, registry_info

from neuron_eval.comparison.finished import find_finished
from neuron_eval.comparison.own_machine import served_here
from neuron_eval.comparison.plan import Plan
from neuron_eval.inspect_private import PrerequisiteError, eval_set_id_for_log_dir, filesystem
from neuron_eval.logs.reading import UNTIL
from neuron_eval.messages import InputError
from neuron_eval.models.batching import ALL_AT_ONCE, batched, in_batches
from neuron_eval.tasks import controls, explain, formats

LONG = "10Y"
"""How long an explainer's reply is kept. Not for ever: of that Inspect's logs make a week, and
then the same reply would not be found again."""

SHOWN = 200  # so many characters of a sample's error are shown; the log holds all

FOREIGN = "not associated with a task"
"""What Inspect says of a log in the folder that is of another run."""


def run(
    plan: Plan,
    log_dir: str,
    *,
    retries: int,
    max_connections: int | None,
    max_tasks: int | None,
    neurons: Sequence[str] | None = None,
    display: DisplayType | None = None,
) -> list[EvalLog]:
    """Run what is left of a comparison: a log per format and explainer, without samples.

    Only these ``neurons``, by id, if any are named: a later call goes on with the others.

    A failed sample does not stop the others, and is tried ``retries`` times more. The explainers'
    replies are cached under the folder's own id, so that a sample that broke off is not explained,
    and paid for, a second time; another folder asks anew. Where ``max_tasks`` is None, all run at
    once, but one after the other where an explainer is served by this machine.

    Raises:
        KeyboardInterrupt: The user stopped it.
    """
    filesystem(log_dir).mkdir(log_dir, exist_ok=True)
    set_id = eval_set_id_for_log_dir(log_dir)
    options: dict[str, Any] = {"cache": CachePolicy(expiry=LONG, scopes={"eval_set": set_id})}
    if max_connections is not None:
        options["max_connections"] = max_connections
    elif plan.batch and any(map(in_batches, (*plan.models, *plan.roles.values()))):
        options["max_samples"] = ALL_AT_ONCE  # or batches have no more than one model can take
    if max_tasks is None and any(map(served_here, plan.models)):
        max_tasks = 1
    if max_tasks is not None:
        options["max_tasks"] = max_tasks
    if display is not None:
        options["display"] = display
    if neurons is not None:
        options["sample_id"] = [escape(id_) for id_ in neurons]  # Inspect reads patterns
        if plan.until is not None:
            options["metadata"] = {UNTIL: plan.until}
    finished = find_finished(log_dir, plan)
    if plan.controls or finished.controls:
        # Two sets share the folder, so that Inspect cannot tell what belongs to neither.
        if finished.others:
            raise foreign(log_dir)
        options["log_dir_allow_dirty"] = True
    try:
        logs = _run_set(plan, plan.cells, plan.epochs, log_dir, set_id, retries, options)
        if plan.controls and not any(log.status == "cancelled" for log in logs):
            logs += _run_set(plan, plan.control_cells, 1, log_dir, set_id, retries, options)
    except PrerequisiteError as error:
        if FOREIGN not in str(error.message):
            raise
        raise foreign(log_dir) from error
    # Inspect takes a run that was stopped for a success, without the logs of what broke off.
    every = len(plan.cells) + len(plan.control_cells)
    if len(logs) < every or any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt
    return logs


def foreign(log_dir: str) -> InputError:
    return InputError(
        f"{log_dir} holds logs of other settings or other tasks; take the settings that it was "
        "begun with, or another --log-dir"
    )


def _run_set(
    plan: Plan,
    cells: Sequence[tuple[str, str]],
    epochs: int,
    log_dir: str,
    set_id: str,
    retries: int,
    options: Mapping[str, Any],
) -> list[EvalLog]:
    """The logs of every one of the cells' tasks with every one of their models."""
    # Inspect's types allow names or models alone.
    models: list[Any] = [batched(m, plan.batch) for m in dict.fromkeys(m for _, m in cells)]
    _, logs = inspect_ai.eval_set(
        # By name: Inspect would tell tasks made here apart by where this code is installed.
        [_task_of(name) for name in dict.fromkeys(name for name, _ in cells)],
        task_args=dict(plan.parameters),
        log_dir=log_dir,
        eval_set_id=set_id,
        model=models,
        model_roles={role: batched(name, plan.batch) for role, name in plan.roles.items()},
        epochs=epochs,
        # With no retries Inspect warns that to retry at once has no effect.
        retry_attempts=retries,
        retry_immediate=retries > 0,
        continue_on_fail=True,
        **options,
    )
    return logs


def _task_of(format: str) -> str:
    """The name that Inspect knows a format's task by; a user's format gets a task by this call."""
    try:
        return registry_info(getattr(formats, format, getattr(controls, format, None))).name
    except ValueError:  # it is none of those tasks
        return registry_info(explain.register(format)).name


def unfinished(logs: list[EvalLog]) -> list[str]:
    return [
        f"{log.eval.task}, {log.eval.model}: {_why(log)}" for log in logs if not is_complete(log)
    ]


def is_complete(log: EvalLog) -> bool:
    results = log.results
    return (
        log.status == "success"
        and results is not None
        and results.completed_samples >= results.total_samples
    )


def _why(log: EvalLog) -> str:
    if log.error:
        message = log.error.message
    else:
        errors = (s.error for s in read_eval_log_sample_summaries(log.location) if s.error)
        message = " ".join(next(errors, f"its status is {log.status}").split())[:SHOWN]
    if log.results is None:
        return message
    total = log.results.total_samples
    failed = total - log.results.completed_samples
    return f"{failed} of {total} samples failed, the first: {message}"
