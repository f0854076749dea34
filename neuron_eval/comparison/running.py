"""Running a comparison with Inspect's `eval_set`, so that it goes on where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log, read_eval_log_sample_summaries
from inspect_ai.model import CachePolicy
from inspect_ai.util import registry_info

from neuron_eval.comparison.own_machine import served_here
from neuron_eval.comparison.plan import Plan
from neuron_eval.inspect_private import PrerequisiteError, eval_set_id_for_log_dir, filesystem
from neuron_eval.logs.identity import control_name
from neuron_eval.logs.reading import UNTIL
from neuron_eval.messages import InputError
from neuron_eval.models.batching import ALL_AT_ONCE, batched, in_batches
from neuron_eval.tasks import added, controls, formats

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
    if neurons is not None:
        options["sample_id"] = [escape(id_) for id_ in neurons]  # Inspect reads patterns
        if plan.until is not None:
            options["metadata"] = {UNTIL: plan.until}
    finished = find_finished(log_dir, plan)
    if plan.controls or finished.controls:
        # Two sets share the folder, so that Inspect cannot tell what belongs to neither.
        if finished.others:
            raise InputError(_foreign(log_dir))
        options["log_dir_allow_dirty"] = True
    try:
        logs = _run_set(plan, plan.cells, plan.epochs, log_dir, set_id, retries, options)
        if plan.controls and not any(log.status == "cancelled" for log in logs):
            logs += _run_set(plan, plan.control_cells, 1, log_dir, set_id, retries, options)
    except PrerequisiteError as error:
        if FOREIGN not in str(error.message):
            raise
        raise InputError(_foreign(log_dir)) from error
    # Inspect takes a run that was stopped for a success, without the logs of what broke off.
    every = len(plan.cells) + len(plan.control_cells)
    if len(logs) < every or any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt
    return logs


def _foreign(log_dir: str) -> str:
    return (
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
        return registry_info(added.register(format)).name


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


@dataclass(frozen=True, slots=True)
class Finished:
    """What an earlier run has explained and scored."""

    samples: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By format and explainer: by neuron the epochs that are finished, without an error."""

    others: tuple[str, ...] = ()
    """Logs in the folder that are of another run: other settings, or another task."""

    controls: bool = False
    """Whether the folder holds controls that the plan does without."""

    def of(self, cell: tuple[str, str]) -> Mapping[str, int]:
        return self.samples.get(cell, {})

    @property
    def total(self) -> int:
        return sum(sum(epochs.values()) for epochs in self.samples.values())


def find_finished(log_dir: str, plan: Plan) -> Finished:
    """Look through the log folder; one that is not there yet holds nothing.

    What a killed run had not written into its log yet is not found, so it is counted as left
    although Inspect may still recover it.
    """
    if "://" not in log_dir and not Path(log_dir).is_dir():
        return Finished()
    samples: dict[tuple[str, str], Mapping[str, int]] = {}
    others: list[str] = []
    unread: list[str] = []
    beside = False
    # The newest first: each attempt's log begins with what the one before it had finished.
    for info in list_eval_logs(log_dir):
        name = info.name.rpartition("/")[2]
        try:
            log = read_eval_log(info, header_only=True)
        except Exception:  # a log that was cut off; Inspect says so when it gets there
            unread.append(name)
            continue
        cell = (log.eval.task.rpartition("/")[2], log.eval.model)
        if not plan.controls and control_name(log.eval) and _is_of(log, plan):
            beside = True
        elif cell not in (*plan.cells, *plan.control_cells) or not _is_of(log, plan):
            others.append(name)
        elif cell not in samples:
            samples[cell] = _finished(log)
    if not (plan.controls or beside):
        others += unread
    return Finished(samples, tuple(others), beside)


def _is_of(log: EvalLog, plan: Plan) -> bool:
    roles = {
        role: ",".join(model.model for model in (bound if isinstance(bound, list) else [bound]))
        for role, bound in (log.eval.model_roles or {}).items()
    }
    named, wanted = (
        json.dumps(parameters, sort_keys=True)
        for parameters in (log.eval.task_args_passed, plan.parameters)
    )
    return named == wanted and roles == plan.roles


def _finished(log: EvalLog) -> Mapping[str, int]:
    try:
        summaries = read_eval_log_sample_summaries(log.location)
    except Exception:  # a log that was begun and holds no samples yet
        return {}
    return Counter(str(s.id) for s in summaries if s.completed and not s.error)
