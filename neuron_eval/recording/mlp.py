"""Where the neurons of an MLP are found in a transformer, by the names of its modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from neuron_eval.recording.errors import RecordingError

DOWN_PROJECTIONS = (
    "mlp.down_proj",
    "mlp.c_proj",
    "mlp.fc2",
    "mlp.dense_4h_to_h",
    "mlp.fc_out",
    "feed_forward.down_proj",
    "feed_forward.w2",
    "ffn.down_proj",
    "fc2",
)
"""The layer's last linear map under the names it goes by (Llama and most others, GPT-2, Phi,
GPT-NeoX, GPT-J, Llama 4, InternLM, MPT, OPT). Its input is the neurons: after the activation
function and, in a gated MLP, after the gate, hence signed."""


def find_layers(names: Iterable[str]) -> dict[int, str]:
    """Layer to the name of its down projection, ascending.

    Args:
        names: The names of all modules of the model.

    Raises:
        RecordingError: No module fits, or two fit the same layer.
    """
    endings = "|".join(map(re.escape, DOWN_PROJECTIONS))
    pattern = re.compile(rf"(?:.*\.)?(\d+)\.(?:{endings})")
    found: dict[int, str] = {}
    for name in names:
        match = pattern.fullmatch(name)
        if not match:
            continue
        layer = int(match[1])
        if layer in found:
            raise RecordingError(
                f"the model has two MLPs in layer {layer}: {found[layer]} and {name}; only "
                "models with one stack of layers can be recorded"
            )
        found[layer] = name
    if not found:
        looked = ", ".join(f"*.LAYER.{ending}" for ending in DOWN_PROJECTIONS)
        raise RecordingError(
            f"no MLP found in the model; looked for modules named {looked} "
            "(mixture-of-experts layers have no neurons of that kind)"
        )
    return dict(sorted(found.items()))


def width(module: Any) -> int:
    """How many neurons feed a down projection: the size of its input."""
    size = getattr(module, "in_features", None)
    # GPT-2's Conv1D keeps its weight as [input, output] and names only the output.
    return int(module.weight.shape[0] if size is None else size)


def widths(modules: Mapping[str, Any], layers: Mapping[int, str]) -> dict[int, int]:
    """Layer to its number of neurons."""
    return {layer: width(modules[name]) for layer, name in layers.items()}
