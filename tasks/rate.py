"""Explanations rated by a person or a language model.

inspect eval neuron_eval/rate -T explanations=logs/demo --model openai/gpt-4o
inspect eval neuron_eval/rate -T explanations=FILE -T neurons=mine.parquet --model human/alice
"""

from inspect_ai import Task, task

from neuron_eval.tasks.rate_task import rate_task


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
) -> Task:
    """Have the explanations of each neuron rated from 1 to 5, and the best one chosen.

    Args:
        explanations: Logs of this package's tasks or folders of them, one column a log; or a CSV,
            JSON Lines or Parquet file with a row a neuron and a column a way to explain.
        neurons: The source of the neurons, where explanations are a file.
        excerpts: ``train`` shows the excerpts that the explainer saw, ``valid`` those held out.
        orders: In how many orders a language model is asked.
        repeat: How many neurons are shown twice, to see whether the rater agrees with itself.
        planted: Whether an explanation of another neuron is put among each neuron's.
        seed: What is drawn.
        pack: A prompt pack (YAML file) to use instead of the bundled one.
        limit: At most so many neurons.
        columns: Only these formats of the logs, or columns of the file, separated by commas.
    """
    return rate_task(
        explanations, neurons, excerpts, orders, repeat, planted, seed, pack, limit, columns
    )
