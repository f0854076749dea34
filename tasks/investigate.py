"""An explainer that tests its explanations on the model that has the neurons.

inspect eval neuron_eval/investigate --model openai/gpt-4o
        --model-role subject=neuron-subject/HuggingFaceTB/SmolLM2-135M-Instruct
"""

from typing import Unpack

from inspect_ai import Task, task

from neuron_eval.inspect_private import active_model
from neuron_eval.investigation.solver import ROUNDS, TEXTS
from neuron_eval.investigation.solver import investigate as investigate_solver
from neuron_eval.parameters import given_among
from neuron_eval.records.splits import from_metadata
from neuron_eval.subject.exchange import NeuronPlace, resolve_subject
from neuron_eval.task import Parameters, format_task
from neuron_eval.usage_error import usage_errors


@task
def investigate(
    format: str = "summary",
    rounds: int = ROUNDS,
    texts: int = TEXTS,
    protocol: str = "auto",
    **parameters: Unpack[Parameters],
) -> Task:
    """Explain neurons with a format, let the explainer test its explanations, and score the last.

    Args:
        format: The prompt format to begin with.
        rounds: Experiments per neuron, at most.
        texts: Texts of each experiment, at most.
        protocol: ``tools``, ``plain`` or ``auto``, see `neuron_eval.investigation.solver`.
        **parameters: See `neuron_eval.task.explanation_task`.
    """
    settings = given_among(("cutoff_quantile", "pack"), parameters)
    solver = investigate_solver(format, rounds, texts, protocol, **settings)
    with usage_errors():
        # Before neurons are read, and again when it is known which.
        subject = None if active_model() is None else resolve_subject()
        made = format_task(format, parameters)
        for sample in made.dataset:
            place = NeuronPlace.of(from_metadata(sample.metadata, sample.id).neuron)
            if subject is not None:
                subject.check(place)
    made.solver = solver
    # Which tells runs apart in tables.
    others = (("rounds", rounds, ROUNDS), ("texts", texts, TEXTS), ("protocol", protocol, "auto"))
    changed = [f"{name}={value}" for name, value, usual in others if value != usual]
    label = ", ".join([f"investigate {format}", *changed])
    made.metadata = {**(made.metadata or {}), "task_format": label}
    return made
