"""Ids that Inspect could not keep are refused where they are read, whatever they come from."""

import json
import unicodedata
import zipfile

import pytest
from click.testing import CliRunner
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log, read_eval_log_sample
from neuronpedia_files import activation

from neuron_eval.cli.main import main
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import TableError
from neuron_eval.records.checks import LONGEST, fault_of, named
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.base import Unreadable
from neuron_eval.testing import make_neuron

UNFIT = {
    "": "is blank",
    " ": "is blank",
    "a ": "begins or ends with a blank",
    "\u3000a": "begins or ends with a blank",
    "a\x00b": "holds the control character U+0000",
    "a\nb": "holds the control character U+000A",
    "a\x7f": "holds the control character U+007F",
    "a\x9bb": "holds the control character U+009B",
    "a\u2028b": "holds the line separator U+2028",
    "a\ud800": "holds half of a surrogate pair, U+D800",
    "../a": "has a part",
    "a/../../b": "has a part",
    "a/..": "has a part",
    "a/./b": "has a part",
    "/etc/a": "has a part",
    "a//b": "has a part",
    "a/": "has a part",
    "a\\b": "holds a backslash",
    "é" * 101: "is 202 bytes long as UTF-8, more than 200",
}

FIT = ("gpt2-xl/L5N131", "a b", "..a", "a..b/c", "日本", "a?b#c%20:d*", "x" * LONGEST, "e\u0301")


@pytest.mark.parametrize(("id_", "fault"), UNFIT.items())
def test_what_cannot_be_an_id_is_told(id_, fault):
    assert fault_of(id_).startswith(fault)
    assert len(named(id_)) <= LONGEST + 1
    assert "\x00" not in named(id_)
    named(id_).encode()


@pytest.mark.parametrize("id_", FIT)
def test_what_can_be_an_id_is_kept(id_):
    assert fault_of(id_) == ""
    assert named(id_) == id_


def unreadable(path):
    (found,) = [n for n in open_source(str(path)).read() if isinstance(n, Unreadable)]
    return str(found.error)


@pytest.mark.parametrize("id_", [id_ for id_ in UNFIT if id_.strip()])
def test_every_source_refuses_it_with_its_place(tmp_path, id_):
    data = {**schema.to_json(make_neuron()), "id": id_}
    (tmp_path / "n.jsonl").write_text("\n\n" + json.dumps(data))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "n.jsonl").write_text(json.dumps(data))
    puzzle = {"name": id_, "explanation": "e", "sentences": [["a"]], "false_explanations": []}
    (tmp_path / "p.json").write_text(json.dumps({id_: puzzle}))
    feature = {"modelId": id_, "layer": "6-res", "index": "5", "activations": [activation(5, 3)]}
    (tmp_path / "f.json").write_text(json.dumps(feature))
    for path, place in (
        (tmp_path / "n.jsonl", ", line 3"),
        (tmp_path / "folder", "/n.jsonl, line 1"),
    ):
        message = unreadable(path)
        assert message.startswith(f"{path}{place}: neuron ")
        assert f"field 'id' is {id_!r:.100}" in message
        assert UNFIT[id_] in message
    # What stands before or after the name makes some of them sound, and others longer.
    if fault_of(f"puzzles/{id_}"):
        assert "field 'id' is 'puzzles/" in unreadable(f"puzzles:{tmp_path / 'p.json'}")
    if fault_of(f"{id_}/6-res/5"):
        assert f"{tmp_path / 'f.json'}: field 'id' is" in unreadable(tmp_path / "f.json")


@pytest.mark.parametrize("id_", [id_ for id_ in UNFIT if id_.strip() and "\ud800" not in id_])
def test_parquet_refuses_it_with_its_row(tmp_path, id_):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [schema.to_json(make_neuron()), {**schema.to_json(make_neuron()), "id": id_}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "n.parquet")
    message = unreadable(tmp_path / "n.parquet")
    assert message.startswith(f"{tmp_path / 'n.parquet'}, row 1: neuron ")
    assert UNFIT[id_] in message


@pytest.mark.parametrize("id_", [id_ for id_ in UNFIT if id_.strip()])
def test_a_table_of_explanations_refuses_it_with_its_line(tmp_path, id_):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"id": "a", "A": "x"}) + "\n" + json.dumps({"id": id_, "A": "y"}))
    with pytest.raises(TableError) as error:
        read_table(str(path))
    assert str(error.value).startswith(f"{path}, line 2: field 'id' is {id_!r:.100}")
    assert f"but it {UNFIT[id_]}" in str(error.value)


def test_validate_finds_it(tmp_path):
    path = tmp_path / "n.jsonl"
    bad = [{**schema.to_json(make_neuron()), "id": id_} for id_ in ("a\x00b", "../a")]
    path.write_text("\n".join(map(json.dumps, bad)))
    done = CliRunner().invoke(main, ["validate", str(path)])
    assert done.exit_code == 1
    assert "line 1: neuron a·b: field 'id' is 'a\\x00b'" in done.output
    assert "line 2: neuron ../a: field 'id' is '../a'" in done.output
    assert "2 neurons, 2 bad" in done.output


@pytest.mark.parametrize("name", ["..", "a\x00b", "/tmp/m", "a//b", "m" * 190])
def test_a_recording_whose_neurons_nobody_could_read_does_not_begin(tmp_path, name):
    text = tmp_path / "text.txt"
    text.write_text("text")
    done = CliRunner().invoke(
        main,
        [
            *("record", "no-such-model", "--out", str(tmp_path / "o.jsonl"), "--text", str(text)),
            *("--neurons", "L0N0", "--name", name),
        ],
    )
    assert done.exit_code == 1
    assert f"Error: a model of the name {name!r:.100}" in done.output
    assert "give a --name such as gpt2-xl" in done.output


def test_ids_that_differ_in_case_or_form_alone_are_two_samples_of_a_log(tmp_path):
    composed = "caf\u00e9"
    ids = ["m/a", "m/A", composed, unicodedata.normalize("NFD", composed), *FIT[:-1]]
    samples = [Sample(id=id_, input=f"input {i}") for i, id_ in enumerate(ids)]
    (done,) = eval(Task(dataset=MemoryDataset(samples)), model="mockllm/model")
    read = {sample.id: sample.input for sample in read_eval_log(done.location).samples}
    assert read == {sample.id: sample.input for sample in samples}
    for sample in samples:
        assert read_eval_log_sample(done.location, sample.id).input == sample.input
    with zipfile.ZipFile(done.location) as log:
        members = [name for name in log.namelist() if name.startswith("samples/")]
    assert sorted(members) == sorted(f"samples/{id_}_epoch_1.json" for id_ in ids)
