"""OpenAI's neuron records wherever they stand: they are recognised by what is in them."""

import json
import shutil

import fsspec
import pytest
from click.testing import CliRunner
from openai_layout import neuron, record_json, write_layout

from neuron_eval.cli.convert import convert
from neuron_eval.cli.validate import validate
from neuron_eval.records import RecordError
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey, SourceError

PLACES = [(0, 1), (1, 2)]


@pytest.fixture
def layout(tmp_path):
    return write_layout(tmp_path / "gpt", PLACES)


def ids(path):
    source = open_source(str(path))
    found = [one.id for one in source.read()]
    assert [key.id for key in source.keys()] == found  # noqa: SIM118
    return found


def content(record):
    """The record without what the folder's name and the explanations tell of it."""
    return (record.layer, record.neuron, record.top, record.random, record.quantile_boundaries)


def test_a_single_file_is_read_whatever_it_is_called(layout, tmp_path):
    place = tmp_path / "Downloads"
    place.mkdir()
    for name in ("neuron.json", "5.json", "record", "131.txt"):
        path = str(place / name)
        shutil.copy(layout / "collated-activations" / "0" / "1.json", path)
        (found,) = open_source(path).read()
        assert content(found) == content(neuron(0, 1))
        assert (found.id, found.reference) == ("Downloads/L0N1", None)
        assert list(open_source(path).keys()) == [NeuronKey("Downloads/L0N1", 0, 1)]


def test_a_file_in_the_layout_is_the_neuron_that_the_layout_gives(layout):
    whole = {one.id: one for one in open_source(str(layout)).read()}
    (found,) = open_source(str(layout / "collated-activations" / "1" / "2.json")).read()
    assert found == whole["gpt/L1N2"]
    assert found.reference.explanation == " words of 1 and 2"


def test_the_folder_collated_activations_is_what_it_is_in(layout, monkeypatch):
    whole = list(open_source(str(layout)).read())
    assert list(open_source(str(layout / "collated-activations")).read()) == whole
    monkeypatch.chdir(layout / "collated-activations")
    assert list(open_source(".").read()) == whole


def test_a_folder_of_another_name_over_layers_and_neurons_is_read(layout, tmp_path):
    shutil.copytree(layout / "collated-activations", tmp_path / "mine")
    assert ids(tmp_path / "mine") == ["mine/L0N1", "mine/L1N2"]
    assert ids(tmp_path / "mine" / "1") == ["mine/L1N2"]


def test_explanations_stand_beside_a_folder_of_another_name(layout):
    (layout / "collated-activations").rename(layout / "records")
    found = list(open_source(str(layout)).read())
    assert [one.id for one in found] == ["gpt/L0N1", "gpt/L1N2"]
    assert [one.reference.explanation for one in found] == [
        " words of 0 and 1",
        " words of 1 and 2",
    ]


def test_files_of_any_names_in_one_folder_are_read(tmp_path):
    place = tmp_path / "flat"
    place.mkdir()
    for name, at in (("n10", (4, 10)), ("n9", (4, 9))):
        (place / f"{name}.json").write_text(json.dumps(record_json(neuron(*at))))
    (place / "config.json").write_text('{"model": "x"}')
    assert ids(place) == ["flat/L4N9", "flat/L4N10"]


def test_two_folders_of_records_are_not_mixed(layout):
    (layout / "collated-activations").rename(layout / "a")
    shutil.copytree(layout / "a", layout / "b")
    with pytest.raises(SourceError, match=r"'a', 'b' hold OpenAI's records; name one of them"):
        open_source(str(layout))


def test_an_address_of_another_name_is_read(layout):
    files = fsspec.filesystem("memory")
    try:
        files.put(str(layout / "collated-activations"), "/anywhere/gpt/records", recursive=True)
        files.put(str(layout / "collated-activations"), "/anywhere/gpt/collated-activations",
                  recursive=True)  # fmt: skip
        assert ids("memory://anywhere/gpt/records") == ["records/L0N1", "records/L1N2"]
        assert ids("memory://anywhere/gpt/collated-activations") == ["gpt/L0N1", "gpt/L1N2"]
    finally:
        files.rm("/anywhere", recursive=True)


def test_numbered_files_of_something_else_are_no_records(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "1.json").write_text('{"examples_quantiles": [], "index": 1}')
    with pytest.raises(SourceError, match="holds no file ending in"):
        list(open_source(str(tmp_path)).read())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron_id": {"layer_index": 0}}, "field 'neuron_index' is None; expected a whole numb"),
        ({"random_sample": 5}, "field 'random_sample' is 5; expected a list"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, change, message):
    path = tmp_path / "n.json"
    path.write_text(json.dumps({**record_json(neuron(0, 1)), **change}))
    (bad,) = open_source(str(path)).read()
    assert message in str(bad.error)
    assert str(bad.error).startswith(str(path))


def test_a_file_that_was_cut_off_is_bad(tmp_path):
    path = tmp_path / "n.json"
    path.write_text(json.dumps(record_json(neuron(0, 1)))[:-5])
    (bad,) = open_source(str(path)).read()
    assert "not valid JSON, perhaps cut off" in str(bad.error)
    with pytest.raises(RecordError, match="cut off"):
        list(open_source(str(path)).keys())


def test_the_commands_take_a_single_file(layout, tmp_path):
    path = str(layout / "collated-activations" / "0" / "1.json")
    assert CliRunner().invoke(validate, [path]).output.startswith("1 neuron, 0 bad")
    out = tmp_path / "n.jsonl"
    assert CliRunner().invoke(convert, [path, str(out)]).exit_code == 0
    assert ids(out) == ["gpt/L0N1"]
