"""What earlier runs of a comparison have left in its log folder."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log, read_eval_log_sample_summaries

from neuron_eval.comparison.plan import Plan, cell_of
from neuron_eval.logs.identity import control_name
from neuron_eval.sources.choosing import SHARD, Shard


@dataclass(frozen=True, slots=True)
class Finished:
    """What an earlier run has explained and scored."""

    samples: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By format and explainer: by neuron the epochs that are finished, without an error."""

    others: tuple[str, ...] = ()
    """Logs in the folder that are of another run: other settings, or another task."""

    controls: bool = False  # whether the folder holds controls that the plan does without

    def of(self, cell: tuple[str, str]) -> Mapping[str, int]:
        return self.samples.get(cell, {})

    @property
    def total(self) -> int:
        return sum(sum(epochs.values()) for epochs in self.samples.values())


def find_finished(log_dir: str, plan: Plan) -> Finished:
    """Look through the log folder, if it is there.

    What a killed run had not written yet counts as left, although Inspect may recover it.
    """
    each = [_find_in(place, part) for place, part in parts_of(plan, log_dir)]
    if len(each) == 1:
        return each[0]
    samples = {
        cell: {id_: n for part in each for id_, n in part.of(cell).items()}
        for cell in dict.fromkeys(cell for part in each for cell in part.samples)
    }
    others = (*(name for part in each for name in part.others), *find_beside(log_dir, plan))
    return Finished(samples, others, any(part.controls for part in each))


def find_beside(log_dir: str, plan: Plan) -> list[str]:
    if not _is_there(log_dir):
        return []
    folders = {place.rpartition("/")[2] for place, _ in parts_of(plan, log_dir)}
    names = [info.name.split("/") for info in list_eval_logs(log_dir)]
    return [name[-1] for name in names if name[-2] not in folders]


def parts_of(plan: Plan, log_dir: str) -> list[tuple[str, Plan]]:
    """The plan of each shard with the folder of its logs; where there is one, the plan itself."""
    if plan.shards == 1:
        return [(log_dir, plan)]
    parts = []
    for number in range(1, plan.shards + 1):
        of_shard = {**plan.parameters, SHARD: str(Shard(number, plan.shards))}
        folder = f"{log_dir.rstrip('/')}/shard-{number}-of-{plan.shards}"
        parts.append((folder, replace(plan, shards=1, parameters=of_shard)))
    return parts


def _is_there(log_dir: str) -> bool:
    return "://" in log_dir or Path(log_dir).is_dir()


def _find_in(log_dir: str, plan: Plan) -> Finished:
    if not _is_there(log_dir):
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
        cell = cell_of(log)
        if not plan.controls and control_name(log.eval) and _is_of(log, plan):
            beside = True
        elif cell not in plan.every_cell or not _is_of(log, plan):
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
    passed = (log.eval.task_args_passed, plan.parameters)
    named, wanted = (json.dumps(parameters, sort_keys=True) for parameters in passed)
    return named == wanted and roles == plan.roles


def _finished(log: EvalLog) -> Mapping[str, int]:
    try:
        summaries = read_eval_log_sample_summaries(log.location)
    except Exception:  # a log that was begun and holds no samples yet
        return {}
    return Counter(str(s.id) for s in summaries if s.completed and not s.error)
