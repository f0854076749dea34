"""What an earlier run left in the log folder, so that an estimate leaves it out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log, read_eval_log_sample_summaries

from neuron_eval.compare.plan import Plan


@dataclass(frozen=True, slots=True)
class Done:
    """What has been explained and scored already."""

    samples: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By format and explainer: by neuron the epochs that are finished, without an error."""

    others: tuple[str, ...] = ()
    """Logs in the folder that are of another run: other settings, or another task."""

    def of(self, cell: tuple[str, str]) -> Mapping[str, int]:
        """The finished epochs of one format and explainer, by neuron."""
        return self.samples.get(cell, {})

    @property
    def total(self) -> int:
        """How many explanations are finished."""
        return sum(sum(of.values()) for of in self.samples.values())


def find_done(log_dir: str, plan: Plan) -> Done:
    """Look through the log folder; one that is not there yet holds nothing.

    What a killed run had not written into its log yet is not found, so it is counted as left
    although Inspect may still recover it.

    Args:
        log_dir: A folder, or any address that Inspect reads.
        plan: What will be run.
    """
    if "://" not in log_dir and not Path(log_dir).is_dir():
        return Done()
    samples: dict[tuple[str, str], Mapping[str, int]] = {}
    others: list[str] = []
    # The newest first: each attempt's log begins with what the one before it had finished.
    for info in list_eval_logs(log_dir):
        name = info.name.rpartition("/")[2]
        try:
            log = read_eval_log(info, header_only=True)
        except Exception:  # a log that was cut off; Inspect says so when it gets there
            others.append(name)
            continue
        cell = (log.eval.task.rpartition("/")[2], log.eval.model)
        if not _belongs(log, cell, plan):
            others.append(name)
        elif cell not in samples:
            samples[cell] = _finished(log)
    return Done(samples, tuple(others))


def _belongs(log: EvalLog, cell: tuple[str, str], plan: Plan) -> bool:
    roles = {role: _name(bound) for role, bound in (log.eval.model_roles or {}).items()}
    return (
        cell in plan.cells
        and _same(log.eval.task_args_passed, plan.parameters)
        and roles == plan.roles
    )


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _name(bound: Any) -> str:
    return ",".join(one.model for one in bound) if isinstance(bound, list) else str(bound.model)


def _finished(log: EvalLog) -> Mapping[str, int]:
    try:
        summaries = read_eval_log_sample_summaries(log.location)
    except Exception:  # a log that was begun and holds no samples yet
        return {}
    return Counter(str(one.id) for one in summaries if one.completed and not one.error)
