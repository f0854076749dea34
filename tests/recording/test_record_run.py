"""The loop with a fake model: records, checkpoints, resuming."""

import json
import zlib
from functools import partial

import numpy as np
import pytest

from neuron_eval.recording import RecordingError
from neuron_eval.recording.collect import Collector
from neuron_eval.recording.recorder import Checkpoint, assemble, check_enough, run, take_here
from neuron_eval.recording.select import PickedNeuron
from neuron_eval.recording.texts import windows
from neuron_eval.sources import schema

TEXT = " ".join(str(i * i) for i in range(150))


def test_records_hold_what_the_text_and_the_model_say():
    everything = list(windows([TEXT], tokenise, LENGTH))
    found = records(collect(FakeSubject()))
    for n, record in enumerate(found):
        for excerpt in (*record.top, *record.random):
            assert excerpt.text in TEXT
            expected = [float(FakeSubject.on(token)[n]) for token in excerpt.tokens]
            assert excerpt.activations == pytest.approx(expected, rel=6e-4)
        highest = sorted(max(FakeSubject.on(t)[n] for t in w.tokens) for w in everything)
        assert record.top[-1].peak == pytest.approx(float(highest[-TOP]), rel=6e-4)
        assert (len(record.top), len(record.random)) == (TOP, RANDOM)
        assert not {e.text for e in record.top} & {e.text for e in record.random}
        assert record.quantiles == (0.5, 0.9)


def test_records_come_in_the_order_chosen_with_id_and_group():
    found = records(collect(FakeSubject()), [COLUMNS[1], COLUMNS[2], COLUMNS[0]])
    assert [(r.id, r.layer, r.neuron, r.group) for r in found] == [
        ("m/L0N4", 0, 4, "clear"),
        ("m/L2N0", 2, 0, ""),
        ("m/L0N1", 0, 1, ""),
    ]
    assert set(found) == set(records(collect(FakeSubject())))


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_the_batch_size_changes_nothing(batch):
    assert records(collect(FakeSubject(), batch=batch)) == records(collect(FakeSubject()))


def test_forgetting_tokens_on_the_way_changes_nothing(monkeypatch):
    whole = collect(FakeSubject())
    monkeypatch.setattr("neuron_eval.recording.recorder.PRUNE", 0)
    assert records(collect(FakeSubject())) == records(whole)
    assert whole.tokens.keys() == whole.collector.live()


def test_progress_adds_up_to_all_windows():
    steps = []
    collected = collect(FakeSubject(), progress=steps.append)
    assert sum(steps) == collected.collector.windows == len(list(windows([TEXT], tokenise, LENGTH)))


def checkpoint(tmp_path, every=2, **fingerprint):
    return Checkpoint(tmp_path / "x.npz", {"model": "a", "seed": SEED, **fingerprint}, every)


def interrupted(tmp_path, at=8):
    with pytest.raises(KeyboardInterrupt):
        collect(FakeSubject(fail_at=at), checkpoint=checkpoint(tmp_path))


