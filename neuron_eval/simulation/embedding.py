"""`embedding`: a token's expected activation is the cosine of token and explanation.

No language model, no context, no cost: a fair floor for simulators that read.
"""

from collections.abc import Sequence
from typing import Self

from neuron_eval.embedding.embedder import TextEmbedder, resolve_embedder
from neuron_eval.models.server_errors import model_errors
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import Excerpt
from neuron_eval.simulation import Outcome, Simulated, Simulation, Simulator, way


@way("embedding")
class EmbeddingSimulation(Simulation):
    """The cosine of token and explanation, from an embedder: a floor, without a language model."""

    needs_model = False

    def __init__(self, embedder: TextEmbedder) -> None:
        self.model = str(embedder.model)
        self._embedder = embedder

    @classmethod
    def bind(cls, simulator: Simulator, pack: Pack, excerpts_per_call: int | None) -> Self:
        return cls(TextEmbedder(resolve_embedder()))

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        if not excerpts:
            return []
        tokens = [token for excerpt in excerpts for token in excerpt.record.tokens]
        # Asked for apart, the tokens are the same request for every explanation: a cache hit.
        with model_errors("embedder", self._embedder.model):
            target = (await self._embedder.embed([explanation]))[explanation]
            vectors = await self._embedder.embed(tokens)
        # As exact as vectors of 32 bits are; more digits would make every log larger.
        cosines = {token: round(float(vectors[token] @ target), 7) for token in set(tokens)}
        return [
            Simulated(tuple(cosines[token] for token in excerpt.record.tokens), "cosine")
            for excerpt in excerpts
        ]
