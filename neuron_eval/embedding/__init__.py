"""Embedders: models that turn texts into vectors, and what uses them.

Two model providers are registered with Inspect: ``embed-openai/<model>`` (any server with
OpenAI's embeddings API) and ``embed-local/minilm`` (on the CPU, no key; extra ``local``).
"""

from inspect_ai.model import ModelAPI, modelapi

from neuron_eval.embedding.embedder import (
    EmbeddingError,
    TextEmbedder,
    cosine,
    default_embedder,
    resolve_embedder,
    texts_of,
)

__all__ = [
    "EmbeddingError",
    "TextEmbedder",
    "cosine",
    "default_embedder",
    "embed_local",
    "embed_openai",
    "resolve_embedder",
    "texts_of",
]


@modelapi(name="embed-openai")
def embed_openai() -> type[ModelAPI]:
    """The embedder ``embed-openai/<model>``; see ``neuron_eval.embedding.hosted``."""
    from neuron_eval.embedding.hosted import OpenAIEmbedder

    return OpenAIEmbedder


@modelapi(name="embed-local")
def embed_local() -> type[ModelAPI]:
    """The embedder ``embed-local/minilm``; see ``neuron_eval.embedding.local``."""
    from neuron_eval.embedding.local import LocalEmbedder

    return LocalEmbedder
