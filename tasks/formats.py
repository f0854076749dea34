"""The five prompt formats of Lee et al. 2023, a task each.

inspect eval neuron_eval/summary --model openai/gpt-4o-mini
inspect eval tasks/formats.py                                  all five, from the checkout
"""

from inspect_ai import Task, task

from neuron_eval.task import explanation_task


@task
def original(
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
    """Explain neurons from every token with its activation (Bills et al. 2023)."""
    return explanation_task(
        format="original",
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


@task
def summary(
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
    """Explain neurons from plain text and a list of the highly activating tokens."""
    return explanation_task(
        format="summary",
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


@task
def highlight(
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
    """Explain neurons from the highly activating tokens in brackets."""
    return explanation_task(
        format="highlight",
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


@task
def highlight_summary(
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
    """Explain neurons from brackets and the list."""
    return explanation_task(
        format="highlight_summary",
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


@task
def avhs(
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
    """Explain neurons from brackets and a list that states the activations."""
    return explanation_task(
        format="avhs",
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
