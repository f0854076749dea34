"""What a report reads of a sample's excerpts: shown, held out, and where the neuron fires."""

import json
from dataclasses import replace

import pytest
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalSample
from inspect_ai.scorer import Score

from neuron_eval.dataset import NeuronSet, dataset, neuron_set
from neuron_eval.logs.excerpts import BINS, TOP_TOKENS, activity, excerpts_of
from neuron_eval.logs.runs import neuron_result
from neuron_eval.records import ActivationRecord, RecordError
from neuron_eval.sources.choosing import Choice


def record(tokens, activations, ignored=()):
    return ActivationRecord(tuple(tokens), tuple(activations), ignored)


def test_a_histogram_counts_every_token_from_the_lowest_to_the_highest():
    result = activity([record("abcd", (-2, 0, 0, 10)), record("ef", (4, 0))])
    assert (result.excerpts, result.low, result.high) == (2, -2, 10)
    assert len(result.counts) == BINS
    assert sum(result.counts) == 6
    assert (result.counts[0], result.counts[-1]) == (1, 1)
    assert result.counts[BINS // 6] == 3  # 0 is two of twelve up


def test_top_tokens_are_counted_without_their_blanks_highest_first():
    result = activity([record((" cat", "cat", " ", "dog", " sat"), (1, 5, 2, 3, -1))])
    assert [tuple(token) for token in result.tokens] == [("cat", 5, 2), ("dog", 3, 1), (" ", 2, 1)]


def test_only_so_many_top_tokens_are_kept():
    result = activity([record([f"t{i}" for i in range(40)], range(40))])
    assert [token.text for token in result.tokens] == [f"t{39 - i}" for i in range(TOP_TOKENS)]


def test_an_ignored_token_is_in_no_histogram_and_no_top_token():
    result = activity([record("abc", (-9, 1, 2), ignored=(0,))])
    assert result.low == 1
    assert [token.text for token in result.tokens] == ["c", "b"]


@pytest.mark.parametrize("records", [[], [record("ab", (1, 1))], [record("a", (1,), (0,))]])
def test_of_nothing_or_of_equal_activations_there_is_no_histogram(records):
    assert activity(records) is None


@pytest.fixture(scope="module")
def neurons():
    return neuron_set(Choice("smollm2", limit=1))


@pytest.fixture
def sample(neurons):
    return logged(dataset(neurons)[0])


def logged(sample: Sample) -> EvalSample:
    return EvalSample(
        id=sample.id, epoch=1, input=sample.input, target=sample.target, metadata=sample.metadata
    )


def test_a_sample_has_what_its_explainer_saw_and_an_activity_over_all_it_holds(neurons, sample):
    dealt = neurons.neurons[0].dealt
    result = excerpts_of(sample, None)
    assert result.shown == dealt.train
    assert result.predicted == ()
    held = (*dealt.train, *dealt.calibration, *dealt.valid)
    assert result.activity == activity([excerpt.record for excerpt in held])


def test_excerpts_are_read_only_where_they_are_asked_for(sample):
    assert neuron_result([sample]).shown == ()
    assert neuron_result([sample]).activity is None
    assert len(neuron_result([sample], excerpts=True).shown) == 5


@pytest.mark.parametrize("metadata", [{}, {"record": None}, {"record": {"train": []}}])
def test_a_sample_without_a_record_has_no_excerpts(sample, metadata):
    sample.metadata = metadata
    result = excerpts_of(sample, None)
    assert (result.shown, result.predicted, result.activity) == ((), (), None)


def test_a_simulation_without_its_record_is_an_error(sample):
    sample.metadata = {}
    score = Score(value=0.5, metadata={"excerpts": [{"excerpt": "top 2"}]})
    with pytest.raises(RecordError, match="holds no 'record'"):
        excerpts_of(sample, score)


def test_the_address_of_a_neuron_is_in_its_sample_only_where_there_is_one(neurons):
    (neuron,) = neurons.neurons
    assert "page" not in dataset(neurons)[0].metadata
    address = "https://www.neuronpedia.org/gpt2-small/6-res-jb/650"
    placed = replace(neuron.identity, page=address)
    known = NeuronSet(neurons.choice, (replace(neuron, identity=placed),), ())
    sample = logged(dataset(known)[0])
    assert sample.metadata["page"] == address
    assert neuron_result([sample]).page == address
    assert "page" not in json.loads(sample.metadata["record"])
