"""Text in, unit vectors out: an Inspect model used as an embedder."""

from __future__ import annotations

import os
from collections.abc import Sequence

import anyio
import numpy as np
from inspect_ai.model import ChatMessage, ChatMessageUser, Model, get_model

from neuron_eval.embedding.exchange import EmbeddingError, take_vectors
from neuron_eval.embedding.memo import Vector, memo_of, under_way
from neuron_eval.models.caching import cache_policy
from neuron_eval.models.concurrently import first_error
from neuron_eval.models.edge import guarded

TEXTS_PER_REQUEST = 256

HOSTED_DEFAULT = "embed-openai/text-embedding-ada-002"
"""The embedder of the published method: the default where ``OPENAI_API_KEY`` is set."""

LOCAL_DEFAULT = "embed-local/minilm"
"""The default without a key."""


def resolve_embedder() -> Model:
    """Return the model of the role ``embedder``.

    Unbound, it is `default_embedder`; usage is counted under the role either way.

    Raises:
        PrerequisiteError: The embedder lacks its key or its packages.
    """
    return guarded(get_model(role="embedder", default=default_embedder()))


def default_embedder() -> str:
    """``HOSTED_DEFAULT`` if ``OPENAI_API_KEY`` is set, ``LOCAL_DEFAULT`` if not."""
    return HOSTED_DEFAULT if os.environ.get("OPENAI_API_KEY") else LOCAL_DEFAULT


def cosine(a: Vector, b: Vector) -> float:
    """Return the cosine of the angle between two vectors, in [-1, 1].

    Args:
        a: Shape [dim], of any length but zero.
        b: Shape [dim], likewise.

    Raises:
        ValueError: The shapes differ, or a vector is zero or not finite.
    """
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
        """Embed texts, as they are.

        Args:
            texts: Texts in any order, repeats allowed, none of them empty.

        Returns:
            The distinct texts in their first order, each with its unit vector, shape [dim].

        Raises:
            ValueError: A text is empty or cannot be written as UTF-8.
            EmbeddingError: The model's reply is not one finite, non-zero vector a text, or not of
                the dimensions of those before.
        """
        # sorted, so that the same set of texts makes the same requests
        wanted = sorted(set(texts))
        memo, busy = memo_of(self.model.api), under_way(self.model.api)
        found: dict[str, Vector] = {}
        while missing := [text for text in wanted if text not in found]:
            # anew each time round: what others did while we waited is there, and a request of
            # theirs that failed or was cancelled left its texts to us
            if known := memo.get(missing):
                found |= known
            elif mine := [text for text in missing if text not in busy]:
                found |= await self._embed_claimed(mine)
            else:
                await busy[missing[0]].wait()
        return {text: found[text] for text in texts}

    async def _embed_claimed(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Embed texts that nobody else is embedding, telling the others when it is over."""
        busy = under_way(self.model.api)
        over = anyio.Event()
        busy.update(dict.fromkeys(texts, over))
        found: dict[str, Vector] = {}

        async def request(chunk: Sequence[str]) -> None:
            vectors = await self._request(chunk)
            memo_of(self.model.api).add(vectors)
            found.update(vectors)

        try:
            async with anyio.create_task_group() as group:
                for start in range(0, len(texts), TEXTS_PER_REQUEST):
                    group.start_soon(request, texts[start : start + TEXTS_PER_REQUEST])
        except ExceptionGroup as errors:
            # Inspect tells errors apart by type, so the first one goes up by itself
            error = first_error(errors)
            raise error from error.__cause__
        finally:
            for text in texts:
                del busy[text]
            over.set()
        return found

    async def _request(self, texts: Sequence[str]) -> dict[str, Vector]:
        messages: list[ChatMessage] = [ChatMessageUser(content=text) for text in texts]
        revision = getattr(self.model.api, "revision", None)
        scopes = {"revision": revision} if revision else {}
        cache = cache_policy(self.model, **scopes)
        output = await self.model.generate(messages, cache=cache)
        vectors = take_vectors(output, len(texts))
        known = memo_of(self.model.api).dimension
        if known not in (None, vectors.shape[1]):
            # What came may have come from the cache, so it is passed over.
            vectors = take_vectors(await self.model.generate(messages, cache=False), len(texts))
            if known != vectors.shape[1]:
                raise EmbeddingError(
                    f"The model {self.model} returned vectors of {vectors.shape[1]} dimensions, "
                    f"but of {known} for other texts."
                )
        vectors.flags.writeable = False  # they are shared from here on
        return dict(zip(texts, vectors, strict=True))
