"""The general task: any prompt format on any neurons.

inspect eval neuron_eval/explain -T format=highlight --model openai/gpt-4o-mini
"""

from inspect_ai import Task, task

from neuron_eval.task import explanation_task


@task
def explain(
    format: str = "summary",
    neurons: str = "smollm2",
    excerpts: int = 5,
    cutoff_quantile: int = 2,
    pack: str | None = None,
    simulation: str = "auto",
    calibration: str = "linear",
    excerpts_per_call: int | None = None,
    on_short: str = "error",
    by_layer: bool = False,
) -> Task:
    """Explain neurons and score the explanations.

    Args:
        format: Prompt format: original, summary, highlight, highlight_summary or avhs.
        neurons: Which neurons: smollm2, puzzles, or a .jsonl or .jsonl.gz file.
        excerpts: Excerpts of each kind in each split; the explainer sees so many.
        cutoff_quantile: Which quantile boundary a token must exceed to be highlighted, from 0.
        pack: A prompt pack (YAML file) to use instead of the bundled one.
        simulation: How to simulate: auto, all_at_once, chat, sparse, per_token or embedding.
        calibration: linear, percentiles, or none to halve the simulator's requests.
        excerpts_per_call: Excerpts in one request to the simulator, for chat and sparse.
        on_short: What to do with neurons that have too few excerpts: error or skip.
        by_layer: Also state the scores by layer.
    """
    return explanation_task(
        format=format,
        neurons=neurons,
        excerpts=excerpts,
        cutoff_quantile=cutoff_quantile,
        pack=pack,
        simulation=simulation,
        calibration=calibration,
        excerpts_per_call=excerpts_per_call,
        on_short=on_short,
        by_layer=by_layer,
    )
