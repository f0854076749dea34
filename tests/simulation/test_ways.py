"""The registry of ways to simulate."""

import pytest

from neuron_eval import simulation
from neuron_eval.messages import InputError
from neuron_eval.prompts.pack import default_pack
from neuron_eval.simulation import Simulation, way, ways


@pytest.fixture
def registry(monkeypatch):
    """The registry, of which nothing that a test registers stays."""
    ways()
    monkeypatch.setattr(simulation, "_WAYS", dict(simulation._WAYS))


def test_the_ways_stand_in_the_order_of_what_they_cost():
    assert list(ways()) == ["all_at_once", "chat", "sparse", "per_token", "embedding"]


@pytest.mark.parametrize("name", ["chat", "auto", "none"])
def test_no_name_stands_for_two_ways(registry, name):
    with pytest.raises(ValueError, match=f"a way to simulate of the name '{name}' already"):
        way(name)(type("Another", (Simulation,), {}))
    assert ways()["chat"].__name__ == "ChatSimulation"


def test_a_way_that_says_nothing_of_what_it_asks_is_refused_by_name_where_it_is_estimated(registry):
    way("magic")(type("Magic", (Simulation,), {}))
    with pytest.raises(InputError, match="simulation=magic says nothing of what it asks"):
        ways()["magic"].requests("cats", [], default_pack(), "test/s", None)
