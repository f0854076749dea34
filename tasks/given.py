"""Explanations that exist, scored with no explainer.

inspect eval neuron_eval/given --model none -T explanations=FILE -T column=C -T references=FILE
"""

from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.task import Parameters
from neuron_eval.tasks.given_task import given_task


@task
def given(
    explanations: str = "",
    column: str | None = None,
    references: str | None = None,
    **parameters: Unpack[Parameters],
) -> Task:
    """Score explanations that exist, and explain nothing.

    Args:
        explanations: A CSV, JSON Lines or Parquet file with a row a neuron and a column a way to
            explain; or, with neurons, ``reference``, ``false`` or ``unrelated``.
        column: Which column.
        references: A file with layer, neuron (or id) and explanation, to compare with.
        **parameters: neurons, and what else `neuron_eval.tasks.given_task.given_task` takes.
    """
    return given_task(explanations, column, references, parameters)
