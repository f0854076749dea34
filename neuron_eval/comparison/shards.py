"""A comparison in shards: an eval set each, one after the other or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
from inspect_ai.log import EvalLog

from neuron_eval.comparison.counting import Prompts
from neuron_eval.comparison.finished import find_beside, parts_of
from neuron_eval.comparison.plan import Plan
from neuron_eval.comparison.running import foreign, run
from neuron_eval.inspect_private import filesystem
from neuron_eval.messages import InputError
from neuron_eval.preflight.asking import command_check
from neuron_eval.sources.choosing import Shard
from neuron_eval.workers import spread

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

    Raises:
        InputError: The folder holds other logs too, or not those of the workers.
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
        if not any(inside.values()):
            continue
        controls = [cell[0] for cell in part.control_cells if inside[cell]]
        ids = None if neurons is None else inside[part.cells[0]]
        yield replace(part, controls=tuple(dict.fromkeys(controls))), place, ids


def _run_on_worker(
    plan: Plan, log_dir: str, neurons: Sequence[str] | None, check: bool, limits: Mapping[str, Any]
) -> list[EvalLog]:
    with command_check(check):
        return run(plan, log_dir, neurons=neurons, display="none", **limits)
