"""OpenAI's neuron files: from the container, a folder and an address, whole and broken."""

import json
from dataclasses import replace
from itertools import islice

import fsspec
import pytest
from blob_server import FAST, BlobServer, cut_quietly, page, status
from openai_layout import neuron, record_json, scoring, write_layout, write_record, write_results

from neuron_eval.records import NeuronRecord, RecordError, Reference
from neuron_eval.sources.base import NeuronKey, Source, SourceError, Unreadable
from neuron_eval.sources.openai.collated import is_collated, open_collated, open_container
from neuron_eval.sources.openai.records import parse_explanations, parse_record, parse_results

# Where neurons come from.


def test_the_container_has_its_published_shape_and_is_not_asked_for_it(server):
    for name, layers, neurons in (("gpt2-xl", 48, 6400), ("gpt2-small", 12, 3072)):
        keys = list(container(name).keys())
        assert len(keys) == layers * neurons
        assert keys[0] == key(0, 0, name)
        assert keys[-1] == key(layers - 1, neurons - 1, name)
    assert server.requests == []


def test_neurons_of_the_container_come_with_their_explanation_in_its_order(server):
    wanted = [key(5, 132), key(0, 3), key(5, 131)]
    found = list(container().read(wanted))
    assert found == [
        replace(neuron(*place), reference=explained(*place))
        for place in ((0, 3), (5, 131), (5, 132))
    ]
    assert len(server.requests) == 6
    assert list(container().read(wanted)) == found
    assert len(server.requests) == 6


def test_the_small_models_explanations_do_not_say_who_wrote_them(server):
    found = only(container("gpt2-small").read([key(0, 3, "gpt2-small")]))
    assert found.id == "gpt2-small/L0N3"
    assert found.reference == Reference(" words of 0 and 3", "released by OpenAI")


def test_the_cache_is_a_source_itself(server, tmp_path):
    wanted = [key(0, 3), key(5, 131)]
    found = list(container().read(wanted))
    kept = only((tmp_path / "cache").iterdir()) / "gpt2-xl"
    assert list(open_collated(str(kept)).read()) == found


def test_a_folder_is_listed_by_number_and_other_files_are_passed_over(tmp_path):
    root = write_layout(tmp_path / "data", [(10, 2), (2, 10), (2, 9)])
    for other in ("2/x.json", "2/007.json", "2/3.txt", "2/.4.json-1-1", "notes/1.json", "x.json"):
        (root / "collated-activations" / other).parent.mkdir(exist_ok=True)
        (root / "collated-activations" / other).write_text("{}")
    source: Source = open_collated(str(root))
    assert list(source.keys()) == [key(2, 9), key(2, 10), key(10, 2)]
    assert [n.id for n in source.read()] == ["gpt2-xl/L2N9", "gpt2-xl/L2N10", "gpt2-xl/L10N2"]


@pytest.mark.parametrize(
    ("folder", "model", "author"),
    [
        ("data", "gpt2-xl", "released by OpenAI (GPT-4)"),
        ("gpt2_small_data", "gpt2-small", "released by OpenAI"),
        ("llama3", "llama3", "published with the neuron"),
    ],
)
def test_the_folders_name_is_the_models(tmp_path, monkeypatch, folder, model, author):
    write_layout(tmp_path / folder, [(0, 1)])
    monkeypatch.chdir(tmp_path / folder)
    for path in (str(tmp_path / folder), f"{tmp_path / folder}/", "."):
        found = only(open_collated(path).read())
        assert (found.id, found.model) == (f"{model}/L0N1", model)
        assert found.reference.source == author


@pytest.mark.parametrize("address", ["memory://mirror/data", "memory://mirror/data/"])
def test_an_address_is_read_like_a_folder(tmp_path, address):
    root = write_layout(tmp_path / "data", [(0, 3), (11, 2)])
    files = fsspec.filesystem("memory")
    files.put(str(root), "/mirror/data", recursive=True)
    try:
        assert is_collated(address)
        source = open_collated(address)
        assert list(source.keys()) == [key(0, 3), key(11, 2)]
        assert list(source.read()) == list(open_collated(str(root)).read())
        assert [s.neuron for s in source.scores(source.keys())] == [3, 2]
        absent = only(source.read([key(4, 4)]))
        assert absent.missing
        assert "memory://mirror/data/collated-activations/4/4.json" in str(absent.error)
    finally:
        files.rm("/mirror", recursive=True)


# Places without the layout.


