"""The subject ``neuron-subject/NAME``: a Hugging Face model run in this process.

NAME is a name on the hub, a folder, or a path to a ``.gguf`` file. What is seen of it, and how, is
what `neuron-eval record` records: each text is run by itself, with the start token in front.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.messages import near_miss, shown
from neuron_eval.models.provider import OwnProvider, in_thread
from neuron_eval.recording import module
from neuron_eval.subject.engine import load_engine
from neuron_eval.subject.exchange import NeuronPlace, read_request, subject_output
from neuron_eval.usage_error import UsageError, usage_errors

DTYPES = ("float32", "bfloat16")
ARGUMENTS = {
    "neurons": "the name that records call the model by, such as gpt2-xl",
    "dtype": " or ".join(DTYPES),
    "device": "cpu, cuda, or a name such as cuda:1",
    "sae": "a folder with cfg.json and sae_weights.safetensors",
}
"""What may follow a model's name, and what is expected of it."""

TOGETHER = 64
"""Requests in flight at once, unless the user says otherwise; their texts are run together."""

ALIASES = {
    "smollm2": "smollm2-135m-instruct",  # in the neurons that ship
    "gpt2-small": "gpt2",  # at OpenAI and Neuronpedia; gpt2 is its name on the hub
}
"""Names that records call a model by, and its own, both in lower case."""

_QUANTISED = re.compile(r"[.-](?:i?q\d\w*|bf16|f16|fp16|f32|fp32)$")
_DICTIONARY = re.compile(r"/(?:\d+-(?!(?:mlp-)?neurons?/)[^/]+|[^/]+\.\d+(?:\.[^/]+)?)/\d+$")
"""The end of an id such as ``gpt2-small/6-res-jb/650`` or ``pythia-160m/layers.6.mlp/12``."""

_NEURON = re.compile(r"/L\d+N\d+$")


class NeuronSubject(OwnProvider):
    """Gives the activations of a model's neurons; see `neuron_eval.subject.exchange`.

    The model is loaded when the subject is made, before anything is asked, and once a process.
    """

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
        subject = f"neuron-subject/{model_name}"
        if not model_name:
            raise UsageError("neuron-subject/ needs a model's name, a folder or a .gguf file")
        with usage_errors():
            given = check_arguments(subject, self.model_args)
            self._engine = load_engine(model_name, given["dtype"], given["device"], given["sae"])
        self._own = plain_name(given["neurons"]) if given["neurons"] else own_name(model_name)
        model = self._engine.neurons.model
        if model and plain_name(model) != self._own:
            raise UsageError(
                f"the SAE is of the model {shown(model)}, but {subject} is {self._own}; if they "
                f"are the same, add neurons: {model} to its model_args"
            )
        self.revision = self._engine.revision

    def refusal(self, place: NeuronPlace) -> str:
        neurons = self._engine.neurons
        name = f"neuron-subject/{self.model_name}"
        return why_lacking(place, name, self._own, neurons.sizes, neurons.hook)

    async def answer(self, messages: list[ChatMessage]) -> ModelOutput:
        place, texts = read_request(messages)
        if why := self.refusal(place):
            raise UsageError(f"neuron {place.id}: {why}")
        # as many as wait for a forward pass; only one of them computes
        records, read = await in_thread(
            "subject", TOGETHER, lambda: self._engine.records(place, texts)
        )
        return subject_output(self.model_name, records, read)

    def max_connections(self) -> int:
        return TOGETHER

    def connection_key(self) -> str:
        return self.model_name


def check_arguments(subject: str, given: Mapping[str, object]) -> dict[str, str]:
    """Each of the `ARGUMENTS`, given or not; a UsageError says what is wrong with one."""
    if unknown := sorted(set(given) - set(ARGUMENTS)):
        raise UsageError(
            f"{subject} has no argument {unknown[0]!r}; expected "
            f"{', '.join(ARGUMENTS)}{near_miss(unknown, ARGUMENTS)}"
        )
    arguments = {"neurons": "", "dtype": DTYPES[0], "sae": ""}
    for name, value in given.items():
        if not isinstance(value, str) or not value or (name == "dtype" and value not in DTYPES):
            raise UsageError(f"{subject}: {name}={shown(value)}: expected {ARGUMENTS[name]}")
        arguments[name] = value
    return {**arguments, "device": _device(subject, arguments.get("device"))}


def _device(subject: str, given: str | None) -> str:
    torch = module("torch")
    module("transformers")
    gpus = torch.cuda.is_available()
    if given is None:
        return "cuda" if gpus else "cpu"
    try:
        kind = torch.device(given).type
    except RuntimeError:
        raise UsageError(
            f"{subject}: device={shown(given)}: expected {ARGUMENTS['device']}"
        ) from None
    if kind == "cuda" and not gpus:
        raise UsageError(f"{subject}: device={shown(given)}: torch sees no GPU; expected cpu")
    return given


def own_name(name: str) -> str:
    path = Path(name)
    return plain_name(path.resolve().name if path.is_dir() else name)


def plain_name(name: str) -> str:
    """The one name under which a model's names are compared: the last part, in lower case.

    Without the ending ``.gguf``, and without how a file is quantised, such as ``.Q4_K_M``.
    """
    last = name.rstrip("/").rpartition("/")[2].lower().removesuffix(".gguf")
    last = _QUANTISED.sub("", last)
    return ALIASES.get(last, last)


def why_lacking(
    place: NeuronPlace, subject: str, own: str, sizes: Mapping[int, int], dictionary: str
) -> str:
    """Why a subject lacks a neuron, as a sentence; empty if it has it.

    ``subject`` is what the user called it, ``own`` its model's `plain_name`, ``sizes`` how many
    neurons or latents there are by layer, ``dictionary`` the hook point of its SAE, if it has one.
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
