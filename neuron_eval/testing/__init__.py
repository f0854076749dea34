"""Fakes for tests of solvers, scorers and tasks: models that state their answers, and neurons.

    simulator = fake_simulator(lambda explanation, tokens: [10 * (t == " cat") for t in tokens])
    eval(summary(), model=fake_explainer("cats"), model_roles={"simulator": simulator.model})
    assert len(simulator.requests) == 10

They go through Inspect like any model: its retries, cache, events and usage are the real ones.
"""

from neuron_eval.testing.judges import fake_judge, fake_subject, fake_writer
from neuron_eval.testing.models import (
    Fake,
    FakeRateLimitError,
    fake,
    fake_embedder,
    fake_explainer,
    fake_rater,
    make_neuron,
    question_in,
)
from neuron_eval.testing.replies import fake_simulator, read_chat_prompt

__all__ = [
    "Fake",
    "FakeRateLimitError",
    "fake",
    "fake_embedder",
    "fake_explainer",
    "fake_judge",
    "fake_rater",
    "fake_simulator",
    "fake_subject",
    "fake_writer",
    "make_neuron",
    "question_in",
    "read_chat_prompt",
]
