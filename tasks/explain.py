"""Any prompt format on any neurons; and the formats of users' packages, a task each.

inspect eval neuron_eval/explain -T format=highlight --model openai/gpt-4o-mini
inspect eval neuron_eval/mine --model openai/gpt-4o-mini
"""

from collections.abc import Callable
from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.plugins import plugin_names
from neuron_eval.task import Parameters, format_task
from neuron_eval.tasks import controls, formats, given, investigate, rate, sanity

SHIPPED = {"explain"}.union(*map(vars, (controls, formats, given, investigate, rate, sanity)))
"""No task of a user's format replaces one of these; `explain` takes such a format too."""


@task
def explain(format: str = "summary", **parameters: Unpack[Parameters]) -> Task:
    """Explain neurons and score the explanations.

    Args:
        format: Prompt format: original, summary, highlight, highlight_summary or avhs.
        **parameters: See `neuron_eval.task.explanation_task`.
    """
    return format_task(format, parameters)


def register(format: str) -> Callable[..., Task]:
    @task(name=format)
    def of_format(**parameters: Unpack[Parameters]) -> Task:
        return format_task(format, parameters)

    return of_format


for _name in plugin_names("formats"):
    if _name not in SHIPPED:
        register(_name)
