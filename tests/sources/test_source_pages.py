"""Every command in the table of docs/sources/index.md, run on a small copy of each layout."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import hub_server
import pytest
from blob_server import BlobServer
from delphi_cache import random_latents, random_tokens, save, save_config, save_tokenizer
from inspect_ai import eval as run_eval
from inspect_ai._util.config import parse_cli_args  # what -T goes through
from inspect_ai.log import list_eval_logs, read_eval_log
from neuronpedia_files import feature, write_json
from openai_layout import neuron, write_layout, write_record

from neuron_eval.sources import schema
from neuron_eval.sources.parquet import write_parquet
from neuron_eval.tasks.formats import summary
from neuron_eval.testing import fake_embedder, fake_explainer, make_neuron

PAGE = (Path(__file__).parents[2] / "docs" / "sources" / "index.md").read_text(encoding="utf-8")

COMMANDS = re.findall(r"`inspect eval neuron_eval/summary (-T [^`]*?) --model …`", PAGE)

PUZZLES = """{"cats": {"name": "cats", "explanation": "cats", "false_explanations": ["dogs"],
"sentences": [["A", [" cat", 9]], ["No", " dog"]]}}"""


def layout(root, *, layers=(0, 1, 2)):
    """Some neurons of a few layers as OpenAI published theirs."""
    write_layout(root, [])
    for layer in layers:
        for index in range(2):
            write_record(root, neuron(layer, index, excerpts=20))


def smollm2(tmp_path, monkeypatch):
    return 80


def puzzles(tmp_path, monkeypatch):
    return 28


def mirror(tmp_path, monkeypatch):
    layout(tmp_path / "mirror")
    return 6


def mine(tmp_path, monkeypatch):
    write_parquet(tmp_path / "mine.parquet", [make_neuron("m/L0N0"), make_neuron("m/L0N1")])
    return 2


def feature_file(tmp_path, monkeypatch):
    write_json(tmp_path, [feature(650), feature(651, range(1, 4))])
    return 1


def batch_file(tmp_path, monkeypatch):
    activations = [
        {"tokens": [" a", f" cat{i}"], "values": [0, i + 1], "bin_contains": -1 if i < 20 else 0.1}
        for i in range(40)
    ]
    features = [{"feature_index": i, "activations": activations} for i in range(2)]
    batch = {"model_id": "m", "layer": 0, "sae_set": "s", "features": features}
    (tmp_path / "batch-0.json").write_text(json.dumps(batch))
    return 2


def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "layers.6.mlp"
    save(folder, random_latents(3, rows=200), 0, random_tokens(rows=200))
    save_config(folder)
    save_tokenizer(tmp_path / "cache")
    return 2


def puzzle_file(tmp_path, monkeypatch):
    (tmp_path / "FILE.json").write_text(PUZZLES)
    return 1


PLACES = {
    "smollm2": smollm2,
    "puzzles": puzzles,
    "mirror": mirror,
    "mine.parquet": mine,
    "feature.json": feature_file,
    "batch-0.json": batch_file,
    "cache": cache,
    "puzzles:FILE.json": puzzle_file,
}


def source(command):
    return re.search(r"neurons=(\S+)", command)[1]


def test_the_page_has_a_command_for_every_source():
    assert {source(command) for command in COMMANDS} == set(PLACES) | ELSEWHERE


@pytest.mark.parametrize("command", [c for c in COMMANDS if source(c) in PLACES])
def test_the_command_explains_neurons(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    count = PLACES[source(command)](tmp_path, monkeypatch)
    log = explained(summary(**arguments(command), simulation="embedding"))
    assert log.eval.dataset.samples == count


def test_the_container_is_asked_for_what_was_chosen_only(tmp_path, monkeypatch):
    (command,) = (c for c in COMMANDS if source(c) == "openai:gpt2-xl")
    layout(tmp_path / "blobs" / "data")
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "kept"))
    with BlobServer(tmp_path / "blobs") as server:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url)
        asked = {**arguments(command), "layers": 1, "select": "all", "index": "0-1"}
        log = explained(summary(**asked, simulation="embedding"))
        assert [s.id for s in log.samples] == ["gpt2-xl/L1N0", "gpt2-xl/L1N1"]
        assert {path for path in server.counts if "activations" in path} == {
            f"/data/collated-activations/1/{i}.json" for i in (0, 1)
        }


def test_the_hub_is_read_by_the_command_as_it_stands(tmp_path):
    (command,) = (c for c in COMMANDS if source(c).startswith("hub:"))
    schema.write(tmp_path / "n.jsonl", [make_neuron("m/L0N0"), make_neuron("m/L0N1")])
    files = {"train.jsonl": (tmp_path / "n.jsonl").read_bytes()}
    with hub_server.running({"ORG/NAME": files}) as hub:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "inspect_ai", "eval", "neuron_eval/summary"),
                *shlex.split(command),
                *("--model", "neuron-baseline/lexical", "-T", "simulation=none", "--no-score"),
                *("--log-dir", str(tmp_path / "logs"), "--display", "plain"),
            ],
            env={
                **os.environ,
                "HF_ENDPOINT": hub.url,
                "HF_HOME": str(tmp_path / "hf"),
                "HF_TOKEN": "",
                "PYTHONPATH": "",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (info,) = list_eval_logs(str(tmp_path / "logs"))
    assert read_eval_log(info, header_only=True).eval.dataset.samples == 2


ELSEWHERE = {"openai:gpt2-xl", "hub:ORG/NAME:train"}
"""Those that need a server; they have tests of their own."""


def arguments(command):
    words = shlex.split(command)
    return parse_cli_args([word for word in words if word != "-T"])


def explained(task):
    (log,) = run_eval(
        task,
        model=fake_explainer("cats").model,
        model_roles={"embedder": fake_embedder(lambda text: [1.0, float(len(text))]).model},
        limit=2,
        display="none",
    )
    assert log.status == "success"
    assert all(sample.output.completion == "cats" for sample in log.samples)
    return log