def test_a_folder_without_the_layout_says_what_was_looked_for(tmp_path):
    write_layout(tmp_path / "data", [(0, 1)])
    for path in (tmp_path, tmp_path / "data" / "explanations", tmp_path / "none"):
        assert not is_collated(str(path))
        with pytest.raises(
            SourceError, match=r"no collated-activations/LAYER/NEURON\.json"
        ) as error:
            open_collated(str(path))
        assert str(path) in str(error.value)


def test_unknown_models_and_addresses_name_what_there_is():
    with pytest.raises(SourceError, match=r"openai:gpt5: .* openai:gpt2-xl, openai:gpt2-small"):
        open_container("gpt5")
    with pytest.raises(SourceError, match="NEURON_EVAL_OPENAI_URL"):
        open_collated("https://example.org/data")
    assert not is_collated("https://example.org/data")
    for address in ("nonesuch://bucket/data", "memory://nothing/here"):
        with pytest.raises(SourceError, match=address):
            open_collated(address)


def test_a_store_that_fails_is_an_error_with_its_address(tmp_path, monkeypatch):
    files = fsspec.filesystem("memory")
    files.put(str(write_layout(tmp_path / "data", [(0, 3)])), "/broken/data", recursive=True)
    try:
        source = open_collated("memory://broken/data")

        def refuse(*_):
            raise RuntimeError("no credentials")

        monkeypatch.setattr(type(files), "cat_file", refuse)
        with pytest.raises(
            SourceError, match=r"memory://broken/data/.*RuntimeError: no credentials"
        ):
            list(source.read())
    finally:
        files.rm("/broken", recursive=True)


# One bad neuron among good ones.


def test_missing_neurons_are_named_and_marked_and_the_rest_comes(server):
    found = list(container().read([key(0, 3), key(0, 4), key(5, 131)]))
    assert [getattr(one, "id", None) for one in found] == ["gpt2-xl/L0N3", None, "gpt2-xl/L5N131"]
    assert (found[1].name, found[1].missing) == ("gpt2-xl/L0N4", True)
    assert f"{server.url}/data/collated-activations/0/4.json" in str(found[1].error)
    assert not server.asked("explanations/0/4")


@pytest.mark.parametrize("fault", [status(500), page, cut_quietly])
@pytest.mark.parametrize("part", ["collated-activations/5/131.json", "explanations/5/131.jsonl"])
def test_a_file_that_cannot_be_fetched_is_an_error_not_a_missing_neuron(server, part, fault):
    server.faults[f"/data/{part}"] = [fault]
    found = list(container().read([key(0, 3), key(5, 131), key(5, 132)]))
    assert [type(one) for one in found] == [NeuronRecord, Unreadable, NeuronRecord]
    assert (found[1].name, found[1].missing) == ("gpt2-xl/L5N131", False)
    assert f"/data/{part}" in str(found[1].error)


def test_a_neuron_without_explanations_has_no_reference(tmp_path):
    root = write_layout(tmp_path / "data", [(0, 1)], explained=False)
    write_record(root, neuron(0, 2))
    write_results(root, 0, 2, [])
    found = list(open_collated(str(root)).read())
    assert [(n.reference, n.other_explanations) for n in found] == [(None, ()), (None, ())]


def test_only_what_is_asked_for_is_read_and_strangers_are_ignored(server):
    strangers = [key(48, 0), key(0, 6400), key(-1, -1), NeuronKey("other/L0N3", 0, 3)]
    assert list(container().read(strangers)) == []
    assert server.requests == []
    assert [n.id for n in container().read([key(0, 3), key(0, 3)])] == ["gpt2-xl/L0N3"]


def test_no_connection_ends_the_reading(server, monkeypatch):
    monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"no connection.*NEURON_EVAL_OPENAI_URL names a mirror"):
        list(container().read([key(0, 3)]))


# Explanations and their scores.


def test_the_best_explanation_is_the_reference_and_the_others_are_kept(tmp_path):
    root = tmp_path / "data"
    write_record(root, neuron(0, 1))
    constant = [([1, 1, 1, 1], [0, 1, 2, 3])]
    texts = [("none", constant), ("low", scoring(0.2)), ("high", scoring(0.9)), (" ", scoring(1))]
    write_results(root, 0, 1, texts)
    source = open_collated(str(root))
    found = only(source.read())
    assert found.reference.explanation == "high"
    assert [other.explanation for other in found.other_explanations] == ["low", "none"]
    assert only(source.scores(source.keys())).score == pytest.approx(1)


