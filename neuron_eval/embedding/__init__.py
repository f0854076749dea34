"""Embedders: models that turn texts into vectors, and what uses them.

Two model providers are registered with Inspect: ``embed-openai/<model>`` (any server with
OpenAI's embeddings API) and ``embed-local/minilm`` (on the CPU, no key; extra ``local``).
"""

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="embed-openai")
def embed_openai() -> type[ModelAPI]:
    from neuron_eval.embedding.hosted import OpenAIEmbedder

    return OpenAIEmbedder


@modelapi(name="embed-local")
def embed_local() -> type[ModelAPI]:
    from neuron_eval.embedding.local import LocalEmbedder

    return LocalEmbedder
