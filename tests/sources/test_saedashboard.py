"""SAEDashboard's output for Neuronpedia: batches of features, in snake case."""

import json
import re

import pytest
from click.testing import CliRunner

from neuron_eval.cli.convert import convert
from neuron_eval.cli.validate import validate
from neuron_eval.records import ActivationRecord, RecordError
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable


def feature(index=650, activations=(), **more):
    """A feature with the fields that are no part of a neuron too."""
    return {
        "feature_index": index,
        "neuron_alignment_indices": [1],
        "neg_str": [" no"],
        "neg_values": [-1.0],
        "pos_str": [" yes"],
        "pos_values": [1.0],
        "frac_nonzero": 0.002,
        "freq_hist_data_bar_heights": [3],
        "n_prompts_total": 24576,
        "dataset": "corpus",
        "activations": activations,
        "vector": [],
        **more,
    }


def batch(*features, **more):
    return {
        "model_id": "gpt2-small",
        "layer": 6,
        "sae_set": "res-jb",
        "sae_id_suffix": None,
        "features": list(features),
        **more,
    }


def test_the_smallest_batch_is_read(tmp_path):
    source = open_source(write(tmp_path, MINIMAL))
    (neuron,) = source.read()
    assert list(source.keys()) == [NeuronKey("m/0-s/0", 0, 0)]
    assert (neuron.id, neuron.model, neuron.layer, neuron.neuron) == ("m/0-s/0", "m", 0, 0)
    assert neuron.top == (ActivationRecord((" a",), (1.0,)),)
    assert (neuron.random, neuron.reference) == ((), None)
    assert neuron.page == ""  # anyone can make one, and need not publish it


def test_a_feature_has_the_id_that_neuronpedia_gives_it(tmp_path):
    path = write(tmp_path, batch(feature(), sae_id_suffix="16k"))
    assert [key.id for key in open_source(path).keys()] == ["gpt2-small/6-res-jb__16k/650"]  # noqa: SIM118
    path = write(tmp_path, batch(feature(7), sae_set="", layer=31))
    assert list(open_source(path).keys()) == [NeuronKey("gpt2-small/31/7", 31, 7)]


def test_what_is_sampled_from_the_bins_stands_for_random_excerpts(tmp_path):
    top = [activation(peak, -1) for peak in (9.5, 9, 8, 7)]
    others = [activation(1, 0.4, 0.5, 1.5), activation(2, 0.25, 1.5, 2.5), activation(0.5, 0)]
    (neuron,) = open_source(write(tmp_path, batch(feature(650, others + top)))).read()
    assert [record.peak for record in neuron.top] == [9.5, 9, 8, 7]
    assert {record.peak for record in neuron.random} == {0.5, 1, 2}
    assert neuron.top[0].tokens == (" w9.5", " cat")


def test_a_folder_of_batches_is_read_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 0):
        write(tmp_path, batch(feature(number, [activation(1, -1)])), f"batch-{number}.json")
    write(tmp_path, {"sae_set": "res-jb", "n_prompts_total": 1}, "run_settings.json")
    write(tmp_path, {"skipped_indexes": [5]}, "skipped_indexes.json")
    source = open_source(str(tmp_path))
    assert [neuron.neuron for neuron in source.read()] == [0, 2, 10]
    keys = list(source.keys())
    assert [neuron.id for neuron in source.read(keys[1:2])] == ["gpt2-small/6-res-jb/2"]


def test_a_feature_that_stands_in_two_batches_is_bad(tmp_path):
    for name in ("batch-0.json", "batch-1.json"):
        write(tmp_path, batch(feature(3, [activation(1, -1)])), name)
    _, bad = open_source(str(tmp_path)).read()
    assert "neuron gpt2-small/6-res-jb/3: stands in" in str(bad.error)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (batch(feature("")), "feature 0: field 'feature_index' is ''; expected a string"),
        (batch(feature(), model_id=""), "feature 0: field 'model_id' is ''; expected a string"),
        (batch(feature(), sae_set=[1]), r"feature 0: field 'sae_set' is \[1\]; expected a string"),
        (batch(feature(), layer=None), "feature 0: field 'layer' is None; expected a string"),
        (batch(5), "feature 0: expected a JSON object, got int"),
        (batch(feature(activations=[{"tokens": ["a"]}])), "activation 0: neuron .*'values'"),
        (batch(feature(activations=5)), "field 'activations' is 5; expected a list"),
        (
            batch(feature(activations=[{"tokens": ["a"], "values": [float("nan")]}])),
            "excerpt top 0: field 'activations': value 0 is nan; activations must be finite",
        ),
    ],
)
def test_what_is_wrong_names_feature_field_and_value(tmp_path, data, message):
    path = write(tmp_path, data)
    assert re.search(message, error(path))
    assert error(path).startswith(path)


def test_a_batch_without_a_list_of_features_is_refused(tmp_path):
    path = write(tmp_path, {**batch(), "features": 5})
    with pytest.raises(RecordError, match=r"batch-0.json: field 'features' is 5; expected a list"):
        list(open_source(path).read())


def test_a_batch_that_was_cut_off_is_refused(tmp_path):
    path = write(tmp_path, MINIMAL[:-20])
    with pytest.raises(SourceError, match=r"batch-0.json: not valid JSON, or cut off"):
        list(open_source(path).read())


def test_the_commands_take_a_batch(tmp_path):
    path = write(tmp_path, MINIMAL)
    valid = CliRunner().invoke(validate, [path])
    assert (valid.exit_code, valid.output.splitlines()[0]) == (0, "1 neuron, 0 bad")
    out = tmp_path / "n.jsonl"
    assert CliRunner().invoke(convert, [path, str(out)]).exit_code == 0
    assert list(open_source(str(out)).read()) == list(open_source(path).read())


MINIMAL = (
    '{"model_id":"m","layer":0,"sae_set":"s","features":[{"feature_index":0,'
    '"activations":[{"tokens":[" a"],"values":[1],"bin_contains":-1}]}]}'
)


def activation(peak, share, low=-1, high=9.5):
    """One activation with all that SAEDashboard writes of it; the share of -1 is the top's."""
    return {
        "bin_min": low,
        "bin_max": high,
        "bin_contains": share,
        "tokens": [f"Ġw{peak}", "Ġcat"],
        "values": [0.0, peak],
        "qualifying_token_index": 1,
    }


def write(place, data, name="batch-0.json"):
    path = place / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


def error(path):
    (bad,) = open_source(path).read()
    assert isinstance(bad, Unreadable)
    return str(bad.error)
