"""Does the floor measure explanations, or would any text do?

    neuron-eval demo --log-dir logs/demo
    python benchmarks/baseline_floor.py logs/demo

Takes the explanations that the baseline gave to the clear neurons, and scores each on its own
neuron and on every other clear neuron, with the same simulation by embeddings. In one run, so
that both means come from the same vectors.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log

from neuron_eval.embedding.embedder import TextEmbedder, resolve_embedder
from neuron_eval.logs.identity import control_name
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.simulation.embedding import EmbeddingSimulation
from neuron_eval.simulation.measure import measure


async def correlation(
    simulate: EmbeddingSimulation, explanation: str, neuron: DealtNeuron
) -> float | None:
    """The simulation correlation of one explanation on one neuron's held-out excerpts."""
    outcomes = await simulate(explanation, neuron.valid)
    return measure(list(zip(neuron.valid, outcomes, strict=True)), []).correlation


async def own_and_others(log: EvalLog) -> tuple[list[float], list[float]]:
    """Correlations of each clear neuron's explanation on it, and on the other clear neurons."""
    clear = [s for s in log.samples or [] if s.metadata["group"] == "clear"]
    neurons = [from_metadata(sample.metadata, sample.id) for sample in clear]
    simulate = EmbeddingSimulation(TextEmbedder(resolve_embedder()))
    own, others = [], []
    for i, sample in enumerate(clear):
        for j, neuron in enumerate(neurons):
            value = await correlation(simulate, sample.output.completion, neuron)
            if value is not None:
                (own if i == j else others).append(value)
    return own, others


def main(folders: Sequence[str]) -> None:
    """Print a row for each log."""
    print(f"{'format':<20}{'clear neurons':>14}{'own neuron':>12}{'other neurons':>15}")
    for folder in folders:
        for info in list_eval_logs(folder):
            log = read_eval_log(info)
            if control_name(log.eval):
                continue
            own, others = asyncio.run(own_and_others(log))
            name = str((log.eval.metadata or {})["task_format"])
            print(f"{name:<20}{len(own):>14}{np.mean(own):>12.3f}{np.mean(others):>15.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
