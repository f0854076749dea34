"""The controls, a task each: what right and wrong explanations score, with no explainer.

inspect eval neuron_eval/shuffled --model none --model-role simulator=openai/gpt-4o-mini

Each is `neuron_eval.tasks.given.given` with that name for ``explanations``. It takes the
parameters of a format's task, so that both run on the same neurons.
"""

from typing import Any, Unpack

from inspect_ai import Task, task

from neuron_eval.parameters import check_known
from neuron_eval.task import Parameters
from neuron_eval.tasks.given import given
from neuron_eval.usage_error import usage_errors


@task
def reference(**parameters: Unpack[Parameters]) -> Task:
    """Score each neuron's own reference explanation."""
    return _control("reference", parameters)


@task
def shuffled(**parameters: Unpack[Parameters]) -> Task:
    """Score another neuron's reference, of the same layer where it can be."""
    return _control("shuffled", parameters)


@task
def generic(**parameters: Unpack[Parameters]) -> Task:
    """Score one sentence that fits any neuron, from the prompt pack."""
    return _control("generic", parameters)


@task
def lexical(**parameters: Unpack[Parameters]) -> Task:
    """Score the words that the shown excerpts mark, as neuron-baseline/lexical names them."""
    return _control("lexical", parameters)


@task
def false(**parameters: Unpack[Parameters]) -> Task:
    """Score an explanation known to be wrong, of neurons that have one, such as puzzles."""
    return _control("false", parameters)


def _control(name: str, parameters: Parameters) -> Task:
    with usage_errors():
        check_known(parameters, tuple(Parameters.__annotations__))
    named: dict[str, Any] = {"neurons": "smollm2", **parameters}
    if name != "lexical":
        named.pop("cutoff_quantile", None)
    return given(name, **named)
