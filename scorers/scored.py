"""`scored`: which samples hold a measurement, so that failures are counted and not averaged."""

from __future__ import annotations

import math

from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import TaskState

from neuron_eval.metrics import counts, cut_off

OF = "simulation_correlation"


@scorer(metrics=[counts(), cut_off()])
def scored() -> Scorer:
    """The share of a sample's held-out excerpts that entered `simulation_correlation`.

    The value is in [0, 1], and 0 where that scorer measured nothing. It must run after it. The
    metadata say besides whether the explainer's reply stopped at ``max_tokens``.
    """

    async def score(state: TaskState, target: Target) -> Score:
        found = (state.scores or {}).get(OF)
        if found is None:
            return Score.unscored(reason=f"{OF} did not run")
        metadata = found.metadata or {}
        used, failed = metadata.get("excerpts_scored", 0), metadata.get("excerpts_failed", 0)
        measured = not math.isnan(found.as_float())
        whole = used + failed
        cut = not state.output.empty and state.output.stop_reason == "max_tokens"
        return Score(
            value=(used / whole if whole else 1.0) if measured else 0.0,
            explanation=found.explanation if not measured else None,
            metadata={
                "excerpts_scored": used,
                "excerpts_failed": failed,
                "explanation_cut_off": cut,
            },
        )

    return score
