"""Running a comparison with Inspect's `eval_set`, so that it goes on where it stopped."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlsplit

from neuron_eval.compare.plan import Plan
from neuron_eval.task import Parameters, format_task

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

LONG = "10Y"
"""How long an explainer's reply is kept. Not for ever: of that Inspect's logs make a week, and
then the same reply would not be found again."""

SHOWN = 200
"""So many characters of a sample's error are shown; the log holds all."""

FOREIGN = "not associated with a task"
"""What Inspect says of a log in the folder that is of another run."""


def run(
    plan: Plan, log_dir: str, *, retries: int, max_connections: int | None, max_tasks: int | None
) -> list[EvalLog]:
    """Run what is left of a comparison.

    A failed sample does not stop the others. The explainers' replies are cached under the
    folder's own id, so that a sample that broke off is not explained, and paid for, a second
    time; another folder asks anew.

    Args:
        plan: The comparison.
        log_dir: The folder of its logs, and of no others.
        retries: How often failed samples are tried again before it gives up.
        max_connections: Requests at once to one provider; None leaves it to Inspect.
        max_tasks: Formats and explainers at once; None is all, but one where an explainer is
            served by this machine.

    Returns:
        The headers of the logs, one a format and explainer.

    Raises:
        UsageError: A task cannot be made of the parameters.
        PrerequisiteError: A model cannot be used, or the folder holds other logs.
        KeyboardInterrupt: The user stopped it.
    """
    from inspect_ai import eval_set
    from inspect_ai.model import CachePolicy

    from neuron_eval.inspect_private import eval_set_id_for_log_dir, filesystem

    filesystem(log_dir).mkdir(log_dir, exist_ok=True)
    set_id = eval_set_id_for_log_dir(log_dir)
    options: dict[str, Any] = {"cache": CachePolicy(expiry=LONG, scopes={"eval_set": set_id})}
    if max_connections is not None:
        options["max_connections"] = max_connections
    if max_tasks is None and any(map(served_here, plan.models)):
        max_tasks = 1
    if max_tasks is not None:
        options["max_tasks"] = max_tasks
    _, logs = eval_set(
        # By name: Inspect would tell tasks made here apart by where this code is installed.
        [_task_of(name) for name in plan.formats],
        task_args=dict(plan.parameters),
        log_dir=log_dir,
        eval_set_id=set_id,
        model=list(plan.models),
        model_roles=dict(plan.roles),
        epochs=plan.epochs,
        # With no retries Inspect warns that to retry at once has no effect.
        retry_attempts=retries,
        retry_immediate=retries > 0,
        continue_on_fail=True,
        **options,
    )
    # Inspect takes a run that was stopped for a success, without the logs of what broke off.
    if len(logs) < len(plan.cells) or any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt
    return logs


def _task_of(format: str) -> str:
    """The name that Inspect knows a format's task by; a user's format gets a task by this call."""
    from inspect_ai import Task, task
    from inspect_ai.util import registry_info

    from neuron_eval.tasks import formats

    try:
        return registry_info(getattr(formats, format, None)).name
    except ValueError:  # it is none of those tasks

        @task(name=format)
        def of_format(**parameters: Unpack[Parameters]) -> Task:
            return format_task(format, parameters)

        return registry_info(of_format).name


def served_here(model: str) -> bool:
    """Whether a model answers at an address of this machine.

    Such a server keeps the prompts' common beginning of as many requests as it has slots. One
    format after the other finds it again; five at once drive it out, and each request pays for
    its few-shot neurons.

    Raises:
        PrerequisiteError: Inspect has no such model, or it lacks what its provider needs.
    """
    from inspect_ai.model import get_model

    host = urlsplit(get_model(model).api.base_url or "").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unfinished(logs: list[EvalLog]) -> list[str]:
    """A sentence for each log that did not finish."""
    return [f"{log.eval.task}, {log.eval.model}: {_why(log)}" for log in logs if not whole(log)]


def whole(log: EvalLog) -> bool:
    """Whether every sample of a log was explained and scored."""
    found = log.results
    return (
        log.status == "success"
        and found is not None
        and found.completed_samples >= found.total_samples
    )


def _why(log: EvalLog) -> str:
    message = log.error.message if log.error else _first_error(log)
    if log.results is not None:
        done, planned = log.results.completed_samples, log.results.total_samples
        return f"{planned - done} of {planned} samples failed, the first: {message}"
    return message


def _first_error(log: EvalLog) -> str:
    from inspect_ai.log import read_eval_log_sample_summaries

    errors = (one.error for one in read_eval_log_sample_summaries(log.location) if one.error)
    return " ".join(next(errors, f"its status is {log.status}").split())[:SHOWN]
