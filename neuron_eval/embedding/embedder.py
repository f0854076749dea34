"""Text in, unit vectors out: an Inspect model used as an embedder."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
from inspect_ai.model import ChatMessage, ChatMessageUser, Model, ModelAPI, get_model
from numpy.typing import NDArray

from neuron_eval.embedding.exchange import EmbeddingError, take_vectors
from neuron_eval.models.edge import guarded
from neuron_eval.models.requests import cache_policy, each_once, together

TEXTS_PER_REQUEST = 256

HOSTED_DEFAULT = "embed-openai/text-embedding-ada-002"
"""The embedder of the published method: the default where ``OPENAI_API_KEY`` is set."""

LOCAL_DEFAULT = "embed-local/minilm"  # the default without a key


def resolve_embedder() -> Model:
    """The model of the role ``embedder``; unbound, `default_embedder`."""
    return guarded(get_model(role="embedder", default=default_embedder()))


def default_embedder() -> str:
    return HOSTED_DEFAULT if os.environ.get("OPENAI_API_KEY") else LOCAL_DEFAULT


def cosine(a: Vector, b: Vector) -> float:
    """The cosine of the angle between two vectors of shape [dim], in [-1, 1]."""
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"Cosine of shapes {list(a.shape)} and {list(b.shape)}: need [dim] twice.")
    x, y = a.astype(np.float64), b.astype(np.float64)
    scale = float(np.linalg.norm(x) * np.linalg.norm(y))
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError("Cosine with a vector that is zero or not finite is undefined.")
    return float(np.clip(x @ y / scale, -1.0, 1.0))


class TextEmbedder:
    """Embeds texts with an Inspect model, each distinct text once.

    Vectors are shared by everyone in the process who embeds with the same model: samples that
    run side by side, and evals one after the other. Requests go through Inspect's cache, so a
    later run that asks for the same texts together pays nothing. The requests depend on which
    texts are asked for together: ask for the texts that all samples share in one call, and for
    a sample's own in another, and they are the same in every run whatever the samples' order.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    async def embed(self, texts: Sequence[str]) -> dict[str, Vector]:
        """The distinct texts in their first order, each with its unit vector, shape [dim].

        Raises:
            InputError: A text is empty or cannot be written as UTF-8.
            EmbeddingError: The model's reply is not one finite, non-zero vector a text, or not of
                the dimensions of those before.
        """
        # sorted, so that the same set of texts makes the same requests
        memo, wanted = memo_of(self.model.api), sorted(set(texts))
        vectors = await each_once(memo, memo.get, wanted, self._embed_all)
        return {text: vectors[text] for text in texts}

    async def _embed_all(self, texts: Sequence[str]) -> dict[str, Vector]:
        starts = range(0, len(texts), TEXTS_PER_REQUEST)
        chunks = await together(*(self._request(texts[i : i + TEXTS_PER_REQUEST]) for i in starts))
        return {text: vector for chunk in chunks for text, vector in chunk.items()}

    async def _request(self, texts: Sequence[str]) -> dict[str, Vector]:
        # Ids that resemble one another, because random ones are half of what the log takes.
        name = uuid4().hex[:16]
        messages: list[ChatMessage] = [
            ChatMessageUser(content=text, id=f"{name}{i}") for i, text in enumerate(texts)
        ]
        revision = getattr(self.model.api, "revision", None)
        scopes = {"revision": revision} if revision else {}
        output = await self.model.generate(messages, cache=cache_policy(self.model, **scopes))
        vectors = take_vectors(output, len(texts))
        memo = memo_of(self.model.api)
        known = memo.dimension
        if known not in (None, vectors.shape[1]):
            # What came may have come from the cache, so it is passed over.
            vectors = take_vectors(await self.model.generate(messages, cache=False), len(texts))
            if known != vectors.shape[1]:
                raise EmbeddingError(
                    f"The model {self.model} returned vectors of {vectors.shape[1]} dimensions, "
                    f"but of {known} for other texts."
                )
        vectors.flags.writeable = False  # they are shared from here on
        embedded: dict[str, Vector] = dict(zip(texts, vectors, strict=True))
        memo.add(embedded)
        return embedded


Vector = NDArray[np.float32]  # one unit vector, shape [dim]

MEMO_BYTES = 256 * 2**20
"""What one embedder's vectors may occupy: about 170,000 texts of 384 dimensions, 43,000 of
1,536. The least recently used go first."""


class Memo:
    """A bounded, thread-safe store of one embedder's vectors."""

    def __init__(self, max_bytes: int = MEMO_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, texts: Iterable[str]) -> dict[str, Vector]:
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
            return known

    def add(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors, letting go of the least recently used ones if there are too many."""
        with self._lock:
            for text, vector in vectors.items():
                if (old := self._vectors.pop(text, None)) is not None:
                    self._bytes -= old.nbytes
                self._vectors[text] = vector
                self._bytes += vector.nbytes
            while self._bytes > self._max_bytes:
                _, old = self._vectors.popitem(last=False)
                self._bytes -= old.nbytes

    @property
    def dimension(self) -> int | None:
        with self._lock:
            return next((vector.shape[0] for vector in self._vectors.values()), None)

    def __len__(self) -> int:
        return len(self._vectors)


_memos: WeakKeyDictionary[ModelAPI, Memo] = WeakKeyDictionary()


def memo_of(api: ModelAPI) -> Memo:
    """The store of one embedder; it lives as long as the embedder."""
    return _memos.setdefault(api, Memo())
