"""The solver `given`: explanations that exist, in place of an explainer."""

from __future__ import annotations

from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.no_explanation import NOT_GIVEN
from neuron_eval.given.origin import Asked, NotGiven, find_origin
from neuron_eval.usage_error import usage_errors


@solver
def given(explanations: str = "", column: str | None = None) -> Solver:
    """Take explanations that exist; no model is asked, so ``--model none`` will do.

    The explanation, untrimmed, becomes the sample's output. A neuron without one is left
    unscored by every scorer, with the reason. Which file and column it was stands in the
    sample's store.

    Args:
        explanations: A CSV, JSON Lines or Parquet file with a row a neuron, told apart by layer
            and neuron or by id; or ``reference``, ``false`` or ``unrelated`` for what the sample
            itself holds: the neuron's reference, an explanation known to be wrong, and another
            neuron's reference.
        column: The file's column, in any case, needed if there are several. For ``reference``
            the source of another published explanation, for ``false`` which one, from 0.

    Raises:
        UsageError: There is no such file, column or number, or the file is bad; the message says
            what would be right.
    """
    with usage_errors():
        origin = find_origin(explanations, column)
    model = f"given/{origin.label}"

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        asked = Asked(str(state.sample_id), state.target.text, state.metadata or {})
        found = origin.explain(asked)
        state.store.set("given", dict(origin.about))
        if isinstance(found, NotGiven):
            state.output = ModelOutput(model=model, metadata={NOT_GIVEN: found.reason})
            return state
        message = ChatMessageAssistant(content=found, model=model)
        state.messages.append(message)
        choice = ChatCompletionChoice(message=message, stop_reason="stop")
        state.output = ModelOutput(model=model, choices=[choice], completion=found)
        return state

    return solve
