"""Scoring a log again: another simulator's score beside the first, the explanations untouched.

Over Inspect's own `score`, which needs care: it makes every model that the log names, so it wants
keys that scoring does not use; and it names a second score of one scorer by number.
"""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from inspect_ai import score_async
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import Model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState
from inspect_ai.viewer import TaskSamplesColumn, TaskSamplesView

from neuron_eval.inspect_private import run_coroutine
from neuron_eval.logs.files import wrong
from neuron_eval.messages import InputError
from neuron_eval.metrics import interval, score_scale
from neuron_eval.records.splits import from_metadata, which_scored
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation.choose import ROLE
from neuron_eval.simulation.headline import HEADLINE, score_of
from neuron_eval.simulation.measure import CALIBRATION, check_calibration

NO_SAMPLES = "it holds no samples, so there is nothing to score"


class CannotScoreError(InputError):
    """A log that cannot be scored again; the message says why."""


def score_name(simulator: str | None, simulation: str, headline: str = HEADLINE) -> str:
    """What a second score is called, such as ``simulation_correlation_gpt-4o_sparse``."""
    model = "" if simulator is None else re.sub(r"[^\w.-]+", "-", simulator.rpartition("/")[2])
    return "_".join(filter(None, (score_of(headline), model, simulation)))


def rescore(
    log: EvalLog,
    simulator: Model | None,
    name: str,
    *,
    calibration: str = CALIBRATION,
    **settings: Any,
) -> EvalLog:
    """A copy of a finished log of this project's tasks with one more score in each sample.

    ``simulator`` may be None for ``simulation=embedding``, ``name`` is what the score is called;
    the other parameters are `simulation_correlation`'s. A PrerequisiteError is about one of them,
    a `CannotScoreError` about the log.
    """
    check = check_log(log, name, calibration)
    if not log.samples:
        raise refused(log, NO_SAMPLES)
    for sample in log.samples:
        check(sample)
    inner = simulation_correlation(calibration=calibration, **settings)
    return run_coroutine(add_score(log, simulator, inner, name))


async def add_score(
    log: EvalLog,
    simulator: Model | None,
    inner: Scorer,
    name: str,
    samples: Callable[[int], AbstractAsyncContextManager[EvalSample]] | None = None,
) -> EvalLog:
    """Score samples, those in the log or Inspect's ``samples``; the latter changes the log."""
    recorded = log.eval.model_roles
    others = {role: model for role, model in (recorded or {}).items() if role != ROLE} or None
    scored = await score_async(
        log.model_copy(update={"eval": log.eval.model_copy(update={"model_roles": others})}),
        _named(inner, name),
        model="none",
        model_roles=None if simulator is None else {ROLE: simulator},
        action="append",
        copy=samples is None,
        samples=samples,
    )
    scored.eval.model_roles = recorded
    _show(scored, name)
    return scored


def refused(log: EvalLog, why: str) -> CannotScoreError:
    return CannotScoreError(f"{log.location or log.eval.task}: {why}")


def check_log(log: EvalLog, name: str, calibration: str) -> Callable[[EvalSample], None]:
    """Refuse an unfinished log; the result refuses a sample."""
    if log.status != "success":
        raise refused(log, f"its status is {log.status}; only finished logs can be")

    def check(sample: EvalSample) -> None:
        if name in (sample.scores or {}):
            raise refused(log, f"it has a score {name!r} already; choose another --name")
        try:
            dealt = from_metadata(sample.metadata, sample.id)
            check_calibration(calibration, which_scored(dealt.valid))
        except (ValueError, KeyError, TypeError) as error:
            raise refused(log, f"sample {sample.id}: {wrong(error)}") from error

    return check


def _named(inner: Scorer, called: str) -> Scorer:
    @scorer(metrics=[mean(), interval()], name=called)
    def named() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            given = await inner(state, target)
            # Inspect keeps it with each score to the end, and with it all neurons' records.
            state.metadata = {}
            return given

        return score

    return named()


def _show(log: EvalLog, name: str) -> None:
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
