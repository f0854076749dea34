"""Two commands that would write to one place: the second is refused, by a real first process."""

import json
import os
import re
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner
from counting_server import CountingServer, made_neurons
from inspect_ai.log import list_eval_logs
from killing import compare
from other_process import other_process

import neuron_eval.files.locking
from neuron_eval.cli.main import main
from neuron_eval.files.locking import alone_at, alone_in
from neuron_eval.sources import schema


def holding(way, place):
    return other_process(
        f"from neuron_eval.files.locking import {way.__name__}",
        f"with {way.__name__}({str(place)!r}): hold()",
    )


WAYS = [(alone_in, "held/.neuron-eval.lock"), (alone_at, ".held.lock")]


@pytest.mark.parametrize(("way", "lock"), WAYS)
def test_who_comes_second_is_refused_and_told_who_is_there(tmp_path, way, lock):
    place = tmp_path / "held"
    with (
        holding(way, place) as first,
        pytest.raises(click.ClickException, match="in use by") as refused,
        way(place),
    ):
        pass
    said = refused.value.message
    assert said.startswith(f"{place}: in use by process {first.pid} on ")
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said)
    assert said.endswith("Wait until it has ended, or name another place.")


@pytest.mark.parametrize(("way", "lock"), WAYS)
def test_a_lock_file_whose_process_was_killed_keeps_nobody_out(tmp_path, way, lock):
    place = tmp_path / "held"
    with holding(way, place) as first:
        first.kill()
        first.wait()
    assert json.loads((tmp_path / lock).read_text())["pid"] == first.pid
    with way(place):
        assert json.loads((tmp_path / lock).read_text())["pid"] == os.getpid()
    assert not (tmp_path / lock).exists()


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path):
    with alone_in(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_of_several_places_each_counts_and_one_may_be_named_twice(tmp_path):
    one, two = tmp_path / "a" / "one", tmp_path / "b" / "two"
    with (
        holding(alone_in, two),
        pytest.raises(click.ClickException, match="two: in use"),
        alone_in(one, two),
    ):
        pass
    with alone_in(one, one / ".." / "one", f"file://{one}", "s3://bucket/folder"):
        (one / "log").touch()
    assert list((tmp_path / "a").rglob("*")) == [one, one / "log"]


def test_where_there_are_no_locks_or_no_writing_it_goes_on(tmp_path, monkeypatch):
    @contextmanager
    def none(descriptor, *, exclusive, wait=True):
        yield False

    monkeypatch.setattr(neuron_eval.files.locking, "locked", none)
    with alone_in(tmp_path / "a"), alone_in(tmp_path / "a"), alone_at(tmp_path / "no" / "file"):
        pass
    (tmp_path / "file").touch()
    with alone_in(tmp_path / "file" / "below"):
        pass


def test_a_half_written_lock_file_still_refuses(tmp_path):
    with holding(alone_in, tmp_path):
        (tmp_path / neuron_eval.files.locking.IN_FOLDER).write_text('{"pid": 1')
        with pytest.raises(click.ClickException, match="in use by another process"):
            alone_in(tmp_path).__enter__()


COMMANDS = {
    "compare": ("logs", ["--models", "neuron-baseline/lexical", "--log-dir", "logs", "--yes"]),
    "compare, its report": (
        "out",
        ["--models", "neuron-baseline/lexical", "--log-dir", "logs", "--out", "out", "--yes"],
    ),
    "report": ("out", ["x.eval", "--out", "out"]),
    "demo": ("logs/report", ["--log-dir", "logs"]),
    "rate-static": ("out", ["x.eval", "--rater", "anna", "--out", "out"]),
    "convert": ("out.jsonl", ["puzzles", "out.jsonl"]),
    "export": ("out.csv", ["x.eval", "--to", "csv", "--out", "out.csv"]),
    "export, a folder": ("out", ["x.eval", "--to", "openai", "--out", "out"]),
    "score": ("x-scored.eval", ["x.eval", "--simulation", "embedding"]),
    "score, the log itself": ("x.eval", ["x.eval", "--simulation", "embedding", "--overwrite"]),
    "record": ("out.jsonl", ["model", "--out", "out.jsonl", "--text", "t", "--neurons", "all"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_refused_while_another_writes_to_its_place(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.eval").touch()
    (tmp_path / "t").touch()
    place, options = COMMANDS[name]
    with holding(alone_at if "." in place else alone_in, tmp_path / place) as first:
        before = sorted(tmp_path.rglob("*"))
        done = CliRunner().invoke(main, [name.partition(",")[0], *options])
        assert done.exit_code == 1, done.output
        said = " ".join(done.output.split())
        assert f"{tmp_path / place}: in use by process {first.pid}" in said
        assert sorted(tmp_path.rglob("*")) == before


def test_an_estimate_does_not_need_the_folder_to_itself(tmp_path, monkeypatch):
    options = ["--models", "neuron-baseline/lexical", "--simulation", "none", "--limit", "1"]
    with holding(alone_in, tmp_path):
        done = CliRunner().invoke(
            main, ["compare", *options, "--log-dir", str(tmp_path), "--dry-run"]
        )
    assert done.exit_code == 0, done.output


def test_a_second_comparison_in_the_folder_buys_nothing(tmp_path):
    made = made_neurons(2)
    path = tmp_path / "neurons.jsonl"
    schema.write(path, made)
    with CountingServer(made) as server:
        server.gate.clear()
        first = compare(server, path, tmp_path, "--formats", "summary", "--no-check")
        server.wait_for(1, lambda: first.poll() is None)
        asked = server.asked.total()
        assert asked, (tmp_path / "output").read_text()
        (tmp_path / "second").mkdir()
        again = compare(
            server, path, tmp_path / "second", "--formats", "summary", "--log-dir",
            str(tmp_path / "logs"),
        )  # fmt: skip
        assert again.wait() == 1
        said = " ".join((tmp_path / "second" / "output").read_text().split())
        assert f"logs: in use by process {first.pid} on" in said
        assert "neuron-eval compare, since" in said
        assert not list((tmp_path / "second").glob("cache/*"))
        # What lies there for the moment is no log.
        assert len(list_eval_logs(str(tmp_path / "logs"))) == 1
        server.gate.set()
        assert first.wait() == 0, (tmp_path / "output").read_text()
        assert max(server.asked.values()) == 1
    hidden = {p.name for p in (tmp_path / "logs").iterdir() if p.name.startswith(".")}
    assert neuron_eval.files.locking.IN_FOLDER not in hidden
