"""Text in, unit vectors out: an Inspect model used as an embedder, and what they exchange.

Inspect has no embeddings call, so an embedder is a model provider whose request is a list of
user messages, one text a message, and whose reply carries the vectors in the output's metadata.
Retries, rate limits, the cache, usage and the transcript then work as for any other model.
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
from inspect_ai.model import (
    ChatMessage,
    ChatMessageUser,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    get_model,
)
from numpy.typing import NDArray

from neuron_eval.messages import InputError
from neuron_eval.models.edge import guarded
from neuron_eval.models.provider import data_output
from neuron_eval.models.replies import refusal
from neuron_eval.models.requests import cache_policy, each_once, together

HOSTED_DEFAULT = "embed-openai/text-embedding-ada-002"
"""The embedder of the published method: the default where ``OPENAI_API_KEY`` is set."""

LOCAL_DEFAULT = "embed-local/minilm"  # the default without a key
TEXTS_PER_REQUEST = 256

VECTORS_KEY = "embeddings"
"""Where in a ``ModelOutput.metadata`` the vectors stand: ``[n_texts][dim]`` floats."""

Vector = NDArray[np.float32]  # one unit vector, shape [dim]
Vectors = NDArray[np.floating[Any]]  # vectors of shape [n_texts, dim]


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


class EmbeddingError(RuntimeError):
    """An embedder's reply that is no set of vectors for the texts it was given."""


def texts_of(messages: Sequence[ChatMessage]) -> list[str]:
    """The texts of an embedding request, as they are; an InputError says what is wrong with one."""
    if not messages:
        raise InputError("An embedding request needs at least one user message; got none.")
    return [_text_of(index, message) for index, message in enumerate(messages)]


def _text_of(index: int, message: ChatMessage) -> str:
    where = f"Embedding request, message {index}"
    if message.role != "user":
        raise InputError(
            f"{where}: role is {message.role!r}, but an embedder takes user messages only "
            "(a system message may come from the option --system-message)."
        )
    text = message.content
    if not isinstance(text, str):
        raise InputError(f"{where}: content is {type(text).__name__}, but must be a plain string.")
    if not text:
        raise InputError(f"{where}: the text is empty; an empty text has no embedding.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {text!r} cannot be written as UTF-8 ({error.reason})."
        ) from None
    return text


def embedding_output(model: str, vectors: Vectors, input_tokens: int | None) -> ModelOutput:
    """The reply to an embedding request; vectors have the shape [n_texts, dim], in order."""
    count, dimensions = vectors.shape
    noun = "text" if count == 1 else "texts"
    words = f"{count} {noun} embedded, {dimensions} dimensions"
    return data_output(model, words, {VECTORS_KEY: vectors.tolist()}, input_tokens)


def embedding_call(request: dict[str, Any], vectors: Vectors) -> ModelCall:
    """A call to an embedder without the vectors, which would bloat the log."""
    return ModelCall.create(request, {"embeddings": {"shape": list(vectors.shape)}})


def take_vectors(output: ModelOutput, count: int) -> Vectors:
    """Take the vectors out of an embedder's reply, scaled to unit length, shape [count, dim].

    The reply's metadata is shared with the transcript's event, so the vectors are removed from
    it: a log must not hold a thousand numbers a text.
    """
    if (refused := refusal(output)) is not None:
        raise EmbeddingError(f"The model {output.model!r} refused to embed: {refused}")
    if not output.metadata or VECTORS_KEY not in output.metadata:
        raise EmbeddingError(
            f"The model {output.model!r} returned no embeddings. The role `embedder` needs an "
            "embedder, for instance embed-openai/text-embedding-ada-002 or embed-local/minilm."
        )
    vectors = checked_vectors(output.metadata.pop(VECTORS_KEY), count, output.model)
    # Scaled first, or the squares of very large and very small values would leave the range.
    vectors /= np.abs(vectors).max(axis=1, keepdims=True)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32)


def checked_vectors(values: object, count: int, model: str) -> NDArray[np.float64]:
    """Vectors, one a text, all finite, with a direction, of one dimension; or an EmbeddingError."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USb":  # NumPy would read numbers out of texts
            raise TypeError("expected numbers")
        vectors = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise EmbeddingError(
            f"The model {model!r} returned vectors that are not numbers of one dimension: {error}"
        ) from None
    if vectors.ndim != 2 or vectors.shape[0] != count or vectors.shape[1] == 0:
        raise EmbeddingError(
            f"The model {model!r} returned embeddings of shape {list(vectors.shape)} for {count} "
            f"texts; expected [{count}, dim]."
        )
    for wrong, what in (
        (~np.isfinite(vectors).all(axis=1), "a value that is not finite"),
        (~vectors.any(axis=1), "a zero vector"),
    ):
        if wrong.any():
            raise EmbeddingError(
                f"The model {model!r} returned {what} for text {int(np.argmax(wrong))}."
            )
    return vectors


class TextEmbedder:
    """Embeds texts with an Inspect model, each distinct text once.

    Vectors are shared by everyone in the process who embeds with the same model. Requests go
    through Inspect's cache, whose keys depend on which texts are asked for together: ask for the
    texts that all samples share in one call, and for a sample's own in another, and they are the
    same in every run whatever the samples' order.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    async def embed(self, texts: Sequence[str]) -> dict[str, Vector]:
        """The distinct texts in their first order, each with its unit vector, shape [dim].

        An InputError names a text that is empty or no UTF-8, an EmbeddingError a reply that is not
        one finite, non-zero vector a text, or not of the dimensions of those before.
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
        if known not in (None, vectors.shape[1]):  # past the cache, where it may have come from
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


MEMO_BYTES = 256 * 2**20
"""What one embedder's vectors may occupy: about 170,000 texts of 384 dimensions, 43,000 of
1,536. The least recently used go first."""


class Memo:
    """A bounded, thread-safe store of one embedder's vectors."""

    def __init__(self, max_bytes: int = MEMO_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._vectors: dict[str, Vector] = {}
        self._lock = threading.Lock()

    def get(self, texts: Iterable[str]) -> dict[str, Vector]:
        with self._lock:
            known = {text: self._vectors.pop(text) for text in texts if text in self._vectors}
            self._vectors |= known  # what was used last stands last
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
                self._bytes -= self._vectors.pop(next(iter(self._vectors))).nbytes

    @property
    def dimension(self) -> int | None:
        with self._lock:
            return next((vector.shape[0] for vector in self._vectors.values()), None)

    def __len__(self) -> int:
        return len(self._vectors)


_memos: WeakKeyDictionary[ModelAPI, Memo] = WeakKeyDictionary()


def memo_of(api: ModelAPI) -> Memo:
    return _memos.setdefault(api, Memo())
