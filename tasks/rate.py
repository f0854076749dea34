"""Explanations rated by a person or a language model.

inspect eval neuron_eval/rate -T explanations=logs/demo --model openai/gpt-4o
inspect eval neuron_eval/rate -T explanations=FILE -T neurons=mine.parquet --model human/alice
"""

from collections.abc import Sequence
from inspect import signature

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model

from neuron_eval.dataset import describe
from neuron_eval.inspect_private import PrerequisiteError, active_model
from neuron_eval.metrics import ratings_config
from neuron_eval.parameters import (
    check_choice,
    check_flag,
    check_known,
    check_number,
    check_writable,
)
from neuron_eval.preflight import says_something
from neuron_eval.preflight.asking import check_models
from neuron_eval.prompts.pack import load_pack
from neuron_eval.rating.asking import EXCERPTS, ask_rater, is_person
from neuron_eval.rating.build import AGAIN, ExplainedNeuron, from_another, shown_twice
from neuron_eval.records.splits import to_text
from neuron_eval.scorers.rating import rating
from neuron_eval.usage_error import usage_errors

VERSION = "1-A"  # comparability and interface, as in `neuron_eval.task`


@task
def rate(
    explanations: str | list[str] = "",
    neurons: str | None = None,
    excerpts: str = "train",
    orders: int = 1,
    repeat: int = 0,
    planted: bool = False,
    seed: int = 0,
    pack: str | None = None,
    limit: int | None = None,
    columns: str | list[str] | None = None,
    shard: str | None = None,
    check: bool = True,
    **unknown: object,
) -> Task:
    """Have the explanations of each neuron rated from 1 to 5, and the best one chosen.

    Args:
        explanations: Logs of this package's tasks or folders of them, one column per log; or a CSV,
            JSON Lines or Parquet file with a row per neuron and a column per way to explain.
        neurons: The source of the neurons, where explanations are a file.
        excerpts: ``train`` shows the excerpts that the explainer saw, ``valid`` those held out.
        orders: In how many orders a language model is asked.
        repeat: How many neurons are shown twice, to see whether the rater agrees with itself.
        planted: Whether an explanation of another neuron is put among each neuron's.
        seed: What is drawn.
        pack: A prompt pack (YAML file) to use instead of the bundled one.
        limit: At most so many neurons.
        columns: Only these formats of the logs, or columns of the file, separated by commas.
        shard: Only this part of the neurons, such as ``3/16``, as in every task.
        check: Whether the rater is asked one short question first.
        **unknown: There are no others.

    Raises:
        UsageError: A parameter is not among the allowed values, or a file cannot be used; the
            message says which and what would be right.
    """
    # What reads logs is not needed to find the task, and takes a while to load.
    from neuron_eval.rating.explanations import load_explained

    with usage_errors():
        check_known(unknown, tuple(signature(rate).parameters)[:-1])
        check_writable(explanations=explanations, neurons=neurons, pack=pack, columns=columns)
        check_choice("excerpts", excerpts, EXCERPTS)
        check_number("orders", orders, least=1)
        check_number("repeat", repeat, least=0)
        check_flag("planted", planted)
        check_flag("check", check)
        check_number("seed", seed, least=0)
        if limit is not None:
            check_number("limit", limit, least=1)
        solver = ask_rater(excerpts, orders, seed, pack)
        wording = load_pack(pack)
        explained = load_explained(explanations, neurons, limit, seed, columns, shard)
        samples = _samples(explained.neurons, repeat, planted, seed)
    model = active_model()
    if check and model is not None:
        check_models([says_something("rater", model)])
    return Task(
        dataset=MemoryDataset(samples, name="explanations"),
        solver=solver,
        scorer=rating(),
        config=_at_once(samples),
        version=VERSION,
        metadata={
            "rated_columns": list(explained.columns),
            **explained.about,
            "neurons_used": len(explained.neurons),
            "excerpts": excerpts,
            "rating_pack": wording.name,
            "rating_pack_sha256": wording.sha256,
        },
        viewer=ratings_config(),
    )


def _at_once(samples: Sequence[Sample]) -> GenerateConfig:
    """A person's page knows all questions at once; how many a model is asked is Inspect's."""
    try:
        person = is_person(str(get_model()))
    except (ValueError, PrerequisiteError):
        person = False  # no model is named yet
    return GenerateConfig(max_connections=len(samples) if person else None)


def _samples(
    neurons: Sequence[ExplainedNeuron], repeat: int, planted: bool, seed: int
) -> list[Sample]:
    def sample(explained: ExplainedNeuron, again: bool) -> Sample:
        neuron, donated = explained.dealt.neuron, None
        if planted:
            explanation, donor = from_another(explained, neurons, seed)
            donated = {"explanation": explanation, "neuron": donor}
        metadata = {
            "model": neuron.model,
            "layer": neuron.layer,
            "neuron": neuron.neuron,
            "group": neuron.group,
            "explanations": dict(explained.explanations),
            "planted": donated,
            "repeat_of": neuron.id if again else None,
            "splits": explained.dealt.places(),
            "record": to_text(explained.dealt),
        }
        id_ = f"{neuron.id}{AGAIN if again else ''}"
        text = f"Rate the explanations of {describe(neuron)}."
        return Sample(id=id_, input=text, metadata=metadata)

    once = [sample(neuron, again=False) for neuron in neurons]
    twice = set(shown_twice(neurons, repeat, seed))
    return once + [sample(neuron, again=True) for neuron in neurons if neuron.id in twice]
