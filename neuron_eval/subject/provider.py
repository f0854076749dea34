"""The subject ``neuron-subject/NAME``: a Hugging Face model run in this process.

NAME is a name on the hub, a folder, or a path to a ``.gguf`` file. What is seen of it, and how, is
what `neuron-eval record` records: each text is run by itself, with the start token in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.messages import near_miss, shown
from neuron_eval.recording.loading import module
from neuron_eval.subject.engine import load_engine
from neuron_eval.subject.exchange import NeuronPlace, read_request, subject_output
from neuron_eval.subject.naming import own_name, plain_name, why_lacking
from neuron_eval.usage_error import UsageError, usage_errors

DTYPES = ("float32", "bfloat16")
ARGUMENTS = ("neurons", "dtype", "device", "sae")
TOGETHER = 64
"""Requests in flight at once, unless the user says otherwise; their texts are run together."""

_limiters: RunVar[CapacityLimiter] = RunVar("neuron_eval subject threads")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What follows a model's name, checked."""

    neurons: str  # how records call the model; empty if as its own name
    dtype: str  # one of `DTYPES`
    device: str  # of torch
    sae: str  # an SAE's folder; empty for MLP neurons


class NeuronSubject(ModelAPI):
    """Gives the activations of a model's neurons; see `neuron_eval.subject.exchange`.

    The model is loaded when the subject is made, before anything is asked, and once a process.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: object,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if not model_name:
            raise UsageError("neuron-subject/ needs a model's name, a folder or a .gguf file")
        with usage_errors():
            given = read_arguments(f"neuron-subject/{model_name}", model_args)
            self._engine = load_engine(model_name, given.dtype, given.device, given.sae)
        self._own = plain_name(given.neurons) if given.neurons else own_name(model_name)
        self._check_sae(self._engine.neurons.model)
        self.revision = self._engine.revision

    def _check_sae(self, model: str) -> None:
        if model and plain_name(model) != self._own:
            raise UsageError(
                f"the SAE is of the model {shown(model)}, but neuron-subject/{self.model_name} is "
                f"{self._own}; if they are the same, add neurons: {model} to its model_args"
            )

    def refusal(self, place: NeuronPlace) -> str:
        neurons = self._engine.neurons
        name = f"neuron-subject/{self.model_name}"
        return why_lacking(place, name, self._own, neurons.sizes, neurons.hook)

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        place, texts = read_request(input)
        if why := self.refusal(place):
            raise UsageError(f"neuron {place.id}: {why}")
        records, read = await anyio.to_thread.run_sync(
            lambda: self._engine.records(place, texts), limiter=_limiter()
        )
        return subject_output(self.model_name, records, read)

    def max_connections(self) -> int:
        return TOGETHER

    def connection_key(self) -> str:
        return self.model_name


def read_arguments(subject: str, given: dict[str, Any]) -> Arguments:
    """Check what follows a model's name.

    Raises:
        UsageError: An argument is unknown or has an impossible value.
        RecordingError: Torch is not installed.
    """
    if unknown := sorted(set(given) - set(ARGUMENTS)):
        raise UsageError(
            f"{subject} has no argument {unknown[0]!r}; expected "
            f"{', '.join(ARGUMENTS)}{near_miss(unknown, ARGUMENTS)}"
        )
    for name, value in given.items():
        if not isinstance(value, str) or not value:
            raise UsageError(f"{subject}: {name}={shown(value)}: expected {_EXPECTED[name]}")
    dtype = given.get("dtype", DTYPES[0])
    if dtype not in DTYPES:
        raise UsageError(f"{subject}: dtype={shown(dtype)}: expected {_EXPECTED['dtype']}")
    device = _device(subject, given.get("device"))
    return Arguments(given.get("neurons", ""), dtype, device, given.get("sae", ""))


_EXPECTED = {
    "neurons": "the name that records call the model by, such as gpt2-xl",
    "dtype": " or ".join(DTYPES),
    "device": "cpu, cuda, or a name such as cuda:1",
    "sae": "a folder with cfg.json and sae_weights.safetensors",
}


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
            f"{subject}: device={shown(given)}: expected {_EXPECTED['device']}"
        ) from None
    if kind == "cuda" and not gpus:
        raise UsageError(f"{subject}: device={shown(given)}: torch sees no GPU; expected cpu")
    return given


def _limiter() -> CapacityLimiter:
    limiter = _limiters.get(None)
    if limiter is None:
        # As many as wait for a forward pass; only one of them computes.
        _limiters.set(limiter := CapacityLimiter(TOGETHER))
    return limiter
