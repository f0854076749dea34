"""What an embedder and its caller exchange through Inspect's chat interface.

Inspect has no embeddings call, so an embedder is a model provider whose request is a list of
user messages, one text a message, and whose reply carries the vectors in the output's metadata.
Retries, rate limits, the cache, usage and the transcript then work as for any other model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from inspect_ai.model import ChatMessage, ModelCall, ModelOutput
from numpy.typing import NDArray

from neuron_eval.messages import InputError
from neuron_eval.models.replies import data_output, refusal

VECTORS_KEY = "embeddings"
"""Where in a ``ModelOutput.metadata`` the vectors stand: ``[n_texts][dim]`` floats."""

Vectors = NDArray[np.float32]  # vectors of shape [n_texts, dim]


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


def embedding_output(
    model: str, vectors: Vectors | NDArray[np.float64], input_tokens: int | None
) -> ModelOutput:
    """The reply to an embedding request; vectors have the shape [n_texts, dim], in order."""
    count, dimensions = vectors.shape
    noun = "text" if count == 1 else "texts"
    words = f"{count} {noun} embedded, {dimensions} dimensions"
    return data_output(model, words, {VECTORS_KEY: vectors.tolist()}, input_tokens)


def embedding_call(request: dict[str, Any], vectors: Vectors | NDArray[np.float64]) -> ModelCall:
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
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


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
