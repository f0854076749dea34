"""Which logs are one run: those of equal settings, whether of other neurons or run again."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from inspect_ai.log import EvalLog, read_eval_log_sample_summaries

from neuron_eval.logs.files import about, line, short, wrong
from neuron_eval.logs.identity import identity
from neuron_eval.logs.runs import MeasuredBy, Run
from neuron_eval.logs.spending import added_up
from neuron_eval.messages import listed, visible
from neuron_eval.sources.choosing import SHARD, Ranges, Shard, parse_shard

SKIPPED = ("skipped", "missing")
"""Where a log's header has a sentence on each neuron that was left out."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The logs of one run."""

    logs: tuple[EvalLog, ...]  # headers, at least one; the oldest first
    identity: str  # the settings that they have in common
    again: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By the log's place the neurons that count in a newer log, where they were run again."""

    @property
    def first(self) -> EvalLog:
        return self.logs[0]


def pool(
    logs: Sequence[EvalLog], kind: str, same: Callable[[EvalLog], str], notes: list[str]
) -> list[Pool]:
    """The runs of logs of one kind and the newest version: one for those that `same` has equal.

    A log that has no neuron but those of another is left out; of equal ones the newest counts. Of
    logs that have some neurons in common, these count in the newest. The notes get a sentence on
    each log or neuron left out, and on missing shards.
    """
    groups: dict[str, list[EvalLog]] = {}
    for log in _one_version([log for log in logs if about(log, kind)], notes):
        try:
            _shard_of(log)
            groups.setdefault(same(log), []).append(log)
        except Exception as error:  # of a file that may hold anything
            notes.append(f"{short(log.location)} cannot be read: {wrong(error)}")
    pools = [_pool(group, key, notes) for key, group in groups.items()]
    notes += [gap for pool_ in pools for gap in _gaps(pool_.logs)]
    return pools


def alike(logs: Sequence[EvalLog]) -> Callable[[EvalLog], str]:
    """`identity`, equal for all parts of a run, also one with no excerpt to cut to its window."""

    def wanted(log: EvalLog) -> tuple[str, str]:
        return str((log.eval.metadata or {}).get("neurons")), str(log.eval.task_args.get("window"))

    cut = ((wanted(log), (log.eval.metadata or {}).get("window")) for log in logs)
    windows = {of: w["tokens"] for of, w in cut if isinstance(w, dict) and "tokens" in w}
    return lambda log: identity(log, windows.get(wanted(log)))


def _pool(group: Sequence[EvalLog], key: str, notes: list[str]) -> Pool:
    if len(group) == 1:
        return Pool(tuple(group), key)
    ids = {
        log.location: frozenset(str(s.id) for s in read_eval_log_sample_summaries(log.location))
        for log in group
    }
    kept: list[EvalLog] = []
    best_first = sorted(
        group, key=lambda log: (_samples(log), log.eval.created, len(_scores(log))), reverse=True
    )
    for log in best_first:
        for other in kept:
            if _epochs(log) != _epochs(other) or ids[log.location] <= ids[other.location]:
                notes.append(_left_out(log, other))
                break
        else:
            kept.append(log)
    kept.sort(key=lambda log: (log.eval.created, log.location), reverse=True)
    counted: set[str] = set()
    counting: list[EvalLog] = []
    again: dict[str, frozenset[str]] = {}
    for log in kept:
        own = ids[log.location]
        if twice := own & counted:
            newer = [short(other.location) for other in counting if ids[other.location] & own]
            which = "" if twice == own else f" {len(twice):,} of its {len(own):,} neurons"
            notes.append(
                f"{short(log.location)}:{which} left out: run again as "
                f"{listed(newer, quoted=False)} with the same settings"
            )
        if twice != own:
            counting.append(log)
            again[log.location] = twice
            counted |= own
    return Pool(tuple(reversed(counting)), key, again)


def pooled(runs: Sequence[Run], pool: Pool) -> Iterator[Run]:
    """The logs of a run as one; apart where ``auto`` came to another way to simulate."""
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            both = (*group, run)
            if all(len({getattr(r, name) for r in both} - {""}) < 2 for name in MeasuredBy._fields):
                group.append(run)
                break
        else:
            groups.append([run])
    for group in groups:
        yield replace(group[0] if len(group) == 1 else _one(group, pool), identity=pool.identity)


