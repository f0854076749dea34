"""A Hugging Face causal language model whose neurons can be seen."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording import RecordingError, load, module
from neuron_eval.recording.texts import Window

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

Column = tuple[int, int]  # a layer, and a neuron's index in it

HOOKS = ("resid_pre", "resid_post", "mlp_out")
"""Places in a layer, as TransformerLens calls them: what it takes, what it gives, and what its MLP
adds to the residual stream."""


class _Enough(Exception):
    """The last place wanted has been reached; what comes after need not be computed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A place in a network that is looked at during a forward pass, and what is kept of it."""

    module: Any  # of torch
    keep: Callable[[Any], Any]  # from a tensor of shape [..., D] to one of shape [..., N]
    output: bool = False  # what the module gives, instead of what it takes


class HuggingFaceSubject:
    """A model whose neurons can be seen, with hooks that last for a forward pass."""

    def __init__(self, model: str, prefix: int | None, dtype: str, device: str = "cpu") -> None:
        """Load the model, whose language-model head is not used.

        ``prefix`` is the token put before each window, if any, ``dtype`` the name of a torch type.
        """
        self._torch = module("torch")
        loaded = load("AutoModelForCausalLM", model, dtype=getattr(self._torch, dtype))
        self.prefix = [] if prefix is None else [prefix]
        self.device = device
        self._base: Any = loaded.base_model.eval().to(device)
        self._modules: dict[str, Any] = dict(self._base.named_modules())
        self._names = find_layers(self._modules)
        self._watched: list[Probe] = []

    @property
    def widths(self) -> dict[int, int]:
        return {layer: width(self._modules[name]) for layer, name in self._names.items()}

    @property
    def positions(self) -> int | None:
        """How many model tokens it takes at most, those before a window included."""
        limit = getattr(self._base.config, "max_position_embeddings", None)
        return None if limit is None else int(limit)

    @property
    def fingerprint(self) -> str:
        """A digest of the names, shapes and first values of all weights."""
        digest = hashlib.blake2b(digest_size=16)
        for name, weight in self._base.state_dict().items():
            first = weight.flatten()[:256].float().cpu().numpy()
            digest.update(repr((name, tuple(weight.shape), str(weight.dtype))).encode())
            digest.update(first.tobytes())
        return digest.hexdigest()

    def neurons(self, columns: Iterable[Column]) -> list[Probe]:
        """Probes of neurons, which ascend in the layer; their columns keep that order."""

        def pick(index: Any) -> Callable[[Any], Any]:
            return lambda inputs: inputs.index_select(-1, index)

        return [
            Probe(
                self._modules[self._names[layer]],
                pick(self._torch.tensor([i for _, i in part], device=self.device)),
            )
            for layer, part in groupby(columns, key=itemgetter(0))
        ]

    @property
    def hidden_size(self) -> int:
        return int(self._base.config.get_text_config().hidden_size)

    @property
    def has_layer_norm(self) -> bool:
        """Whether it takes the mean off the residual stream wherever it reads from it."""
        return any(isinstance(m, self._torch.nn.LayerNorm) for m in self._modules.values())

    def probe(self, layer: int, point: str, keep: Callable[[Any], Any]) -> Probe:
        """A probe of one of the `HOOKS` of a layer."""
        name = self._names[layer]
        ending = next(ending for ending in DOWN_PROJECTIONS if name.endswith(f".{ending}"))
        block = name.removesuffix(f".{ending}")
        if point == "mlp_out":
            mlp = ending.rpartition(".")[0] or ending
            # Where a norm comes after the MLP, that is what is added.
            after = self._modules.get(f"{block}.post_feedforward_layernorm")
            return Probe(after or self._modules[f"{block}.{mlp}"], keep, output=True)
        return Probe(self._modules[block], keep, output=point == "resid_post")

    def watch(self, columns: Iterable[Column]) -> None:
        """Record these neurons from now on, which are ascending in the layer."""
        self._watched = self.neurons(columns)

    def activations(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The N watched neurons on every text token of B windows of one length, shape [B, L, N]."""
        limit = self.positions
        longest = max(len(window.ids) for window in windows) + len(self.prefix)
        if limit is not None and longest > limit:
            raise RecordingError(
                f"a window of {len(windows[0].tokens)} text tokens takes {longest} model tokens, "
                f"but the model has {limit} positions; use a smaller --length"
            )
        seen = zip(self.look(windows, self._watched), windows, strict=True)
        return np.stack([merge_row(row, window, len(self.prefix)) for row, window in seen])

    def look(self, windows: Sequence[Window], probes: Sequence[Probe]) -> NDArray[np.float32]:
        """What N columns of all probes show on every model token, shape [B, P, N].

        ``P`` counts what is put before a window; a shorter window is padded on the right. Probes
        come in the order in which a forward pass meets them; there is at least one.
        """
        rows = [[*self.prefix, *window.ids] for window in windows]
        longest = max(map(len, rows))
        # padded on the right: causal models do not look there
        padded = [row + [0] * (longest - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        ids, seen = (self._torch.tensor(each, device=self.device) for each in (padded, mask))
        caught: list[Any] = []
        with self._torch.inference_mode(), contextlib.ExitStack() as hooks:
            for i, probe in enumerate(probes):
                hooks.enter_context(_hooked(probe, caught, stop=i == len(probes) - 1))
            with contextlib.suppress(_Enough):
                self._base(input_ids=ids, attention_mask=seen, use_cache=False)
            # some models flatten batch and position before the MLP
            flat = [tensor.flatten(0, -2) for tensor in caught]
            raw: NDArray[np.float32] = self._torch.cat(flat, 1).numpy()
        return raw.reshape(len(windows), -1, raw.shape[1])


def _hooked(probe: Probe, caught: list[Any], stop: bool) -> Any:
    """Have what a probe sees put at the end of a list; a context that ends it."""

    def catch(tensor: Any) -> None:
        caught.append(probe.keep(tensor).float().cpu())
        if stop:
            raise _Enough

    if probe.output:
        return probe.module.register_forward_hook(
            lambda _module, _inputs, given: catch(given[0] if isinstance(given, tuple) else given)
        )
    return probe.module.register_forward_pre_hook(
        lambda _module, inputs, named: catch(inputs[0] if inputs else named["hidden_states"]),
        with_kwargs=True,
    )


def find_layers(names: Iterable[str]) -> dict[int, str]:
    """Layer to the name of its down projection, ascending, by the names of a model's modules."""
    endings = "|".join(map(re.escape, DOWN_PROJECTIONS))
    pattern = re.compile(rf"(?:.*\.)?(\d+)\.(?:{endings})")
    by_layer: dict[int, str] = {}
    for match in filter(None, map(pattern.fullmatch, names)):
        layer = int(match[1])
        if layer in by_layer:
            raise RecordingError(
                f"the model has two MLPs in layer {layer}: {by_layer[layer]} and {match[0]}; only "
                "models with one stack of layers can be recorded"
            )
        by_layer[layer] = match[0]
    if not by_layer:
        looked = ", ".join(f"*.LAYER.{ending}" for ending in DOWN_PROJECTIONS)
        raise RecordingError(
            f"no MLP found in the model; looked for modules named {looked} "
            "(mixture-of-experts layers have no neurons of that kind)"
        )
    return dict(sorted(by_layer.items()))


def width(projection: Any) -> int:
    """How many neurons feed a down projection: the size of its input."""
    size = getattr(projection, "in_features", None)
    # GPT-2's Conv1D keeps its weight as [input, output] and names only the output.
    return int(projection.weight.shape[0] if size is None else size)


def merge_row(raw: NDArray[np.float32], window: Window, skip: int) -> NDArray[np.float32]:
    """The maximum of each text token's pieces, behind ``skip`` positions: [P, N] to [L, N]."""
    pieces = raw[skip : skip + len(window.ids)]
    if len(window.ids) > len(window.starts):
        pieces = np.maximum.reduceat(pieces, window.starts, axis=0)
    return pieces