@pytest.mark.parametrize("at", [3, 4, 17])
def test_an_interrupted_run_goes_on_to_identical_bytes(tmp_path, at):
    interrupted(tmp_path, at)
    again = FakeSubject()
    steps = []
    resumed = collect(again, checkpoint=checkpoint(tmp_path), resume=True, progress=steps.append)
    straight = collect(FakeSubject())
    saved = (at - 1) // 2 * 2
    assert resumed.resumed == saved * 4
    assert again.calls == -(-straight.collector.windows // 4) - saved
    assert sum(steps) == straight.collector.windows
    paths = [tmp_path / "resumed.jsonl.gz", tmp_path / "straight.jsonl.gz"]
    for path, collected in zip(paths, (resumed, straight), strict=True):
        schema.write(path, records(collected))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_resuming_without_a_checkpoint_starts_at_the_beginning(tmp_path):
    collected = collect(FakeSubject(), checkpoint=checkpoint(tmp_path), resume=True)
    assert collected.resumed == 0
    assert records(collected) == records(collect(FakeSubject()))


def test_a_checkpoint_of_another_recording_is_refused_with_what_differs(tmp_path):
    interrupted(tmp_path)
    other = checkpoint(tmp_path, model="b")
    with pytest.raises(RecordingError, match=r"model \(a there, b here\); record with what"):
        collect(FakeSubject(), checkpoint=other, resume=True)


@pytest.mark.parametrize("text", ["other " + TEXT, TEXT[:60]])
def test_a_checkpoint_of_another_text_is_refused(tmp_path, text):
    interrupted(tmp_path)
    with pytest.raises(RecordingError, match="the text, or how it is tokenised, is not what"):
        collect(FakeSubject(), text=text, checkpoint=checkpoint(tmp_path), resume=True)


@pytest.mark.parametrize("content", [b"", b"no zip file", None])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    interrupted(tmp_path)
    path = tmp_path / "x.npz"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(RecordingError, match="not a checkpoint, or damaged"):
        collect(FakeSubject(), checkpoint=checkpoint(tmp_path), resume=True)


def test_a_file_of_arrays_that_is_no_checkpoint_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3))
    with pytest.raises(RecordingError, match="not a checkpoint, or damaged"):
        checkpoint(tmp_path).load()


def test_a_crash_while_saving_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    kept = checkpoint(tmp_path)
    kept.save({"a": np.arange(3)})

    def crash(out, **_):
        out.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", crash)
    with pytest.raises(OSError, match="disk full"):
        kept.save({"a": np.arange(4)})
    state = kept.load()
    assert state is not None
    assert state["a"].tolist() == [0, 1, 2]


def test_a_removed_checkpoint_is_gone(tmp_path):
    kept = checkpoint(tmp_path)
    kept.save({"a": np.arange(3)})
    kept.remove()
    kept.remove()
    assert kept.load() is None
    assert list(tmp_path.iterdir()) == []


def test_too_little_text_is_refused_with_what_is_needed():
    with pytest.raises(RecordingError, match=r"gives 6 distinct windows, .* need at least 7"):
        check_enough(6, top=4, random=3)
    check_enough(7, top=4, random=3)


def test_just_enough_text_fills_every_record():
    text = TEXT[: LENGTH * (TOP + RANDOM)]
    for record in records(collect(FakeSubject(), text=text)):
        assert (len(record.top), len(record.random)) == (TOP, RANDOM)


def test_what_was_recorded_reads_back(tmp_path):
    path = tmp_path / "n.jsonl"
    written = records(collect(FakeSubject()))
    assert schema.write(path, written) == 3
    assert list(schema.read(path)) == written
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["group"] == "clear"


LENGTH, TOP, RANDOM, SEED = 6, 4, 3, 5

COLUMNS = [PickedNeuron(0, 1), PickedNeuron(0, 4, "clear"), PickedNeuron(2, 0)]


class FakeSubject:
    """A neuron's activation is a fixed function of the character."""

    def __init__(self, fail_at=None):
        self.calls = 0
        self.fail_at = fail_at

    def activations(self, batch):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return np.stack([[self.on(token) for token in window.tokens] for window in batch])

    @staticmethod
    def on(token):
        values = [zlib.crc32(f"{token}{n}".encode()) / 2**32 - 0.5 for n in range(3)]
        return np.array(values, dtype=np.float32)


def tokenise(text):
    return [ord(char) for char in text], [(i, i + 1) for i in range(len(text))]


def collect(subject, text=TEXT, batch=4, **more):
    collector = Collector(len(COLUMNS), LENGTH, TOP, RANDOM, SEED)
    return run(
        partial(take_here, subject), windows([text], tokenise, LENGTH), collector, batch, **more
    )


def records(collected, chosen=COLUMNS):
    return list(assemble(collected, COLUMNS, chosen, "m", (0.5, 0.9), RANDOM, SEED))