def _one(runs: Sequence[Run], pool: Pool) -> Run:
    results = [replace(result, log=run.log) for run in runs for result in run.results.values()]
    headers = [log.eval.metadata or {} for log in pool.logs]
    measured_by = MeasuredBy(*(max(getattr(r, n) for r in runs) for n in MeasuredBy._fields))
    skipped = {str(why) for about in headers for n in SKIPPED for why in about.get(n, ())}
    return replace(
        runs[0],
        created=runs[-1].created,
        results={result.id: result for result in results},
        spent=added_up(spent for run in runs for spent in run.spent),
        neurons_skipped=len(skipped),
        **measured_by._asdict(),
    )


def _gaps(logs: Sequence[EvalLog]) -> list[str]:
    parts = [(part, log) for log in logs if (part := _shard_of(log)) is not None]
    sentences = []
    for of in sorted({part.shard.of for part, _ in parts}):
        there = {part.shard.number: part for part, _ in parts if part.shard.of == of}
        edges = pairwise([0, *sorted(there), of + 1])
        missing = Ranges(tuple((a + 1, b - 1) for a, b in edges if b - a > 1))
        sizes = {part.neurons_of_all for part in there.values()}
        left = sizes.pop() - sum(part.neurons for part in there.values())
        # What is missing is known only where all logs are of one selection, divided in one way.
        known = not sizes and sum(part.shard.of == of for part, _ in parts) == len(logs)
        if not missing.parts or (known and left == 0):
            continue
        log = parts[0][1]
        one = len(there) == of - 1
        sentences.append(
            f"{log.eval.task.rpartition('/')[2]}, {log.eval.model}: shard{'' if one else 's'} "
            f"{missing} of {of} {'is' if one else 'are'} missing"
            f"{f': {left:,} neurons' if known else ''}"
        )
    return sentences


class _Part(NamedTuple):
    """What a log says of its shard."""

    shard: Shard
    neurons: int
    neurons_of_all: int


def _shard_of(log: EvalLog) -> _Part | None:
    """None where a log is of no shard; raises what a file that may hold anything gives rise to."""
    about_shard = (log.eval.metadata or {}).get(SHARD)
    if about_shard is None:
        return None
    sizes = (int(about_shard[name]) for name in ("neurons", "neurons_of_all"))
    return _Part(parse_shard(about_shard["shard"]), *sizes)


def _left_out(worse: EvalLog, better: EvalLog) -> str:
    name, other = (short(log.location) for log in (worse, better))
    if name == other:
        name, other = (visible(log.location) for log in (worse, better))
    if _epochs(worse) != _epochs(better):
        return f"{name} left out: {other} has other epochs, {_epochs(better)} of each neuron"
    if (worse.eval.eval_id, worse.eval.created) != (better.eval.eval_id, better.eval.created):
        return f"{name} left out: run again as {other} with the same settings"
    if _samples(worse) < _samples(better):
        return f"{name} left out: {other} is the same log with more samples"
    if _scores(worse) != _scores(better):
        return f"{name} left out: {other} is the same log with other scores"
    return f"{name} left out: {other} is the same log"


def _samples(log: EvalLog) -> int:
    return log.results.completed_samples if log.results else 0


def _epochs(log: EvalLog) -> int:
    return log.eval.config.epochs or 1


def _scores(log: EvalLog) -> set[str]:
    return {score.name for score in log.results.scores} if log.results else set()


def _one_version(logs: Sequence[EvalLog], notes: list[str]) -> list[EvalLog]:
    versions = [comparable(log.eval.task_version) for log in logs]
    newest = max(versions, default=-1)
    notes += [
        f"{short(log.location)} left out: task version {line(str(log.eval.task_version))}, whose "
        f"scores cannot be compared with those of version {newest}"
        for log, version in zip(logs, versions, strict=True)
        if version != newest
    ]
    return [log for log, version in zip(logs, versions, strict=True) if version == newest]


def comparable(version: int | str) -> int:
    """The N of a task version ``N-X``; -1 if it is none."""
    number = re.match(r"[0-9]{1,9}(?=-|$)", str(version))
    return int(number[0]) if number else -1
