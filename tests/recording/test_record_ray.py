"""`neuron-eval record --on ray`: the same bytes as from one process, whatever happens."""

import os
import signal
import sys

import pytest
from click.testing import CliRunner
from ray_cluster import needs_ray, ray_cluster, worker_pids
from tiny_models import TEXT, needs_record, save_model

from neuron_eval.cli.main import main
from neuron_eval.recording import RecordingError
from neuron_eval.recording.collect import Collector


@needs_ray
@needs_record
def test_on_ray_the_file_is_that_of_one_process_though_a_worker_is_killed(
    tmp_path, model, cluster, monkeypatch
):
    killed, merge = [], Collector.merge

    def killing(self, later):
        merge(self, later)
        if not killed:
            killed.extend(worker_pids("record_part"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    assert record(tmp_path, model, alone).exit_code == 0
    monkeypatch.setattr(Collector, "merge", killing)
    result = record(tmp_path, model, together, "--on", "ray")
    assert result.exit_code == 0, result.output
    assert killed
    assert together.read_bytes() == alone.read_bytes()
    assert "workers at a time in the model" in result.output
    assert not list(tmp_path.glob("*.npz"))


@needs_ray
@needs_record
def test_what_is_broken_off_on_ray_goes_on_anywhere(tmp_path, model, cluster, monkeypatch):
    merge, merged = Collector.merge, []

    def stopping(self, later):
        if len(merged) == 3:
            raise KeyboardInterrupt
        merge(self, later)
        merged.append(later.windows)

    alone, broken = tmp_path / "alone.jsonl", tmp_path / "broken.jsonl"
    assert record(tmp_path, model, alone).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Collector, "merge", stopping)
        assert record(tmp_path, model, broken, "--on", "ray").exit_code == 1
    assert not broken.exists()
    result = record(tmp_path, model, broken, "--resume")
    assert result.exit_code == 0, result.output
    assert broken.read_bytes() == alone.read_bytes()


@needs_ray
@needs_record
def test_what_a_worker_refuses_is_said_as_without_it(tmp_path, model, cluster):
    result = record(tmp_path, model, tmp_path / "n.jsonl", "--on", "ray", "--length", 63)
    assert result.exit_code == 1
    assert "the model has 64 positions; use a smaller --length" in result.output
    assert "Traceback" not in result.output


@needs_record
def test_a_worker_with_other_weights_is_refused(model):
    from neuron_eval.recording.on_ray import Watched, record_part

    watched = Watched(str(model), 0, "float32", "cpu", "other", ((0, 1),), (1, 8, 5, 4, 0, 0), 4, 1)
    with pytest.raises(RecordingError, match="these are other weights than on the machine where"):
        record_part(watched, [])


def test_without_ray_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = record(tmp_path, "m", tmp_path / "n.jsonl", "--on", "ray")
    assert result.exit_code == 1
    assert "--on ray needs Ray: pip install 'neuron_eval[ray]'" in result.output


def record(folder, model, out, *more):
    text = folder / "text.txt"
    text.write_text(TEXT, encoding="utf-8", newline="\n")
    return CliRunner().invoke(
        main,
        [
            *("record", str(model), "--text", str(text), "--out", str(out), "--per-layer", "3"),
            *("--length", "8", "--top", "5", "--random", "4", "--batch-size", "4"),
            *("--checkpoint-every", "3", *map(str, more)),
        ],
    )


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster():
        yield


@pytest.fixture
def model(tmp_path):
    return save_model(tmp_path / "tiny-llama", "llama")
