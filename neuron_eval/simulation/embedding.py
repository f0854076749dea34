"""`embedding`: a token's expected activation is the cosine of token and explanation.

No language model, no context, no cost: a fair floor for simulators that read.
"""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.embedding import TextEmbedder
from neuron_eval.models.server_errors import asked
from neuron_eval.records import Excerpt
from neuron_eval.simulation.base import Outcome, Simulated


class EmbeddingSimulation:
    """Simulate with an embedder."""

    name = "embedding"

    def __init__(self, embedder: TextEmbedder) -> None:
        """Bind to an embedder."""
        self.model = str(embedder.model)
        self._embedder = embedder

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `neuron_eval.simulation.base.Simulation`."""
        if not excerpts:
            return []
        tokens = [token for excerpt in excerpts for token in excerpt.record.tokens]
        # Asked for apart, the tokens are the same request for every explanation: a cache hit.
        with asked("embedder", self._embedder.model):
            target = (await self._embedder.embed([explanation]))[explanation]
            vectors = await self._embedder.embed(tokens)
        return [
            Simulated(
                tuple(float(vectors[token] @ target) for token in excerpt.record.tokens), "cosine"
            )
            for excerpt in excerpts
        ]
