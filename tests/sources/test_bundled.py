"""The neurons that ship."""

from collections import Counter
from importlib import resources

import pytest

from neuron_eval.dataset import dataset, neuron_set
from neuron_eval.files.bounded import load_yaml
from neuron_eval.sources import REFERENCES
from neuron_eval.sources.loading import load_neurons


@pytest.fixture(scope="module")
def neurons():
    return list(load_neurons("smollm2"))


def test_there_are_enough_neurons_half_of_them_drawn_at_random(neurons):
    groups = Counter(neuron.group for neuron in neurons)
    assert len(neurons) >= 80
    assert groups["clear"] == groups["random"] == len(neurons) / 2
    assert len({neuron.layer for neuron in neurons}) >= 5
    assert {neuron.model for neuron in neurons} == {"smollm2"}
    assert len({neuron.id for neuron in neurons}) == len(neurons)


def test_every_neuron_has_excerpts_for_every_split(neurons):
    for neuron in neurons:
        assert len(neuron.top) >= 20
        assert len(neuron.random) >= 20
        assert {len(e.tokens) for e in neuron.top + neuron.random} == {64}
        for name in ("train", "calibration", "valid", "test"):
            assert neuron.split(name, 5)


def test_quantile_boundaries_come_with_their_levels(neurons):
    for neuron in neurons:
        assert neuron.quantiles == (0.5, 0.9, 0.99, 0.999, 0.9999)
        assert len(neuron.quantile_boundaries) == 5
        assert neuron.quantile_boundaries[4] <= neuron.top[0].peak * 1.01


def test_every_clear_neuron_has_a_reference_and_no_other(neurons):
    for neuron in neurons:
        assert (neuron.reference is not None) == (neuron.group == "clear")
        if neuron.reference:
            assert 3 <= len(neuron.reference.explanation.split()) <= 30
            assert "reading" in neuron.reference.source


def test_clear_neurons_come_first_so_that_a_limit_has_references(neurons):
    assert all(neuron.group == "clear" for neuron in neurons[:40])


def test_a_sample_holds_what_was_used_and_is_small(neurons):
    samples = list(dataset(neuron_set("smollm2")))
    assert [sample.id for sample in samples] == [neuron.id for neuron in neurons]
    assert samples[0].target == neurons[0].reference.explanation
    assert len(samples[0].metadata["unrelated_references"]) == 39
    assert neurons[0].reference.explanation not in samples[0].metadata["unrelated_references"]
    assert max(len(sample.metadata["record"]) for sample in samples) < 60_000


def test_every_reference_is_of_a_neuron_that_ships(neurons):
    text = resources.files("neuron_eval.data").joinpath(REFERENCES).read_text("utf-8")
    assert set(load_yaml(text)["explanations"]) <= {neuron.id for neuron in neurons}


def test_puzzles_are_samples_too():
    samples = list(dataset(neuron_set("puzzles")))
    assert len(samples) >= 20
    assert all(sample.target for sample in samples)
    assert samples[0].metadata["layer"] == -1


def test_the_sources_name_the_hashes_of_what_ships():
    import hashlib

    folder = resources.files("neuron_eval.data")
    sources = folder.joinpath("SOURCES.md").read_text(encoding="utf-8")
    for name in ("smollm2.jsonl.gz", "minilm-vocab.txt"):
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() in sources
