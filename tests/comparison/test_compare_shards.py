"""`neuron-eval compare --shards`: here, and on the workers of a Ray cluster of which one dies."""

import os
import re
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from counting_server import ROLES, WORDS, CountingServer, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log
from killing import compare, scores
from ray_cluster import needs_ray, ray_cluster, worker_pids

from neuron_eval.cli.main import main
from neuron_eval.sources import schema
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator

MADE = made_neurons(6)
FORMATS = ("--formats", "summary,highlight", "--max-connections", "2", "--no-check")


@needs_ray
def test_on_ray_nothing_answered_is_asked_again_though_a_worker_is_killed(
    tmp_path, neurons, monkeypatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(there / "cache"))
    with CountingServer(MADE) as own, CountingServer(MADE) as server:
        alone = compare(own, neurons, here, *FORMATS)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with ThreadPoolExecutor(1) as beside, ray_cluster():
            killing = beside.submit(kill_one, server, 12, there / "cache")
            result = CliRunner().invoke(
                main,
                [
                    *("compare", "--neurons", str(neurons), *ROLES, "--simulation", "sparse"),
                    *("--log-dir", str(there / "logs"), "--yes", "--no-report", *FORMATS),
                    *("--shards", "3", "--on", "ray"),
                ],
            )
        assert alone.wait() == 0
        asked, once, in_flight = server.forget(), own.forget(), killing.result()
    assert result.exit_code == 0, result.output
    assert "2 of 2 shards are done." in result.output  # the second has no neuron
    assert answers(asked) == answers(once)
    assert {body for body, times in asked.items() if times > 1} <= in_flight
    assert scores(there / "logs") == scores(here / "logs")


def test_shards_run_one_after_the_other_and_give_the_scores_of_all_at_once(fakes, neurons, invoke):
    invoke("all")
    explained = len(fakes.explainer.requests)
    done = invoke("parts", "--shards", 3)
    assert done.exit_code == 0, done.output
    assert "2 of 2 shards are done." in done.output  # the second has no neuron
    assert len(fakes.explainer.requests) == 2 * explained == 12
    assert scores("parts") == scores("all")
    places = {log.name.split("/")[-2] for log in list_eval_logs("parts")}
    assert places == {"shard-1-of-3", "shard-3-of-3"}
    again = invoke("parts", "--shards", 3)
    assert "6 explanations are in the log folder already" in again.output
    assert len(fakes.explainer.requests) == 12


def test_what_a_shard_did_not_finish_is_all_that_is_asked_again(fakes, invoke):
    fakes.broken.append("dog")
    assert invoke("parts", "--shards", 3, "--retries", 0).exit_code == 1
    asked = len(fakes.explainer.requests)
    fakes.broken.clear()
    done = invoke("parts", "--shards", 3)
    assert done.exit_code == 0, done.output
    assert len(fakes.explainer.requests) == asked + 1


def test_controls_are_run_in_the_shards_that_have_their_neurons(fakes, invoke):
    done = invoke("parts", "--shards", 3, "--controls")
    assert done.exit_code == 0, done.output
    ran = Counter(log.eval.task.rpartition("/")[2] for log in logs("parts"))
    assert ran["summary"] == ran["lexical"] == 2
    assert ran["reference"] == 1  # the third shard's neurons have none


def test_a_pilot_runs_its_neurons_in_their_shards(fakes, invoke):
    done = invoke("parts", "--shards", 3, "--pilot", 2, input="n\n")
    assert "After 2 explanations" in done.output
    assert len(fakes.explainer.requests) == 2
    assert invoke("parts", "--shards", 3).exit_code == 0
    assert len(fakes.explainer.requests) == 6


@pytest.mark.parametrize(("before", "after"), [((), (3,)), ((3,), ()), ((3,), (2,))])
def test_a_folder_of_other_shards_is_refused(fakes, invoke, before, after):
    assert invoke("logs", *shards(*before)).exit_code == 0
    done = invoke("logs", *shards(*after))
    assert done.exit_code == 1
    assert "holds logs of other settings or other tasks" in " ".join(done.output.split())
    assert len(fakes.explainer.requests) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shards", 0), "0 is not in the range x>=1"),
        (("--on", "ray"), "--on ray needs --shards: how many parts"),
        (("--on", "dask"), "'dask' is not one of 'local', 'ray'"),
    ],
)
def test_bad_options_are_refused(invoke, options, message):
    done = invoke("logs", *options)
    assert done.exit_code == 2
    assert message in re.sub(r"[\s│]+", " ", done.output)


def test_without_ray_the_command_says_what_to_install(invoke, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = invoke("logs", "--shards", 2, "--on", "ray")
    assert done.exit_code == 1
    assert "--on ray needs Ray: pip install 'neuron_eval[ray]'" in done.output


def shards(count=None):
    return () if count is None else ("--shards", count)


def logs(folder):
    return [read_eval_log(info, header_only=True) for info in list_eval_logs(folder)]


@pytest.fixture
def neurons(tmp_path):
    schema.write(tmp_path / "n.jsonl", MADE)
    return tmp_path / "n.jsonl"


@pytest.fixture
def invoke(tmp_path, monkeypatch, neurons):
    monkeypatch.chdir(tmp_path)

    def invoked(log_dir, *more, **answers):
        options = (
            "--neurons", neurons, "--log-dir", log_dir, "--formats", "summary",
            "--models", "neuron-fake/explainer", "--simulator", "neuron-fake/simulator",
            "--embedder", "neuron-fake/embedder", "--simulation", "chat", "--calibration", "none",
            "--prices", "none", "--no-report", *([] if answers else ["--yes"]), *more,
        )  # fmt: skip
        return CliRunner().invoke(main, ["compare", *map(str, options)], **answers)

    return invoked


@pytest.fixture
def fakes():
    """An explainer, which breaks on the words in ``broken``, a simulator and an embedder."""
    broken = []

    def explain(prompt):
        asked = prompt.rpartition("Excerpts and activations:")[2]
        (word,) = [word for word in WORDS if word in asked]
        if word in broken:
            raise RuntimeError(f"the explainer broke on {word}")
        return f"the word {word}"

    def simulate(explanation, tokens):
        return [9.5 if token.strip() in explanation.split() else 0.25 for token in tokens]

    def embed(text):
        return [text.count(letter) + 0.1 for letter in "abcdefghijklmnopqrstuvwxyz"]

    return SimpleNamespace(
        broken=broken,
        explainer=fake_explainer(explain),
        simulator=fake_simulator(simulate),
        embedder=fake_embedder(embed),
    )


def answers(bodies):
    """Those that ask for a text; references are embedded together, and a shard has its own."""
    return {body for body in bodies if "/embeddings" not in body}


def kill_one(server, requests, cache):
    """Kill a worker once so many requests have come; gives those that had no reply by then."""
    server.wait_for(requests, lambda: True)
    server.gate.clear()
    quiet = 0
    while quiet < 10:  # until every reply is written down
        time.sleep(0.02)
        kept = sum(path.is_file() for path in cache.rglob("*"))
        quiet = quiet + 1 if kept == server.answered.total() else 0
    (pid, *_) = worker_pids("_run_on_worker")
    os.kill(pid, signal.SIGKILL)
    in_flight = set(server.asked) - set(server.answered)
    server.gate.set()
    return in_flight
