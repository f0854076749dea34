"""A Hugging Face causal language model with hooks on its neurons, and its tokenizer."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording import RecordingError
from neuron_eval.recording.texts import Window
from neuron_eval.records.tokens import Offsets

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


class _Enough(Exception):
    """The last layer wanted has been reached; what comes after need not be computed."""


class HuggingFaceSubject:
    """A model with hooks on the neurons that are recorded."""

    def __init__(self, model: str, prefix: int | None, dtype: str, device: str = "cpu") -> None:
        """Load the model, whose language-model head is not used.

        ``prefix`` is the token put before each window, if any, ``dtype`` the name of a torch type.
        """
        self._torch = module("torch")
        loaded = load("AutoModelForCausalLM", model, dtype=getattr(self._torch, dtype))
        self._prefix = [] if prefix is None else [prefix]
        self._device = device
        self._base: Any = loaded.base_model.eval().to(device)
        modules = dict(self._base.named_modules())
        self._projections = {layer: modules[name] for layer, name in find_layers(modules).items()}
        self._caught: dict[int, Any] = {}

    @property
    def widths(self) -> dict[int, int]:
        return {layer: width(projection) for layer, projection in self._projections.items()}

    @property
    def fingerprint(self) -> str:
        """A digest of the names, shapes and first values of all weights."""
        digest = hashlib.blake2b(digest_size=16)
        for name, weight in self._base.state_dict().items():
            first = weight.flatten()[:256].float().cpu().numpy()
            digest.update(repr((name, tuple(weight.shape), str(weight.dtype))).encode())
            digest.update(first.tobytes())
        return digest.hexdigest()

    def watch(self, neurons: Mapping[int, Sequence[int]]) -> None:
        """Record these neurons by layer, once, before the first forward pass.

        The columns of `activations` come in their order, which must be ascending in the layer.
        """
        last = max(neurons)
        for layer, chosen in neurons.items():
            index = self._torch.tensor(chosen, device=self._device)
            hook = self._hook(layer, index, stop=layer == last)
            self._projections[layer].register_forward_pre_hook(hook)

    def _hook(self, layer: int, index: Any, stop: bool) -> Callable[..., None]:
        def catch(_module: object, inputs: tuple[Any, ...]) -> None:
            self._caught[layer] = inputs[0].index_select(-1, index).float().cpu()
            if stop:
                raise _Enough

        return catch

    def activations(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The N recorded neurons on every text token of B windows, shape [B, L, N].

        A text token of several model tokens gets the highest of their activations.
        """
        ids, mask = self._batch(windows)
        with self._torch.inference_mode():
            with contextlib.suppress(_Enough):
                self._base(input_ids=ids, attention_mask=mask, use_cache=False)
            # Some models flatten batch and position before the MLP.
            flat = [self._caught[layer].flatten(0, -2) for layer in sorted(self._caught)]
            raw: NDArray[np.float32] = self._torch.cat(flat, dim=1).numpy()
        rows = raw.reshape(len(windows), -1, raw.shape[1])
        return merge_pieces(rows, windows, skip=len(self._prefix))

    def _batch(self, windows: Sequence[Window]) -> tuple[Any, Any]:
        """Token ids and attention mask, padded on the right: causal models do not look there."""
        rows = [[*self._prefix, *window.ids] for window in windows]
        longest = max(map(len, rows))
        limit = getattr(self._base.config, "max_position_embeddings", None)
        if limit is not None and longest > limit:
            raise RecordingError(
                f"a window of {len(windows[0].tokens)} text tokens takes {longest} model tokens, "
                f"but the model has {limit} positions; use a smaller --length"
            )
        tensor = self._torch.tensor
        ids = tensor([row + [0] * (longest - len(row)) for row in rows], device=self._device)
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        return ids, tensor(mask, device=self._device)


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


def merge_pieces(
    raw: NDArray[np.float32], windows: Sequence[Window], skip: int
) -> NDArray[np.float32]:
    """Activations of model tokens to those of text tokens, the maximum of each one's pieces.

    From shape [B, P, N], padded on the right and with ``skip`` positions before each window, to
    shape [B, L, N].
    """
    parts = []
    for row, window in zip(raw, windows, strict=True):
        pieces = row[skip : skip + len(window.ids)]
        if len(window.ids) > len(window.starts):
            pieces = np.maximum.reduceat(pieces, window.starts, axis=0)
        parts.append(pieces)
    return np.stack(parts)


NEEDED = "recording needs torch and transformers: pip install 'neuron_eval[record]'"


def module(name: str) -> Any:
    """A module of the extra `record`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(f"{NEEDED} ({error})") from error


def load(kind: str, model: str, **settings: Any) -> Any:
    """What ``from_pretrained`` of a class such as ``AutoTokenizer`` gives.

    The model is a Hugging Face name, a folder, or a ``.gguf`` file.
    """
    transformers = module("transformers")
    path, where = Path(model), model
    if path.suffix == ".gguf":
        if not path.is_file():
            raise RecordingError(f"{model}: no such file")
        where, settings = str(path.parent), {**settings, "gguf_file": path.name}
    try:
        return getattr(transformers, kind).from_pretrained(where, **settings)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise RecordingError(f"{model}: cannot be loaded: {error}") from error


class Tokenizer:
    """The subject model's tokenizer."""

    def __init__(self, model: str) -> None:
        self._inner = load("AutoTokenizer", model)
        if not self._inner.is_fast:
            raise RecordingError(
                f"{model}: the tokenizer {type(self._inner).__name__} gives no offsets into the "
                "text; a fast tokenizer is needed (a folder with a tokenizer.json)"
            )

    @property
    def prefix(self) -> int | None:
        """The token put before each window.

        Models spend huge activations on whatever comes first (an attention sink), so the first
        token of an excerpt would top every list. A start token takes that place and is dropped;
        a tokenizer without one has an end-of-text token, which parts documents in training. None
        if it has neither.
        """
        inner = self._inner
        first = inner.bos_token_id if inner.bos_token_id is not None else inner.eos_token_id
        return None if first is None else int(first)

    def __call__(self, text: str) -> tuple[Sequence[int], Offsets]:
        """Model tokens and offsets; special tokens are neither added nor read from the text."""
        # verbose: the text is cut later, so that it exceeds the model's context is no news.
        encoded = self._inner(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        return encoded["input_ids"], encoded["offset_mapping"]
