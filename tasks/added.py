"""The formats of users' packages, a task each, so that Inspect finds them by name.

inspect eval neuron_eval/mine --model openai/gpt-4o-mini
inspect eval-retry logs/mine.eval
"""

from collections.abc import Callable
from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.plugins import plugin_names
from neuron_eval.task import Parameters, format_task
from neuron_eval.tasks import formats


def register(format: str) -> Callable[..., Task]:
    """Make a task of a user's format, which its package need not name."""

    @task(name=format)
    def of_format(**parameters: Unpack[Parameters]) -> Task:
        return format_task(format, parameters)

    return of_format


for _name in plugin_names("formats"):
    if not hasattr(formats, _name):
        register(_name)
