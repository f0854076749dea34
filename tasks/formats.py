"""The five prompt formats of Lee et al. 2023, a task each.

inspect eval neuron_eval/summary --model openai/gpt-4o-mini
inspect eval tasks/formats.py                                  all five, from the checkout

Each takes the parameters of `neuron_eval.task.explanation_task`.
"""

from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.task import Parameters, format_task


@task
def original(**parameters: Unpack[Parameters]) -> Task:
    """Explain neurons from every token with its activation (Bills et al. 2023)."""
    return format_task("original", parameters)


@task
def summary(**parameters: Unpack[Parameters]) -> Task:
    """Explain neurons from plain text and a list of the highly activating tokens."""
    return format_task("summary", parameters)


@task
def highlight(**parameters: Unpack[Parameters]) -> Task:
    """Explain neurons from the highly activating tokens in brackets."""
    return format_task("highlight", parameters)


@task
def highlight_summary(**parameters: Unpack[Parameters]) -> Task:
    """Explain neurons from brackets and the list."""
    return format_task("highlight_summary", parameters)


@task
def avhs(**parameters: Unpack[Parameters]) -> Task:
    """Explain neurons from brackets and a list that states the activations."""
    return format_task("avhs", parameters)
