"""The hub is asked in a process of its own, because its address is read on import."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import hub_server
import pytest

from neuron_eval.records import ActivationRecord
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.arrow import ROWS
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.hub import HubSource
from neuron_eval.sources.parquet import write_parquet
from neuron_eval.testing import make_neuron


def test_a_parquet_split_is_streamed_and_a_wanted_neuron_comes_with_its_row_group(ask, files):
    data = files["n.parquet"]
    dataset = {"data/train-00000-of-00001.parquet": data, "data/test-00000-of-00001.parquet": data}
    with hub_server.running({"org/neurons": dataset}) as hub:
        (answer,) = ask(hub, "hub:org/neurons")
        assert answer == [COUNT, [[f"m/L0N{i}", 10.0] for i in range(COUNT)]]
        whole = hub.sent("train-00000-of-00001.parquet")
        assert hub.sent("test-00000-of-00001.parquet") == 0
        hub.requests.clear()
        (answer,) = ask(hub, f"hub:org/neurons:test 0 {COUNT - 1}")
        assert answer == [COUNT, [["m/L0N0", 10.0], [f"m/L0N{COUNT - 1}", 10.0]]]
        assert hub.sent("train-00000-of-00001.parquet") == 0
        # Three of the five row groups hold nothing that is wanted.
        assert hub.sent("test-00000-of-00001.parquet") < whole - 0.5 * len(data)


def test_a_packed_file_is_streamed(ask, files):
    card = (
        b"---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files: some/*.jsonl.gz\n---\n"
    )
    dataset = {"README.md": card, "some/n.jsonl.gz": files["n.jsonl.gz"], "old.parquet": b"other"}
    with hub_server.running({"org/packed": dataset}) as hub:
        (answer,) = ask(hub, "hub:org/packed 3 128")
        assert answer == [COUNT, [["m/L0N3", 10.0], ["m/L0N128", 10.0]]]
        assert hub.sent("old.parquet") == 0


def test_what_is_wrong_with_a_dataset_is_said(ask, files):
    table = files["n.parquet"]
    cut = files["n.jsonl.gz"][:-30]
    bad = json.dumps({**schema.to_json(neuron(0)), "layer": 0, "top": 1}).encode()
    datasets = {
        "org/cut": {"train.jsonl.gz": cut},
        "org/bad": {"train.jsonl": bad},
        "org/text": {"train.csv": b"a,b\n1,2\n"},
        "org/notours": {"train.parquet": other_table()},
        "org/empty": {"notes.md": b""},
        "org/script": {"script.py": b"raise SystemExit('ran')", "train.parquet": table},
    }
    messages = {
        "org/cut": "train.jsonl.gz: cut off or not a gzip file",
        "org/text": "train.csv does not end in .jsonl, .jsonl.gz, .parquet",
        "org/notours": "train.parquet: missing column(s) 'id', 'model'",
        "org/cut:valid": "the dataset has no split 'valid'; it has train",
        "org/none": "there is no dataset org/none, or it is private",
        "org/empty": "neurons=hub:org/empty: ",
        "org/script": "neurons=hub:org/script: Dataset scripts are no longer supported",
    }
    with hub_server.running(datasets) as hub:
        *answers, (count, (said,)) = ask(hub, *(f"hub:{name}" for name in messages), "hub:org/bad")
    for (name, message), (kind, told) in zip(messages.items(), answers, strict=True):
        assert kind == ("RecordError" if name == "org/cut" else "SourceError")
        assert message in told
    assert count == 1
    assert said.endswith("line 1: neuron m/L0N0: field 'top' is 1; expected list")


def other_table():
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["a"]}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("card", ["README.md", ".huggingface.yaml"])
def test_no_address_that_a_dataset_names_is_fetched(ask, files, card):
    with hub_server.running({}) as hub:
        targets = (f"{hub.url}/elsewhere.parquet", "/etc/*.parquet", "../../*.parquet")
        for i, target in enumerate(targets):
            text = f"configs:\n- config_name: default\n  data_files:\n  - '{target}'\n"
            text = f"---\n{text}---\n" if card == "README.md" else text
            dataset = {"train.parquet": files["n.parquet"], card: text.encode()}
            hub.datasets[f"org/evil{i}"] = dataset
        answers = ask(hub, "hub:org/evil0", "hub:org/evil1", "hub:org/evil2")
        assert not [path for _, path, _ in hub.requests if "elsewhere" in path]
    for target, (kind, told) in zip(targets, answers, strict=True):
        assert kind == "SourceError"
        assert f"{card} names {target!r}, which is not a file of the dataset" in told


def test_a_hub_that_cannot_be_reached_is_said_so(ask):
    ((kind, said),) = ask(hub_server.Hub({}, "http://127.0.0.1:9"), "hub:org/n", HF_HUB_OFFLINE="1")
    assert kind == "SourceError"
    assert "neurons=hub:org/n: the hub cannot be reached" in said


def test_a_folder_of_the_same_name_is_not_taken_for_the_dataset(tmp_path, monkeypatch):
    (tmp_path / "org" / "n").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"there is a folder org/n here; to read it write neuron"):
        list(HubSource("hub:org/n").keys())


@pytest.mark.parametrize(
    "name",
    ["hub:n", "hub:org/n/m", "hub:../n", "hub:org/..", "hub:org/n:", "hub:org/n:a b", "hub:/n"],
)
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(SourceError, match="expected hub:ORG/NAME or hub:ORG/NAME:SPLIT"):
        HubSource(name)


def test_the_name_is_all_that_is_needed_to_open_it():
    source = open_source("hub:org/n:test")
    assert isinstance(source, HubSource)
    with pytest.raises(SourceError, match="holds no published scores"):
        source.scores([])


COUNT = 5 * ROWS

READER = """
import json, sys
from neuron_eval.sources.base import Unreadable
from neuron_eval.sources.hub import HubSource

def told(found):
    return str(found.error) if isinstance(found, Unreadable) else [found.id, found.top[0].peak]

for asked in sys.argv[1:]:
    name, *indices = asked.split()
    try:
        source = HubSource(name)
        keys = list(source.keys())
        wanted = [keys[int(i)] for i in indices] or None
        print(json.dumps([len(keys), [told(found) for found in source.read(wanted)]]))
    except ValueError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def neuron(i):
    """A neuron whose texts do not pack well, so that bytes tell what was read."""
    draw = random.Random(i)

    def spoiled(record):
        tokens = tuple(f" {draw.getrandbits(64):x}" for _ in record.tokens)
        return ActivationRecord(tokens, (10.0, *(draw.random() for _ in tokens[1:])))

    plain = make_neuron(f"m/L0N{i}", neuron=i, excerpts=4)
    return replace(plain, top=tuple(map(spoiled, plain.top)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same neurons as a Parquet and as a packed file."""
    folder = tmp_path_factory.mktemp("hub")
    neurons = [neuron(i) for i in range(COUNT)]
    write_parquet(folder / "n.parquet", neurons)
    schema.write(folder / "n.jsonl.gz", neurons)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def ask(tmp_path):
    """Reads datasets of a hub, ``NAME`` or ``NAME`` and places of neurons; gives what came."""

    def ask(hub, *asked, **environment):
        home = str(tmp_path / "hf")
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_TOKEN": "", **environment}
        done = subprocess.run(
            [sys.executable, "-c", READER, *asked],
            env={**os.environ, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask
