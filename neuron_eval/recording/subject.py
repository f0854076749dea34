"""The subject model: a Hugging Face causal language model with hooks on its neurons."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording.errors import RecordingError
from neuron_eval.recording.loading import load, module, source
from neuron_eval.recording.mlp import find_layers, widths
from neuron_eval.recording.pieces import merge_pieces
from neuron_eval.recording.windows import Window


class _Enough(Exception):
    """The last layer asked for has been reached; what comes after need not be computed."""


class HuggingFaceSubject:
    """A model with hooks on the neurons that are recorded."""

    def __init__(self, model: str, prefix: int | None, dtype: str, device: str = "cpu") -> None:
        """Load the model without using its language-model head.

        Args:
            model: A Hugging Face name, a folder, or a ``.gguf`` file.
            prefix: The token put before each window, if any.
            dtype: ``float32`` or ``bfloat16``.
            device: A torch device.

        Raises:
            RecordingError: It cannot be loaded, or its MLPs are not found.
        """
        self._torch = module("torch")
        transformers = module("transformers")
        where, extra = source(model)
        whole = load(
            model,
            lambda: transformers.AutoModelForCausalLM.from_pretrained(
                where, dtype=getattr(self._torch, dtype), **extra
            ),
        )
        self._prefix = prefix
        self._device = device
        self._base: Any = whole.base_model.eval().to(device)
        self._modules: dict[str, Any] = dict(self._base.named_modules())
        self._layers = find_layers(self._modules)
        self._caught: dict[int, Any] = {}

    @property
    def widths(self) -> dict[int, int]:
        """Layer to its number of neurons."""
        return widths(self._modules, self._layers)

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
        """Record these neurons, once, before the first forward pass.

        Args:
            neurons: Layer to neurons; the columns of `activations` come in this order, which
                must be ascending in the layer.
        """
        last = max(neurons)
        for layer, chosen in neurons.items():
            index = self._torch.tensor(chosen, device=self._device)
            hook = self._hook(layer, index, stop=layer == last)
            self._modules[self._layers[layer]].register_forward_pre_hook(hook)

    def _hook(self, layer: int, index: Any, stop: bool) -> Callable[..., None]:
        def catch(_module: object, inputs: tuple[Any, ...]) -> None:
            self._caught[layer] = inputs[0].index_select(-1, index).float().cpu()
            if stop:
                raise _Enough

        return catch

    def activations(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The recorded neurons on every text token.

        A text token of several model tokens gets the highest of their activations.

        Args:
            windows: B windows of L text tokens each.

        Returns:
            Shape [B, L, N].

        Raises:
            RecordingError: A window does not fit the model's context.
        """
        ids, mask = self._batch(windows)
        with self._torch.inference_mode():
            with contextlib.suppress(_Enough):
                self._base(input_ids=ids, attention_mask=mask, use_cache=False)
            # Some models flatten batch and position before the MLP.
            flat = [self._caught[layer].flatten(0, -2) for layer in sorted(self._caught)]
            raw: NDArray[np.float32] = self._torch.cat(flat, dim=1).numpy()
        return merge_pieces(raw.reshape(len(windows), -1, raw.shape[1]), windows, self._skip)

    @property
    def _skip(self) -> int:
        return 0 if self._prefix is None else 1

    def _batch(self, windows: Sequence[Window]) -> tuple[Any, Any]:
        """Token ids and attention mask, padded on the right: causal models do not look there."""
        head = [] if self._prefix is None else [self._prefix]
        rows = [[*head, *window.ids] for window in windows]
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
