"""Who watches an eval sees the simulator's replies come in."""

import pytest
from inspect_ai import eval

from neuron_eval.simulation import asking as progress
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron


@pytest.fixture
def shown(monkeypatch):
    """What was shown, in order; time stands still, but for what a test lets pass."""
    seen = []
    monkeypatch.setattr(progress, "display_counter", lambda *said: seen.append(said))
    monkeypatch.setattr(progress, "_replies", 0)
    monkeypatch.setattr(progress, "_shown", float("-inf"))
    return seen


@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_every_reply_of_the_simulator_counts(tmp_path, shown, monkeypatch, way):
    monkeypatch.setattr(progress, "_PAUSE", 0)
    path = tmp_path / "neurons.jsonl"
    schema.write(path, [make_neuron("test/L0N0", " cat", neuron=0)])
    simulator = fake_simulator(lambda _, tokens: [0, 9, *[0] * (len(tokens) - 2)])
    task = formats.summary(neurons=str(path), simulation=way, excerpts_per_call=2)
    roles = {"simulator": simulator.model, "embedder": fake_embedder(lambda t: [1.0, len(t)]).model}
    (log,) = eval(task, model=fake_explainer("a cat").model, model_roles=roles)
    assert log.status == "success", log.error
    assert shown == [("simulator replies", str(n + 1)) for n in range(5)]


def test_the_screen_is_not_drawn_for_every_reply(shown, monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    for _ in range(1200):
        progress.count_reply()
    now += 0.6
    progress.count_reply()
    assert shown == [("simulator replies", "1"), ("simulator replies", "1,201")]
