"""Which model's neurons a subject has, by its name, and why it lacks a neuron."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from neuron_eval.messages import shown
from neuron_eval.subject.exchange import NeuronPlace

ALIASES = {
    "smollm2": "smollm2-135m-instruct",  # in the neurons that ship
    "gpt2-small": "gpt2",  # at OpenAI and Neuronpedia; gpt2 is its name on the hub
}
"""Names that records call a model by, and its own, both in lower case."""

_QUANTISED = re.compile(r"[.-](?:i?q\d\w*|bf16|f16|fp16|f32|fp32)$")
_DICTIONARY = re.compile(r"/(?:\d+-(?!(?:mlp-)?neurons?/)[^/]+|[^/]+\.\d+(?:\.[^/]+)?)/\d+$")
"""The end of an id such as ``gpt2-small/6-res-jb/650`` or ``pythia-160m/layers.6.mlp/12``."""

_NEURON = re.compile(r"/L\d+N\d+$")


def own_name(name: str) -> str:
    """What a model that is loaded by this name is called: the name's last part, in lower case.

    Without the ending ``.gguf``, and without how a file is quantised, such as ``.Q4_K_M``.
    """
    path = Path(name)
    return plain_name(path.resolve().name if path.is_dir() else name)


def plain_name(name: str) -> str:
    """The one name under which a model's names are compared."""
    last = name.rstrip("/").rpartition("/")[2].lower().removesuffix(".gguf")
    last = _QUANTISED.sub("", last)
    return ALIASES.get(last, last)


def why_lacking(
    place: NeuronPlace, subject: str, own: str, sizes: Mapping[int, int], dictionary: str
) -> str:
    """Why a subject lacks a neuron, as a sentence; empty if it has it.

    Args:
        place: The neuron.
        subject: What the user called the subject.
        own: The model's name, see `plain_name`.
        sizes: How many neurons or latents there are, by layer.
        dictionary: The hook point of the subject's SAE; empty if it shows MLP neurons.
    """
    if plain_name(place.model) != own:
        return (
            f"is of the model {shown(place.model)}, but the subject {subject} is {own}; name that "
            "model, or say so if it is the same one: --model-role 'subject={model: "
            f"{subject}, model_args: {{neurons: {place.model}}}}}'"
        )
    if not dictionary and _DICTIONARY.search(place.id):
        return (
            "is a latent of a dictionary, and the subject shows MLP neurons; name the folder of "
            f"its SAE: --model-role 'subject={{model: {subject}, model_args: {{sae: FOLDER}}}}'"
        )
    if dictionary and _NEURON.search(place.id):
        return "is an MLP neuron, and the subject shows latents of an SAE; leave out its sae"
    if place.layer not in sizes:
        where = (
            f"the SAE's hook point is {dictionary}" if dictionary else f"{own} has {_span(sizes)}"
        )
        return f"is in layer {place.layer}, but {where}"
    if place.index >= sizes[place.layer]:
        kind = "latents" if dictionary else "neurons"
        last = sizes[place.layer] - 1
        return f"has index {place.index}, but layer {place.layer} has {kind} 0 to {last}"
    return ""


def _span(layers: Mapping[int, int]) -> str:
    first, last = min(layers), max(layers)
    if len(layers) == last - first + 1:
        return f"layers {first} to {last}"
    return f"MLP neurons in the layers {', '.join(map(str, sorted(layers)))}"
