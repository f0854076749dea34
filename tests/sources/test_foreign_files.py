"""Files of other projects: those that are read, and what is said of those that are not."""

import gzip
import io
import json
import pickle
import re
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from neuronpedia_files import activation, explanation, feature, write_lines
from openai_layout import neuron as openai_neuron
from openai_layout import record_json, results_json

from neuron_eval.cli.convert import convert
from neuron_eval.cli.validate import validate
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import TableError
from neuron_eval.records import RecordError
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.base import SourceError, Unreadable
from neuron_eval.sources.loading import ScoreFile
from neuron_eval.sources.resembling import FORMS
from neuron_eval.testing import make_neuron

PAGES = Path(__file__).parents[2] / "docs" / "sources"


def zipped(*members):
    """The bytes of a zip archive that has these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(member), "{}")
    return content.getvalue()


def problem(path):
    """What `neuron-eval validate` prints, on one line; it ends with 1."""
    result = CliRunner().invoke(validate, [str(path)])
    assert result.exit_code == 1
    return " ".join(result.output.split())


# Files that are read.


@pytest.mark.parametrize("name", ["features.jsonl", "features.jsonl.gz"])
def test_lines_of_neuronpedia_features_are_read(tmp_path, name):
    path = str(write_lines(tmp_path / name, [feature(), feature(651)]))
    neurons = list(open_source(path).read())
    assert [n.id for n in neurons] == ["gpt2-small/6-res-jb/650", "gpt2-small/6-res-jb/651"]
    assert [len(n.top) for n in neurons] == [30, 30]
    assert neurons[0].reference.explanation == "cats"
    out = str(tmp_path / "own.jsonl")
    assert CliRunner().invoke(convert, [path, out]).exit_code == 0
    assert list(open_source(out).read()) == neurons


def test_a_line_that_is_bad_does_not_stop_the_others(tmp_path):
    path = write_lines(tmp_path / "f.jsonl", [feature(), feature(651)])
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{second[:-9]}\n{second}\n")
    one, bad, other = open_source(str(path)).read()
    assert (one.neuron, other.neuron) == (650, 651)
    assert isinstance(bad, Unreadable)
    assert "f.jsonl, line 2: not valid JSON, or cut off" in str(bad.error)
    with pytest.raises(RecordError, match=r"line 2: not valid JSON"):
        list(open_source(str(path)).keys())


def test_lines_of_neuronpedia_activations_are_read(tmp_path):
    rows = [activation(650, peak) for peak in (3, 4)] + [activation(7, 1)]
    neurons = list(open_source(str(write_lines(tmp_path / "a.jsonl", rows))).read())
    assert [(n.neuron, len(n.top)) for n in neurons] == [(650, 2), (7, 1)]


def test_a_folder_may_hold_own_files_and_those_of_others(tmp_path):
    schema.write(tmp_path / "own.jsonl", [make_neuron("m/L0N0")])
    write_lines(tmp_path / "features.jsonl", [feature()])
    (tmp_path / "one.json").write_text(json.dumps(feature(651)))
    (tmp_path / "notes.json").write_text("{}")
    assert [n.id for n in open_source(str(tmp_path)).read()] == [
        "gpt2-small/6-res-jb/650",
        "m/L0N0",
        "gpt2-small/6-res-jb/651",
    ]


# Files that are not: what they are, what is missing, and what to do.

VIEWER = {"index": 1, "examples_quantiles": [{"examples": [{"tokens_acts_list": [1]}]}]}
OWN = {"id": "m/L0N0", "model": "m", "layer": 0, "neuron": 0, "top": []}
DELPHI = [{"str_tokens": ["a"], "prediction": True, "correct": True, "distance": 1}]
PUZZLES = {"cats": {"name": "cats", "sentences": [], "false_explanations": []}}
EXPORTED = {"modelId": "m", "layer": "0-s", "index": "1", "frac_nonzero": 0.1}
RESULTS = results_json(0, 1, [("cats", 1)])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"layer;neuron;Summary\n0;1;x\n", ("table with the columns 'layer', 'neuron'",)),
        ("a.tsv", b"layer\tneuron\n0\t1\n", ("table with the columns 'layer', 'neuron'", "given")),
        ("a.csv", "layer,neuron\n".encode("utf-16"), ("a text in UTF-16", "iconv -f UTF-16 -t")),
        ("a.jsonl", '{"id": 1}\n'.encode("utf-16"), ("a text in UTF-16", "iconv -f UTF-16 -t")),
        ("a.jsonl", '{"id": 1}\n'.encode("utf-16-le"), ("UTF-16LE", "iconv -f UTF-16LE -t")),
        ("a.json", '{"id": 1}\n'.encode("utf-32"), ("a text in UTF-32", "iconv -f UTF-32")),
        ("m.pt", zipped("m/data.pkl"), ("what torch.save writes", "write its neurons as JSON L")),
        ("m.pkl", pickle.dumps([1]), ("a pickle, which could run any program", "JSON Lines")),
        ("m.npz", zipped("a.npy"), ("NumPy arrays",)),
        ("v.html", b"\n<!DOCTYPE html>\n<html>", ("a page for a browser", "batch-N.json")),
        ("l.eval", zipped("_journal/start.json"), ("a log of Inspect", "neuron-eval report")),
        ("n.zip", zipped("n.jsonl"), ("a zip archive; unpack it (unzip)",)),
        ("n.jsonl", zipped("n.jsonl"), ("a zip archive; unpack it (unzip)",)),
        ("n.xlsx", zipped("xl/workbook.xml"), ("a workbook of Excel; save its sheet as CSV",)),
        ("n.json.gz", gzip.compress(b"{}", mtime=0), ("packed by gzip", "gzip -d")),
        ("n.arrow", b"\xff\xff\xff\xff\x10", ("a stream of Arrow", "to_parquet(FILE.parquet)")),
        ("n", b"PAR1", ("a Parquet file; give it a name that ends in .parquet",)),
        ("0_9.safetensors", b"\x20" + bytes(7) + b'{"a":1}', ("tensors", "folder that holds it")),
        ("n.json", VIEWER, ("circuit-tracer", "has no 'quantile_name'", "'top'", "'random'")),
        ("n.json", OWN, ("this project's schema but has no 'random'", "jq -c . FILE")),
        ("n.json", DELPHI, ("delphi's scores but has no 'ground_truth'", "START_END.safetensors")),
        ("n.json", PUZZLES, ("neuron puzzles but has no 'explanation'", "puzzles:FILE.json")),
        ("n.json", {"eval": {}, "plan": {}, "samples": []}, ("a log of Inspect", "neuron-eval r")),
        ("n.json", {"modelId": "m", "index": "1"}, ("Neuronpedia feature but has no 'layer'",)),
        (
            "n.jsonl",
            EXPORTED,
            ("Neuronpedia feature but has no 'activations'", "of an export name"),
        ),
        ("n.jsonl", RESULTS, ("OpenAI's explanations", "neuron-eval check-released")),
        (
            "n.jsonl",
            explanation(1, "x"),
            ("missing field(s)", "a Neuronpedia explanation"),
        ),
        ("n.jsonl", record_json(openai_neuron(0, 1)), ("OpenAI's neuron record", "LAYER/NEURON")),
        ("n.jsonl", {"text": "a"}, ("missing field(s) 'id'", "no known format (its fields: text)")),
        ("n.json", {"text": "a"}, ("no known format (its fields: text)", "a Neuronpedia feature")),
        ("n.json", EXPORTED | {"activations": None}, ("expected a list; of an export", "folder")),
        ("n.parquet", OWN, ("this project's schema but has no 'random'", "ends in .jsonl")),
        ("n.jsonl", b"layer,neuron\n0,1\n", ("table with the columns 'layer', 'neuron'", "given")),
        ("n.txt", b"cats\n", ("neither JSON nor any other format", "expected one of smollm2")),
        ("n.json", b"", ("is empty",)),
        ("n.json", b'{"modelId":"m","layer":"0","index":"1"}\n{}', ("line ends in .jsonl",)),
    ],
)
def test_a_file_that_is_not_read_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    message = problem(path)
    assert str(path) in message
    assert [word for word in words if word not in message] == []


def delphi_results(root):
    (root / "explanations").mkdir()
    (root / "explanations" / "layers.6.mlp_latent12.txt").write_text('"cats"')
    (root / "scores" / "fuzz").mkdir(parents=True)
    (root / "scores" / "fuzz" / "layers.6.mlp_latent12.txt").write_text(json.dumps(DELPHI))


def data_set(root):
    (root / "dataset_info.json").write_text("{}")
    (root / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xff")


def cloned(root):
    (root / "data").mkdir()
    (root / "data" / "train.parquet").write_bytes(b"PAR1")


def pictures(root):
    (root / "a.html").write_text("<html>")
    (root / "b.html").write_text("<html>")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (delphi_results, ("explanations or scores by delphi", "START_END.safetensors", "given")),
        (data_set, ("Hugging Face's datasets saved", "load_from_disk(", "to_parquet(")),
        (cloned, ("has train.parquet in data; name the folder",)),
        (pictures, ("holds a.html and 1 more, which is a page for a browser",)),
        (lambda root: None, ("holds no files",)),
    ],
)
def test_a_folder_that_is_not_read_is_named(tmp_path, fill, words):
    root = tmp_path / "it"
    root.mkdir()
    fill(root)
    message = problem(root)
    assert "holds no file ending in .jsonl, .jsonl.gz, .parquet" in message
    assert [word for word in words if word not in message] == []


def test_delphis_explanations_alone_are_named_too(tmp_path):
    delphi_results(tmp_path)
    assert "explanations or scores by delphi" in problem(tmp_path / "explanations")


# Tables.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"layer;neuron;A\n0;1;a, b\n", "it has semicolons between its columns; save it with com"),
        (b"layer\tneuron\tA\n0\t1\ta, b\n", "it has tabs between its columns; save it with comma"),
        ("layer,neuron,A\n".encode("utf-16"), "it is a text in UTF-16; save it in the encoding"),
        ("layer,neuron,A\n".encode("utf-16-le"), "it is a text in UTF-16; save it in the encodi"),
        (zipped("xl/workbook.xml") + b"\xff", "it is a workbook of Excel; save its sheet as CSV"),
    ],
)
def test_a_table_in_another_form_is_named(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    for read, error in ((read_table, TableError), (ScoreFile, (SourceError, RecordError))):
        with pytest.raises(error, match=re.escape(message)) as raised:
            read(str(path))
        assert str(raised.value).startswith(str(path))


def test_a_table_that_ends_otherwise_is_named(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(zipped("xl/workbook.xml"))
    with pytest.raises(TableError, match=r"ends in \.csv.*; it is a workbook of Excel; save its"):
        read_table(str(path))


# Activations that no scale holds.


@pytest.mark.parametrize("value", [1.8e307, -1.8e307, sys.float_info.max])
def test_an_activation_that_overflows_when_scaled_is_refused(tmp_path, value):
    data = {**schema.to_json(make_neuron("m/L0N1")), "random": []}
    data["top"] = [{"tokens": ["a", "b"], "activations": [1.0, value]}]
    (tmp_path / "n.jsonl").write_text(json.dumps(data))
    record = {**record_json(openai_neuron(0, 1)), "most_positive_activation_records": data["top"]}
    (tmp_path / "r.json").write_text(json.dumps(record))
    for name in ("n.jsonl", "r.json"):
        (bad,) = open_source(str(tmp_path / name)).read()
        assert "excerpt top 0: field 'activations': value 1 is " in str(bad.error)
        assert "activations must be finite when they are scaled to 0 to 10" in str(bad.error)


def test_many_large_activations_are_read(tmp_path):
    data = schema.to_json(make_neuron("m/L0N1"))
    data["top"] = [{"tokens": ["a", "b"] * 10, "activations": [1.7e307, -1.7e307] * 10}]
    (tmp_path / "n.jsonl").write_text(json.dumps(data))
    (neuron,) = open_source(str(tmp_path / "n.jsonl")).read()
    assert neuron.top[0].peak == 1.7e307


# The documentation.


def test_the_pages_name_every_format_that_a_message_may_name():
    texts = (page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    pages = " ".join(" ".join(texts).split())
    assert [form.name for form in FORMS if form.name not in pages] == []
