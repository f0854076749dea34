"""Every parser of files, as a function of the file's bytes, for tests that try any bytes.

Each reads all that the file gives, and raises one of `OWN` where it cannot be read. Other tests,
and fuzzers, take `PARSERS`; nothing here needs pytest.
"""

import gzip
import json
import tempfile
from pathlib import Path

from neuron_eval.files.bounded import load_yaml
from neuron_eval.given.reading import adacs_dataset, read_table
from neuron_eval.given.released import check_files
from neuron_eval.given.table import TableError
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.recording import RecordingError
from neuron_eval.recording.select import parse_layers, parse_neurons
from neuron_eval.records import RecordError
from neuron_eval.sources import open_source
from neuron_eval.sources.base import SourceError, Unreadable
from neuron_eval.sources.choosing import parse_ranges
from neuron_eval.sources.delphi import hookpoints
from neuron_eval.sources.delphi.files import TokenizerVocabulary
from neuron_eval.sources.loading import ScoreFile
from neuron_eval.sources.neuronpedia import is_neuronpedia, open_neuronpedia
from neuron_eval.sources.openai.records import parse_explanations, parse_record
from neuron_eval.sources.opening import Location
from neuron_eval.sources.puzzles import PuzzleSource

OWN = (RecordError, SourceError, TableError, PackError, RecordingError)
"""The errors of files that cannot be read."""


def _in_folder(name, read):
    """A parser that takes a path, as one of bytes; the path has this name in an empty folder."""

    def parse(content):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return read(path)

    return parse


def _source(open_, scores=False):
    """Lists and reads every neuron; a bad one raises its error after the others were read."""

    def read(path):
        source = open_(str(path))
        keys = list(source.keys())
        found = list(source.read())
        for neuron in found:
            if isinstance(neuron, Unreadable):
                raise neuron.error
        if scores:
            list(source.scores(keys))
        return found

    return read


def _neuronpedia(path):
    if not is_neuronpedia(Location(str(path))):
        raise SourceError("not looked at further")
    return _source(open_neuronpedia)(path)


def _neuronpedia_explanations(path):
    activations = path.parent.parent / "activations" / "batch-0.jsonl"
    activations.parent.mkdir()
    row = {"modelId": "m", "layer": "0-x", "index": "1", "tokens": ["a"], "values": [1]}
    activations.write_text(json.dumps(row))
    return _source(open_neuronpedia, scores=True)(path.parent.parent)


def _delphi_config(path):
    (path.parent / "0_9.safetensors").touch()
    return hookpoints(path.parent)


def _table(path):
    table = read_table(str(path))
    for column in table.columns:
        table.column(column)
    return adacs_dataset(table, str(path)) if len(table.columns) == 1 else table


def _results(content):
    try:
        parse_explanations(content, 0, 1, "file")
    finally:
        tally = check_files([("file", content)])
    return tally


def _ranges(content):
    try:
        return parse_ranges("layers", content.decode("utf-8", "replace"))
    except ValueError as error:
        raise SourceError(str(error)) from error


def _yaml(content):
    try:
        return load_yaml(content)
    except ValueError as error:
        raise SourceError(str(error)) from error


PARSERS = [
    ("records.jsonl", _in_folder("n.jsonl", _source(open_source))),
    ("records.jsonl.gz", _in_folder("n.jsonl.gz", _source(open_source))),
    ("zipped records", lambda content: dict(PARSERS)["records.jsonl.gz"](gzip.compress(content))),
    ("records.parquet", _in_folder("n.parquet", _source(open_source))),
    ("folder of records", _in_folder("n.jsonl", lambda path: _source(open_source)(path.parent))),
    ("puzzles", _in_folder("p.json", _source(PuzzleSource))),
    ("Neuronpedia feature", _in_folder("f.json", _neuronpedia)),
    ("Neuronpedia feature, read whole", _in_folder("f.json", _source(open_neuronpedia))),
    ("SAEDashboard batch", _in_folder("batch-0.json", _source(open_source))),
    ("Neuronpedia features.jsonl", _in_folder("f.jsonl", _source(open_neuronpedia))),
    (
        "Neuronpedia activations",
        _in_folder(
            "e/activations/batch-0.jsonl",
            lambda path: _source(open_neuronpedia)(path.parent.parent),
        ),
    ),
    (
        "Neuronpedia explanations",
        _in_folder("e/explanations/batch-0.jsonl", _neuronpedia_explanations),
    ),
    ("OpenAI record", lambda content: parse_record(content, "m", 0, 1, "file")),
    ("OpenAI record, a file", _in_folder("lone.json", _source(open_source))),
    ("any file", _in_folder("any", _source(open_source))),
    ("any folder", _in_folder("f/any", lambda path: _source(open_source)(path.parent))),
    ("OpenAI explanations", _results),
    ("delphi config", _in_folder("config.json", _delphi_config)),
    ("delphi tokenizer", _in_folder("tokenizer.json", TokenizerVocabulary)),
    ("scores.csv", _in_folder("s.csv", lambda path: ScoreFile(str(path)))),
    ("table.csv", _in_folder("t.csv", _table)),
    ("table.jsonl", _in_folder("t.jsonl", _table)),
    ("table.parquet", _in_folder("t.parquet", _table)),
    ("pack", _in_folder("p.yaml", lambda path: load_pack(str(path)))),
    ("YAML", _yaml),
    ("ids to record", _in_folder("ids.txt", lambda path: parse_neurons(str(path), ""))),
    ("layers to record", lambda content: parse_layers(content.decode("utf-8", "replace"))),
    ("ranges", _ranges),
]
"""Name and parser."""
