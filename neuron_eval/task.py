"""The task that all task functions are: neurons, one format's solver, the scorers, the viewer."""

from __future__ import annotations

from typing import Any

from inspect_ai import Task
from inspect_ai.scorer import Metric, grouped, mean

from neuron_eval.dataset import EXCERPTS, NeuronSet, dataset, neuron_set
from neuron_eval.explain import explain
from neuron_eval.metrics import interval
from neuron_eval.parameters import check_flag, check_number, check_text
from neuron_eval.prompting import CUTOFF_QUANTILE, cutoff
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.scorers.adacs import adacs
from neuron_eval.scorers.scored import scored
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation.choose import check_simulation
from neuron_eval.usage_error import usage_errors
from neuron_eval.viewer import viewer_config

VERSION = "1-A"
"""Comparability and interface: scores of different numbers cannot be compared."""


def explanation_task(
    *,
    format: str,
    neurons: str = "smollm2",
    excerpts: int = EXCERPTS,
    cutoff_quantile: int = CUTOFF_QUANTILE,
    pack: str | None = None,
    simulation: str = "auto",
    calibration: str = "linear",
    excerpts_per_call: int | None = None,
    on_short: str = "error",
    by_layer: bool = False,
) -> Task:
    """Explain neurons with one prompt format and score the explanations.

    Args:
        format: The prompt format.
        neurons: A bundled set (``smollm2``, ``puzzles``) or a file in the project's schema.
        excerpts: Excerpts of each kind in each split.
        cutoff_quantile: Which quantile boundary a token must exceed to count as highly
            activating, an index from 0.
        pack: A prompt pack to use instead of the bundled one.
        simulation: How to simulate, see `neuron_eval.simulation.choose`.
        calibration: ``linear``, ``percentiles`` or ``none``.
        excerpts_per_call: Excerpts in one request to the simulator; None is the way's default.
        on_short: ``error`` or ``skip``, for neurons with too few excerpts.
        by_layer: Whether the metrics are also stated for each layer.

    Raises:
        UsageError: A parameter is not among the allowed values, or a file that it names cannot
            be used; the message says which and what would be right.
    """
    with usage_errors():
        check_number("cutoff_quantile", cutoff_quantile, least=0)
        check_flag("by_layer", by_layer)
        check_text("neurons", neurons)
        wording = load_pack(pack)
        chosen = neuron_set(neurons, excerpts, on_short)
        for dealt, _ in chosen.neurons:
            cutoff(dealt.neuron, dealt.shown, cutoff_quantile)
        setup = check_simulation(simulation, pack)
        solver = explain(format, cutoff_quantile, pack)
        scorer = simulation_correlation(simulation, calibration, pack, excerpts_per_call)
    metrics: list[Metric] | None = None
    if by_layer:
        metrics = [mean(), interval(), grouped(mean(), "layer", all=False)]
    task = Task(
        dataset=dataset(chosen),
        setup=setup,
        solver=solver,
        scorer=[scorer, adacs()],
        metrics=metrics,  # type: ignore[arg-type]
        version=VERSION,
        metadata=_metadata(format, chosen, wording),
        viewer=viewer_config(),
        headline_metric="simulation_correlation",
    )
    # Added afterwards, because a task's own metrics replace those of every scorer it is made with.
    task.scorer = [*(task.scorer or []), scored()]
    return task


def _metadata(format: str, chosen: NeuronSet, pack: Pack) -> dict[str, Any]:
    """What a log's header says of its prompts and neurons.

    Format and pack are the task's; where another solver ran, each sample's store has its own.
    """
    metadata: dict[str, Any] = {
        "task_format": format,
        "neurons": chosen.name,
        "neurons_used": len(chosen.neurons),
        "neurons_skipped": len(chosen.skipped),
        "task_pack": pack.name,
        "task_pack_sha256": pack.sha256,
    }
    if chosen.skipped:
        metadata["skipped"] = list(chosen.skipped)
    return metadata
