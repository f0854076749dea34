"""Running a comparison with Inspect's `eval_set`, so that it goes on where it stopped.

In shards each part is an eval set, one after the other or on the workers of a cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from glob import escape
from typing import Any

import click
import inspect_ai
from inspect_ai.log import EvalLog, read_eval_log_sample_summaries
from inspect_ai.model import CachePolicy
from inspect_ai.util import DisplayType, registry_info

from neuron_eval.comparison.costs import served_here
from neuron_eval.comparison.counting import Prompts
from neuron_eval.comparison.finished import find_beside, find_finished, parts_of
from neuron_eval.comparison.plan import Plan
from neuron_eval.inspect_private import PrerequisiteError, eval_set_id_for_log_dir, filesystem
from neuron_eval.logs.reading import UNTIL
from neuron_eval.messages import InputError
from neuron_eval.models.batching import ALL_AT_ONCE, batched, in_batches
from neuron_eval.preflight.asking import command_check
from neuron_eval.sources.choosing import Shard
from neuron_eval.tasks import controls, explain, formats
from neuron_eval.workers import spread

LONG = "10Y"
"""How long an explainer's reply is kept. Not for ever: of that Inspect's logs make a week, and
then the same reply would not be found again."""

SHOWN = 200  # so many characters of a sample's error are shown; the log holds all
FOREIGN = "not associated with a task"  # what Inspect says of a log of another run in the folder

Part = tuple[Plan, str, Sequence[str] | None]
"""What one shard runs, the folder of its logs, and the ids of its neurons if not all are run."""


def run_all(
    plan: Plan,
    prompts: Prompts,
    log_dir: str,
    *,
    on: str,
    check: bool,
    limits: Mapping[str, Any],
    neurons: Sequence[str] | None = None,
) -> list[EvalLog]:
    """The logs of all shards that have neurons, as `run` gives those of one, to its ``limits``.

    ``prompts`` name all neurons, by format and explainer. On ``ray``, to which this process is
    connected, shards run at once; a worker that is to ``check`` the models asks them once.
    """
    if plan.shards == 1:
        return run(plan, log_dir, neurons=neurons, **limits)
    if find_beside(log_dir, plan):
        raise foreign(log_dir)
    parts = list(filled(plan, prompts, log_dir, neurons))
    if on == "ray":
        calls = ((*part, check, limits) for part in parts)
        each = spread(_run_on_worker, calls, in_order=False)
    else:
        each = (run(part, place, neurons=ids, **limits) for part, place, ids in parts)
    logs: list[EvalLog] = []
    for number, made in enumerate(each, start=1):
        if not all(filesystem(log_dir).exists(log.location) for log in made):
            raise InputError(
                f"{made[0].location} was written on a worker, and is not here: take a --log-dir "
                "that all machines share, such as one on s3://"
            )
        logs += made
        click.echo(f"{number} of {len(parts)} shards are done.", err=True)
    return logs


def filled(
    plan: Plan, prompts: Prompts, log_dir: str, neurons: Sequence[str] | None
) -> Iterator[Part]:
    """The shards that have any of the ``neurons``, with the controls that have any."""
    wanted = None if neurons is None else frozenset(neurons)
    for number, (place, part) in enumerate(parts_of(plan, log_dir), start=1):
        shard = Shard(number, plan.shards)
        inside = {
            cell: [id_ for id_ in ids if shard.holds(id_) and (wanted is None or id_ in wanted)]
            for cell, ids in prompts.items()
        }
        if any(inside.values()):
            controls = dict.fromkeys(cell[0] for cell in part.control_cells if inside[cell])
            ids = None if neurons is None else inside[part.cells[0]]
            yield replace(part, controls=tuple(controls)), place, ids


def _run_on_worker(
    plan: Plan, log_dir: str, neurons: Sequence[str] | None, check: bool, limits: Mapping[str, Any]
) -> list[EvalLog]:
    with command_check(check):
        return run(plan, log_dir, neurons=neurons, display="none", **limits)


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
    """Run what is left of a comparison, or of these ``neurons``: a log per cell, without samples.

    A failed sample does not stop the others, and is tried ``retries`` times more. The explainers'
    replies are cached under the folder's own id, so that a sample that broke off is not explained,
    and paid for, a second time; another folder asks anew. Where ``max_tasks`` is None, all run at
    once, but one after the other where an explainer is served by this machine. Where the user
    stopped it a KeyboardInterrupt says so.
    """
    filesystem(log_dir).mkdir(log_dir, exist_ok=True)
    finished = find_finished(log_dir, plan)
    # With controls two sets share the folder, and Inspect cannot tell what belongs to neither.
    shared = bool(plan.controls) or finished.controls
    if shared and finished.others:
        raise foreign(log_dir)
    batches = plan.batch and any(map(in_batches, (*plan.models, *plan.roles.values())))
    if max_tasks is None and any(map(served_here, plan.models)):
        max_tasks = 1
    set_id = eval_set_id_for_log_dir(log_dir)
    options: dict[str, Any] = {
        "log_dir": log_dir,
        "log_dir_allow_dirty": shared or None,
        "eval_set_id": set_id,
        "cache": CachePolicy(expiry=LONG, scopes={"eval_set": set_id}),
        "max_connections": max_connections,
        # Else batches have no more than one model can take.
        "max_samples": ALL_AT_ONCE if batches and max_connections is None else None,
        "max_tasks": max_tasks,
        "display": display,
        "retry_attempts": retries,
        "retry_immediate": retries > 0,  # without retries Inspect warns that it has no effect
    }
    if neurons is not None:
        options["sample_id"] = [escape(id_) for id_ in neurons]  # Inspect reads patterns
        options["metadata"] = None if plan.until is None else {UNTIL: plan.until}
    options = {name: value for name, value in options.items() if value is not None}
    try:
        logs = _run_set(plan, plan.cells, plan.epochs, options)
        if plan.controls and not any(log.status == "cancelled" for log in logs):
            logs += _run_set(plan, plan.control_cells, 1, options)
    except PrerequisiteError as error:
        if FOREIGN not in str(error.message):
            raise
        raise foreign(log_dir) from error
    # Inspect takes a run that was stopped for a success, without the logs of what broke off.
    if len(logs) < len(plan.every_cell) or any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt
    return logs


def foreign(log_dir: str) -> InputError:
    return InputError(
        f"{log_dir} holds logs of other settings or other tasks; take the settings that it was "
        "begun with, or another --log-dir"
    )


def _run_set(
    plan: Plan, cells: Sequence[tuple[str, str]], epochs: int, options: Mapping[str, Any]
) -> list[EvalLog]:
    # Inspect's types allow names or models alone.
    models: list[Any] = [batched(m, plan.batch) for m in dict.fromkeys(m for _, m in cells)]
    _, logs = inspect_ai.eval_set(
        # By name: Inspect would tell tasks made here apart by where this code is installed.
        [_task_of(name) for name in dict.fromkeys(name for name, _ in cells)],
        task_args=dict(plan.parameters),
        model=models,
        model_roles={role: batched(name, plan.batch) for role, name in plan.roles.items()},
        epochs=epochs,
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
    of = log.results
    return log.status == "success" and of is not None and of.completed_samples >= of.total_samples


def _why(log: EvalLog) -> str:
    if log.error:
        message = log.error.message
    else:
        errors = (s.error for s in read_eval_log_sample_summaries(log.location) if s.error)
        message = " ".join(next(errors, f"its status is {log.status}").split())[:SHOWN]
    if (of := log.results) is None:
        return message
    failed = of.total_samples - of.completed_samples
    return f"{failed} of {of.total_samples} samples failed, the first: {message}"
