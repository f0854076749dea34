"""The general task: any prompt format on any neurons.

inspect eval neuron_eval/explain -T format=highlight --model openai/gpt-4o-mini
"""

from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.task import Parameters, format_task


@task
def explain(format: str = "summary", **parameters: Unpack[Parameters]) -> Task:
    """Explain neurons and score the explanations.

    Args:
        format: Prompt format: original, summary, highlight, highlight_summary or avhs.
        **parameters: See `neuron_eval.task.explanation_task`.
    """
    return format_task(format, parameters)
