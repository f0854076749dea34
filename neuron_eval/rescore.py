"""Scoring a log again: another simulator's score beside the first, the explanations untouched.

Over Inspect's own `score`, which needs care: it makes every model that the log names, so it wants
keys that scoring does not use; and it names a second score of one scorer by number.
"""

from __future__ import annotations

import re

from inspect_ai import score
from inspect_ai.log import EvalLog, read_eval_log, read_eval_log_sample_summaries
from inspect_ai.model import Model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState
from inspect_ai.viewer import TaskSamplesColumn, TaskSamplesView

from neuron_eval.logs.files import short, wrong
from neuron_eval.messages import InputError
from neuron_eval.metrics import interval, score_scale
from neuron_eval.records.splits import from_metadata, which_scored
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation.choose import ROLE
from neuron_eval.simulation.headline import HEADLINE, score_of
from neuron_eval.simulation.measure import CALIBRATION, check_calibration


class CannotScoreError(InputError):
    """A log that cannot be scored again; the message says why."""


def score_name(simulator: str | None, simulation: str, headline: str = HEADLINE) -> str:
    """What a second score is called, for instance ``simulation_correlation_gpt-4o_sparse``.

    By another measure than the usual one, ``simulation_f1_gpt-4o_sparse``.
    """
    model = "" if simulator is None else re.sub(r"[^\w.-]+", "-", simulator.rpartition("/")[2])
    return "_".join(filter(None, (score_of(headline), model, simulation)))


def read_whole_log(source: str) -> tuple[EvalLog, str]:
    """A log with its samples, and a sentence on those that it only names, if there are such."""
    try:
        log = read_eval_log(source)
        listed = read_eval_log_sample_summaries(source)
    except Exception as error:  # of a file that may hold anything
        raise CannotScoreError(f"{short(source)} cannot be read: {wrong(error)}") from error
    read = {(str(sample.id), sample.epoch) for sample in log.samples or ()}
    missing = [str(s.id) for s in listed if (str(s.id), s.epoch) not in read]
    if not missing:
        return log, ""
    return log, (
        f"{short(source)}: {len(missing)} of {len(listed)} samples cannot be read and are left "
        f"out; the first: {missing[0]!r}"
    )


def rescore(
    log: EvalLog,
    simulator: Model | None,
    name: str,
    *,
    simulation: str = "auto",
    calibration: str = CALIBRATION,
    excerpts_per_call: int | None = None,
    pack: str | None = None,
    headline: str = HEADLINE,
) -> EvalLog:
    """A copy of a finished log of this project's tasks with one more score in each sample.

    ``simulator`` may be None for ``simulation=embedding``, ``name`` is what the score is called;
    the other parameters are `simulation_correlation`'s. A PrerequisiteError is about one of them.

    Raises:
        CannotScoreError: The log is unfinished, or holds no samples, a sample of another
            project, or a score of that name.
    """
    where = log.location or log.eval.task
    if log.status != "success":
        raise CannotScoreError(f"{where}: its status is {log.status}; only finished logs can be")
    if not log.samples:
        raise CannotScoreError(f"{where}: it holds no samples, so there is nothing to score")
    if any(name in (sample.scores or {}) for sample in log.samples):
        raise CannotScoreError(f"{where}: it has a score {name!r} already; choose another --name")
    for sample in log.samples:
        try:
            dealt = from_metadata(sample.metadata, sample.id)
            check_calibration(calibration, which_scored(dealt.valid))
        except (ValueError, KeyError, TypeError) as error:
            raise CannotScoreError(f"{where}: sample {sample.id}: {wrong(error)}") from error
    inner = simulation_correlation(simulation, calibration, pack, excerpts_per_call, headline)
    recorded = log.eval.model_roles
    others = {role: model for role, model in (recorded or {}).items() if role != ROLE} or None
    log = log.model_copy(update={"eval": log.eval.model_copy(update={"model_roles": others})})
    scored = score(
        log,
        _named(inner, name),
        model="none",
        model_roles=None if simulator is None else {ROLE: simulator},
        action="append",
    )
    scored.eval.model_roles = recorded
    _show(scored, name)
    return scored


def _named(inner: Scorer, called: str) -> Scorer:

    @scorer(metrics=[mean(), interval()], name=called)
    def named() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            return await inner(state, target)

        return score

    return named()


def _show(log: EvalLog, name: str) -> None:
    """Give the score its column in the viewer's list, coloured like the first."""
    view = log.eval.viewer.task_samples_view if log.eval.viewer else None
    if not isinstance(view, TaskSamplesView) or view.columns is None:
        return
    ids = [column.id for column in view.columns]
    first = TaskSamplesColumn.score("adacs").id
    at = ids.index(first) + 1 if first in ids else len(ids)
    view.columns.insert(at, TaskSamplesColumn.score(name))
    short = name.removeprefix("simulation_correlation_").removeprefix("simulation_")
    view.score_labels = {**(view.score_labels or {}), name: f"Simulation {short}"}
    view.score_color_scales = {**(view.score_color_scales or {}), name: score_scale()}