def test_scores_come_in_the_order_asked_and_neurons_without_one_are_left_out(tmp_path):
    root = tmp_path / "data"
    for index, score in ((0, 0.1), (1, 0.7), (2, 0.4)):
        write_record(root, neuron(0, index))
        write_results(root, 0, index, [(f"neuron {index}", scoring(score))])
    write_record(root, neuron(0, 3))
    write_results(root, 0, 4, [("constant", [([1, 1], [0, 1])])])
    write_results(root, 0, 5, [])
    found = open_collated(str(root)).scores([key(0, i) for i in (5, 2, 4, 0, 3, 1, 7)])
    assert [(s.layer, s.neuron, s.explanation) for s in found] == [
        (0, 2, "neuron 2"),
        (0, 0, "neuron 0"),
        (0, 1, "neuron 1"),
    ]
    found = open_collated(str(root)).scores([key(0, 1)])
    assert only(found).score == pytest.approx(0.7, abs=1e-12)


def test_a_place_without_explanations_says_what_to_do(tmp_path):
    root = write_layout(tmp_path / "data", [(0, 1)], explained=False)
    with pytest.raises(SourceError, match="holds no published scores; name a CSV"):
        list(open_collated(str(root)).scores([key(0, 1)]))


def test_a_bad_explanation_file_ends_the_choosing(server):
    server.faults["/data/explanations/5/131.jsonl"] = [status(500)]
    found = container().scores([key(0, 3), key(5, 131), key(5, 132)])
    assert next(found).neuron == 3
    with pytest.raises(RecordError, match=r"explanations/5/131\.jsonl: the server answered 500"):
        next(found)


def test_choosing_by_scores_reads_no_activations_but_the_chosen_neurons(tmp_path, monkeypatch):
    served = tmp_path / "served"
    write_layout(served / "data", [(0, i) for i in range(30)])
    with BlobServer(served) as server:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url)
        source = container()
        scored = sorted(source.scores([key(0, i) for i in range(30)]), key=lambda s: -s.score)
        assert server.asked("collated-activations") == []
        assert len(server.asked("explanations")) == len(scored) == 30
        chosen = [key(s.layer, s.neuron) for s in scored[:2]]
        assert {n.neuron for n in source.read(chosen)} == {k.neuron for k in chosen}
        assert len(server.requests) == 32
        assert sorted(server.asked("collated-activations")) == sorted(
            f"/data/collated-activations/0/{k.neuron}.json" for k in chosen
        )


def test_scores_ask_for_little_more_than_is_taken(tmp_path, monkeypatch):
    served = tmp_path / "served"
    write_layout(served / "data", [(0, i) for i in range(20)])
    with BlobServer(served) as server:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url)
        source = container(in_flight=4)
        assert len(list(islice(source.scores(source.keys()), 3))) == 3
        assert len(server.requests) <= 3 + 4 - 1


# What the files may and may not hold.


def data(**changes):
    return {**record_json(neuron(0, 1)), **changes}


def parsed(value):
    return parse_record(json.dumps(value), "gpt2-xl", 0, 1, "1.json")


def test_a_record_is_read_as_it_was_written():
    assert parsed(data()) == neuron(0, 1)


@pytest.mark.parametrize("field", ["mean", "variance", "skewness", "kurtosis"])
def test_moments_and_samples_by_quantile_may_be_anything(field):
    assert parsed(data(**{field: None, "random_sample_by_quantile": None})) == neuron(0, 1)
    assert parsed({k: v for k, v in data().items() if k != field}) == neuron(0, 1)


def test_boundaries_may_be_null():
    assert parsed(data(quantile_boundaries=None)).quantile_boundaries == ()


def test_class_names_may_be_absent():
    def bare(value):
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k != "dataclass_name"}
        return [bare(v) for v in value] if isinstance(value, list) else value

    assert parsed(bare(data())) == neuron(0, 1)


def test_repeats_go_and_excerpts_are_sorted():
    value = data()
    top = value["most_positive_activation_records"]
    value["most_positive_activation_records"] = [*reversed(top), top[0]]
    value["random_sample"].append(top[1])
    assert parsed(value) == replace(neuron(0, 1), repeated=2)


