"""What a log's header says of its neurons: enough to choose the same ones again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from neuron_eval.dataset import NeuronSet
from neuron_eval.embedding import default_embedder
from neuron_eval.explain.prompting import cutoff
from neuron_eval.formats.base import Shown

logger = logging.getLogger(__name__)


def about(chosen: NeuronSet, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """The header's part on neurons; what a person should know of them is logged, too.

    Format and pack are the task's; where another solver ran, each sample's store has its own.
    """
    choice = chosen.choice
    header: dict[str, Any] = {
        "default_embedder": default_embedder(),
        "neurons": choice.neurons,
        "neurons_used": len(chosen.neurons),
        "neurons_skipped": len(chosen.skipped),
        "neurons_missing": len(chosen.missing),
        **chosen.treated.header(),
        "neurons_choice": {
            "select": choice.select,
            "layers": str(choice.layers or "all"),
            "index": str(choice.index or "all"),
            "per_layer": choice.per_layer,
            "threshold": choice.threshold,
            "limit": choice.limit,
            "seed": choice.seed,
            "scores": choice.scores,
        },
    }
    if chosen.skipped:
        header["skipped"] = list(chosen.skipped)
    if chosen.missing:
        header["missing"] = list(chosen.missing)
    if sentences := [*chosen.treated.warnings(), *warnings]:
        header["warnings"] = sentences
        for warning in sentences:
            logger.warning(warning)
    return header


def unmarked(chosen: NeuronSet, cutoff_quantile: int) -> list[str]:
    """A warning, if there are neurons of which nothing that is shown activates highly."""
    ids = [
        dealt.neuron.id
        for dealt, _ in chosen.neurons
        if not Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile)).highlighted
    ]
    if not ids:
        return []
    return [
        f"of {len(ids)} neurons, the first {ids[0]}, nothing that the explainer sees activates "
        "highly: no activation is above the cutoff and above 0"
    ]
