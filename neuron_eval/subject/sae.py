"""The latents of a sparse autoencoder (SAE) in the format of SAELens.

A folder holds ``cfg.json`` and ``sae_weights.safetensors``. What SAELens computes is computed here
in single precision, without it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neuron_eval.messages import shown
from neuron_eval.recording import RecordingError, module
from neuron_eval.recording.select import check_layers
from neuron_eval.recording.subject import HOOKS, Column, HuggingFaceSubject, Probe

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"

NEEDED = {
    "standard": ("W_enc", "b_enc"),
    "topk": ("W_enc", "b_enc"),
    "jumprelu": ("W_enc", "b_enc", "threshold"),
    "gated": ("W_enc", "b_gate", "b_mag", "r_mag"),
}
"""The weights of each architecture that latents depend on."""

NORMALISATIONS = ("none", "layer_norm", "constant_norm_rescale")


@dataclass(frozen=True, slots=True)
class Sae:
    """What ``cfg.json`` says that latents depend on."""

    folder: Path
    architecture: str  # a key of `NEEDED`
    hook: str  # such as ``blocks.8.hook_resid_pre``
    layer: int
    point: str  # one of `HOOKS`
    model: str  # as SAELens calls it; may be empty
    k: int  # of topk: latents that are left on a token; 0 elsewhere
    subtracts_bias: bool  # the decoder's bias, from the input
    normalisation: str  # of the input, one of `NORMALISATIONS`
    centred: bool  # the input less its mean, which TransformerLens's weights may have been
    rescaled: bool  # of topk: latents times the norms of their decoder rows

    @property
    def weights(self) -> tuple[str, ...]:
        more = ("b_dec",) * self.subtracts_bias + ("W_dec",) * self.rescaled
        return NEEDED[self.architecture] + more


def read_sae(folder: Path) -> Sae:
    """What a folder says of its SAE; a RecordingError says why it cannot be used."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise RecordingError(
                f"{folder}: no file {name}; an SAE's folder has {CONFIG} and {WEIGHTS}, as SAELens "
                "writes them"
            )
    path = folder / CONFIG
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordingError(f"{path}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise RecordingError(f"{path}: holds {shown(data)}; expected an object")
    # SAELens 6 moved what is about the model there.
    about = {**data, **_object(data, "metadata")}
    architecture = _architecture(path, data)
    hook, layer, point = _hook(path, about.get("hook_name") or about.get("hook_point"))
    normalisation = data.get("normalize_activations") or "none"
    if normalisation not in NORMALISATIONS:
        raise RecordingError(
            f"{path}: normalize_activations is {shown(normalisation)}; known here are "
            f"{', '.join(NORMALISATIONS)} (SAELens can fold the factor of others into the weights)"
        )
    # SAELens, when it still wrote hook_point, had TransformerLens prepare its models.
    centred = _object(about, "model_from_pretrained_kwargs").get(
        "center_writing_weights", "hook_name" not in about
    )
    return Sae(
        folder=folder,
        architecture=architecture,
        hook=hook,
        layer=layer,
        point=point,
        model=str(about.get("model_name") or ""),
        k=_k(path, data) if architecture == "topk" else 0,
        subtracts_bias=bool(data.get("apply_b_dec_to_input", True)),
        normalisation=normalisation,
        centred=bool(centred),
        rescaled=architecture == "topk" and bool(data.get("rescale_acts_by_decoder_norm")),
    )


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _k(path: Path, data: Mapping[str, Any]) -> int:
    k = data.get("k") or _object(data, "activation_fn_kwargs").get("k")
    if not (isinstance(k, int) and k > 0):
        raise RecordingError(f"{path}: topk needs a whole number k above 0; there is {shown(k)}")
    return k


def _architecture(path: Path, data: Mapping[str, Any]) -> str:
    architecture = str(data.get("architecture") or "standard")
    activation = str(data.get("activation_fn_str") or data.get("activation_fn") or "relu")
    if architecture == "standard" and activation == "topk":  # as older files say it
        architecture = "topk"
    if architecture not in NEEDED or activation not in ("relu", "topk"):
        raise RecordingError(
            f"{path}: the architecture is {architecture} with {activation}; known here are "
            f"{', '.join(NEEDED)}, with relu"
        )
    return architecture


def _hook(path: Path, name: object) -> tuple[str, int, str]:
    """The name of a hook point, its layer, and which of the `HOOKS` it is."""
    match = re.fullmatch(rf"blocks\.(\d+)\.hook_({'|'.join(HOOKS)})", str(name))
    if not match:
        expected = ", ".join(f"blocks.LAYER.hook_{point}" for point in HOOKS)
        raise RecordingError(f"{path}: the hook point is {shown(name)}; expected {expected}")
    return match[0], int(match[1]), match[2]


class SaeLatents:
    """The latents of an SAE on one place of a network."""

    def __init__(self, network: HuggingFaceSubject, sae: Sae) -> None:
        """Load the weights, which must fit the network and each other."""
        self.hook, self.model = sae.hook, sae.model  # what it says of itself
        self._network, self._sae = network, sae
        self._torch = module("torch")
        check_layers([sae.layer], network.widths, sae.hook)
        self._weights = self._load(network.hidden_size, network.device)
        self.sizes: Mapping[int, int] = {sae.layer: self._weights["W_enc"].shape[1]}
        digest = hashlib.blake2b(digest_size=8)
        for name in (CONFIG, WEIGHTS):
            digest.update((sae.folder / name).read_bytes())
        self.digest = digest.hexdigest()

    def _load(self, hidden_size: int, device: str) -> dict[str, Any]:
        path = self._sae.folder / WEIGHTS
        try:
            stored = module("safetensors.torch").load_file(str(path))
        except Exception as error:  # of a class of the library's own
            raise RecordingError(f"{path}: cannot be read: {error}") from error
        if missing := [name for name in self._sae.weights if name not in stored]:
            raise RecordingError(
                f"{path}: no {missing[0]}, which {self._sae.architecture} needs; there are "
                f"{', '.join(sorted(stored))}"
            )
        weights = {name: stored[name].float().to(device) for name in self._sae.weights}
        latents = weights["W_enc"].shape[-1]
        shapes = {"W_enc": (hidden_size, latents), "W_dec": (latents, hidden_size)}
        for name, weight in weights.items():
            wanted = shapes.get(name, (hidden_size if name == "b_dec" else latents,))
            if tuple(weight.shape) != wanted:
                raise RecordingError(
                    f"{path}: {name} has the shape {list(weight.shape)}; expected {list(wanted)}, "
                    f"since the model's hidden states have {hidden_size} dimensions"
                )
        return weights

    def probes(self, columns: Sequence[Column]) -> list[Probe]:
        index = self._torch.tensor([i for _, i in columns], device=self._network.device)
        encode = partial(self.encode, index=index)
        return [self._network.probe(self._sae.layer, self._sae.point, encode)]

    def encode(self, hidden: Any, index: Any) -> Any:
        """Latents from hidden states, from shape [..., D] to [..., N] for an ``index`` of N."""
        inputs, weights, torch = self._inputs(hidden.float()), self._weights, self._torch
        kind = self._sae.architecture
        if kind == "topk":  # which are left depends on all of them
            before = inputs @ weights["W_enc"] + weights["b_enc"]
            if self._sae.rescaled:
                before = before * weights["W_dec"].norm(dim=-1)
            highest = torch.topk(before, min(self._sae.k, before.shape[-1]), dim=-1)
            left = torch.zeros_like(before).scatter_(-1, highest.indices, highest.values)
            return torch.relu(left.index_select(-1, index))
        encoder = weights["W_enc"].index_select(1, index)
        if kind == "gated":
            opens = inputs @ encoder + weights["b_gate"][index] > 0
            size = inputs @ (encoder * weights["r_mag"][index].exp()) + weights["b_mag"][index]
            return torch.relu(size) * opens
        before = inputs @ encoder + weights["b_enc"][index]
        above = before > weights["threshold"][index] if kind == "jumprelu" else True
        return torch.relu(before) * above

    def _inputs(self, hidden: Any) -> Any:
        if self._sae.centred and self._network.has_layer_norm:
            hidden = hidden - hidden.mean(dim=-1, keepdim=True)
        if self._sae.normalisation == "constant_norm_rescale":
            hidden = hidden * (hidden.shape[-1] ** 0.5 / hidden.norm(dim=-1, keepdim=True))
        elif self._sae.normalisation == "layer_norm":
            hidden = hidden - hidden.mean(dim=-1, keepdim=True)
            hidden = hidden / (hidden.std(dim=-1, keepdim=True) + 1e-5)
        return hidden - self._weights["b_dec"] if self._sae.subtracts_bias else hidden