def excerpt(**changes):
    return {"tokens": ["a", "b"], "activations": [1.0, 2.0], **changes}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"random_sample": [excerpt(activations=[1.0, None])]},
            "'random_sample', excerpt 0: activ"
            r"ation 1 is None \(NaN\?\)",
        ),
        ({"random_sample": [excerpt(activations=[1.0])]}, "2 tokens but 1 activations"),
        ({"random_sample": [excerpt(activations=[1.0, 10**400])]}, "too large"),
        ({"random_sample": [excerpt(tokens=[1, 2])]}, "token 0 is 1; expected a string"),
        ({"random_sample": [excerpt(tokens=[], activations=[])]}, "holds no tokens"),
        ({"random_sample": ["x"]}, "excerpt 0: is 'x'; expected an object"),
        ({"random_sample": None}, "field 'random_sample' is None; expected a list"),
        ({"most_positive_activation_records": {}}, "expected a list"),
        ({"quantile_boundaries": [0.1, None]}, "'quantile_boundaries': value 1 is None"),
        ({"quantile_boundaries": [0.2, 0.1]}, "must be ascending"),
        ({"dataclass_name": "NeuronSimulationResults"}, "expected 'NeuronRecord'"),
        ({"neuron_id": {"layer_index": 0, "neuron_index": 2}}, "neuron 2, but the file's name say"),
        ({"neuron_id": {"layer_index": "0", "neuron_index": 1}}, "'layer_index' is '0'"),
        ({"neuron_id": None}, "field 'neuron_id': is None"),
    ],
)
def test_what_is_wrong_with_a_record_is_said_with_its_place(changes, says):
    with pytest.raises(RecordError, match=says) as error:
        parsed(data(**changes))
    assert str(error.value).startswith("1.json: ")


def test_a_field_that_is_missing_is_named_beside_those_that_are_there():
    value = {k: v for k, v in data().items() if k != "random_sample"}
    with pytest.raises(
        RecordError, match=r"missing field 'random_sample'; its fields are .*'mean'"
    ):
        parsed(value)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[1]", b'{"a"', b"\xff\xfe\xfa", b"[" * 100_000, b"<html>"]
)
def test_what_is_no_record_at_all_is_an_error(tmp_path, content):
    path = write_record(tmp_path / "data", neuron(0, 1))
    write_record(tmp_path / "data", neuron(0, 2))
    path.write_bytes(content)
    bad, good = open_collated(str(tmp_path / "data")).read()
    assert isinstance(bad, Unreadable)
    assert not bad.missing
    assert str(bad.error).startswith(str(path))
    assert good == neuron(0, 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(scored_explanations=None), "'scored_explanations' is None"),
        (lambda d: d.update(dataclass_name="NeuronRecord"), "expected 'NeuronSimulationResults'"),
        (lambda d: d["neuron_id"].update(neuron_index=2), "neuron 2, but the file's name says"),
        (lambda d: d["scored_explanations"][0].update(explanation=1), "'explanation' is 1"),
        (lambda d: d["scored_explanations"][0].pop("scored_simulation"), "'scored_simulation'"),
        (
            lambda d: d["scored_explanations"][0]["scored_simulation"].update(
                ev_correlation_score="0.5"
            ),
            "'ev_correlation_score' is '0.5'; expected a number",
        ),
    ],
)
def test_what_is_wrong_with_an_explanation_file_is_said_with_its_line(tmp_path, change, says):
    path = write_results(tmp_path, 0, 1, [("text", 1)])
    value = json.loads(path.read_text())
    change(value)
    content = b"\n" + json.dumps(value).encode()
    with pytest.raises(RecordError, match=says) as error:
        parse_explanations(content, 0, 1, "1.jsonl")
    assert str(error.value).startswith("1.jsonl, line 2")


def test_simulations_are_read_only_if_they_are_asked_for(tmp_path):
    line = write_results(tmp_path, 0, 1, [("text", 2)]).read_bytes()
    assert parse_results(line, "x").explanations[0].sequences == ()
    assert len(parse_results(line, "x", simulations=True).explanations[0].sequences) == 2


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def server(tmp_path, monkeypatch):
    served = tmp_path / "served"
    write_layout(served / "data", [(0, 3), (5, 131), (5, 132)])
    write_layout(served / "gpt2_small_data", [(0, 3)])
    with BlobServer(served) as running:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", running.url)
        yield running


def key(layer, index, model="gpt2-xl"):
    return NeuronKey(f"{model}/L{layer}N{index}", layer, index)


def container(name="gpt2-xl", **changes):
    return open_container(name, replace(FAST, **changes))


def only(found):
    (one,) = found
    return one


def explained(layer, index):
    return Reference(f" words of {layer} and {index}", "released by OpenAI (GPT-4)")
