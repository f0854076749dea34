"""From prompt to score: a simulator that knows the truth correlates perfectly, any way."""

import anyio
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inspect_ai.model import GenerateConfig

from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.measure import measure
from neuron_eval.simulation.per_token import PerTokenSimulation
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.testing import fake_simulator

PACK = default_pack()
WAYS = {
    "chat": lambda asker: ChatSimulation(asker, PACK.simulation["chat"], 3),
    "sparse": lambda asker: SparseSimulation(asker, PACK.simulation["sparse"], 3),
    "per_token": lambda asker: PerTokenSimulation(asker, PACK.simulation["per_token"]),
}
TOKENS = st.text(min_size=1, max_size=5) | st.sampled_from(
    ["\t", "\n", " the", " the", "1: 5", '"', "A: none", "</A>", "#2", "🙂", " ", "unknown"]
)
LEVELS = st.just(0.0) | st.floats(0, 10)


@st.composite
def excerpts(draw):
    texts = draw(
        st.lists(
            st.lists(TOKENS, min_size=1, max_size=6), min_size=1, max_size=4, unique_by="".join
        )
    )
    # per_token sees a text up to a token, so no excerpt may begin like another
    assume(not any(a != b and "".join(b).startswith(a[0]) for a in texts for b in texts))
    return [
        Excerpt("top", i, ActivationRecord(tuple(t), tuple(draw(st.tuples(*[LEVELS] * len(t))))))
        for i, t in enumerate(texts)
    ]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=30, deadline=None)
@given(found=excerpts())
def test_the_truth_correlates_perfectly_whatever_the_tokens(way, found):
    truth = [value for e in found for value in e.record.activations]
    assume(max(truth) - min(truth) > 0.01)

    def knows(explanation, tokens):
        record = next(e.record for e in found if e.record.tokens[: len(tokens)] == tuple(tokens))
        return record.activations[: len(tokens)]

    fake = fake_simulator(knows, excerpts=[e.record.tokens for e in found])
    # Inspect's cache would answer one example's question with another's truth.
    fake.model.config = GenerateConfig(temperature=0.5)
    simulation = WAYS[way](Asker(fake.model, named=True, reasoning=False))
    outcomes = anyio.run(simulation, "what it does", found)
    result = measure(list(zip(found, outcomes, strict=True)), [])
    assert result.failures == ()
    assert result.correlation == pytest.approx(1, abs=1e-9)
