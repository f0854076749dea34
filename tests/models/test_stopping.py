"""Commands that are told to end, and what those leave that are killed; all in real processes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from counting_server import CountingServer, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log
from killing import compare
from listening import listen

from neuron_eval.cli.main import main, stopping_cleanly
from neuron_eval.sources import schema
from neuron_eval.sources.loading import load_neurons
from neuron_eval.testing import make_neuron


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_conversion_that_is_told_to_end_leaves_nothing(tmp_path, converting, number, status):
    process = converting()
    process.send_signal(number)
    said, _ = process.communicate()
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert names(tmp_path) == ["from"]


def test_what_a_killed_conversion_left_is_removed_by_the_next_one_there(tmp_path, converting):
    process = converting()
    process.kill()
    process.wait()
    left = names(tmp_path)
    begun = (".out.jsonl.gz.lock", ".unfinished-", "from")
    assert len(left) == 3
    assert all(name.startswith(start) for name, start in zip(left, begun, strict=True))
    done = CliRunner().invoke(main, ["convert", "puzzles", str(tmp_path / "out.jsonl.gz")])
    assert done.exit_code == 0, done.output
    assert names(tmp_path) == ["from", "out.jsonl.gz"]


def test_a_living_conversion_keeps_its_file_and_its_place(tmp_path, converting):
    process = converting()
    process.send_signal(signal.SIGSTOP)
    try:
        before = names(tmp_path)
        refused = CliRunner().invoke(main, ["convert", "puzzles", str(tmp_path / "out.jsonl.gz")])
        assert refused.exit_code == 1
        assert f"in use by process {process.pid} on" in refused.output
        beside = CliRunner().invoke(main, ["convert", "puzzles", str(tmp_path / "other.jsonl")])
        assert beside.exit_code == 0, beside.output
        assert names(tmp_path) == sorted([*before, "other.jsonl"])
    finally:
        process.send_signal(signal.SIGCONT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert sum(1 for _ in load_neurons(str(tmp_path / "out.jsonl.gz"))) == MANY
    assert names(tmp_path) == ["from", "other.jsonl", "out.jsonl.gz"]


@pytest.mark.parametrize("ignored", [False, True], ids=["in front", "in the background"])
def test_a_comparison_that_is_told_to_end_writes_its_logs_and_goes_on_from_there(tmp_path, ignored):
    made = made_neurons(3)
    path = tmp_path / "neurons.jsonl"
    schema.write(path, made)
    options = ("--formats", "summary", "--max-connections", "1")
    if ignored:  # as shells start what runs in the background
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with CountingServer(made) as server:
        try:
            process = compare(server, path, tmp_path, *options)
        finally:
            if ignored:
                signal.signal(signal.SIGINT, before)
        server.wait_for(6, lambda: process.poll() is None)
        server.gate.clear()
        process.terminate()
        server.gate.set()
        assert process.wait() == 143, (tmp_path / "output").read_text()
        said = (tmp_path / "output").read_text()
        assert "the same command goes on from there" in said
        assert "Traceback" not in said
        (log,) = list_eval_logs(str(tmp_path / "logs"))
        assert read_eval_log(log, header_only=True).status == "cancelled"
        assert compare(server, path, tmp_path, *options).wait() == 0
        (log,) = list_eval_logs(str(tmp_path / "logs"))
        assert read_eval_log(log, header_only=True).results.completed_samples == 3


def hang_up_and_end():
    with stopping_cleanly():
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")


def test_a_signal_that_is_ignored_stays_so_and_handlers_are_put_back():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as ended:
            hang_up_and_end()
        assert ended.value.code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


MANY = 3000


@pytest.fixture
def converting(tmp_path):
    """A function that starts a conversion and returns its process once the file has begun."""
    source = tmp_path / "from" / "in.jsonl"
    source.parent.mkdir()
    schema.write(source, [make_neuron("m/L0N0000")])
    line = source.read_text()
    with source.open("w") as file:
        file.writelines(line.replace("m/L0N0000", f"m/L0N{i:04}") for i in range(MANY))

    def start(out="out.jsonl.gz"):
        process = subprocess.Popen(
            [sys.executable, "-m", "neuron_eval", "convert", str(source), str(tmp_path / out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=listen,
        )
        processes.append(process)
        while process.poll() is None:
            if any(path.stat().st_size for path in tmp_path.glob(".unfinished-*")):
                return process
            time.sleep(0.005)
        raise AssertionError(process.stdout.read())

    processes = []
    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())
