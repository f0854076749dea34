import os
import time
from contextlib import contextmanager

import pytest
from other_process import other_process

from neuron_eval.files.locking import LONG, _remove_abandoned, unfinished
from neuron_eval.records import RecordError
from neuron_eval.sources.parquet import ParquetSource, write_parquet
from neuron_eval.sources.schema import JsonlSource, write
from neuron_eval.testing import make_neuron

WAYS = [
    pytest.param("out.jsonl", write, JsonlSource, id="jsonl"),
    pytest.param("out.jsonl.gz", write, JsonlSource, id="jsonl.gz"),
    pytest.param("out.parquet", write_parquet, ParquetSource, id="parquet"),
]


def neurons(layer, then=lambda: None):
    """Two neurons of one layer; between them something else happens."""
    yield make_neuron(f"m/L{layer}N0")
    then()
    yield make_neuron(f"m/L{layer}N1")


def ids(source):
    return [neuron.id for neuron in source.read()]


@pytest.mark.parametrize(("name", "writer", "source"), WAYS)
def test_two_writers_to_one_file_do_not_disturb_each_other(tmp_path, name, writer, source):
    out = tmp_path / name
    found = []

    def other():
        found.append(writer(out, neurons(1)))
        found.extend(ids(source(str(out))))

    assert writer(out, neurons(0, then=other)) == 2
    assert found == [2, "m/L1N0", "m/L1N1"]
    assert ids(source(str(out))) == ["m/L0N0", "m/L0N1"]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("name", "writer", "source"), WAYS)
def test_a_writer_that_breaks_leaves_the_file_of_another(tmp_path, name, writer, source):
    out = tmp_path / name

    def other():
        writer(out, neurons(1))
        raise RecordError("no more of these")

    with pytest.raises(RecordError, match="no more of these"):
        writer(out, neurons(0, then=other))
    assert ids(source(str(out))) == ["m/L1N0", "m/L1N1"]
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_stands_under_the_name_before_the_end(tmp_path):
    out = tmp_path / "a.txt"
    with unfinished(out) as beside:
        beside.write_text("whole")
        assert list(tmp_path.iterdir()) == [beside]
        assert (beside.parent, beside.suffix, beside.name[0]) == (tmp_path, ".txt", ".")
    assert out.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    out = tmp_path / "a"
    out.mkdir()
    with pytest.raises(OSError, match="a"), unfinished(out) as beside:
        beside.write_text("whole")
    assert list(tmp_path.iterdir()) == [out]


HELD = "from pathlib import Path; from neuron_eval.files.locking import unfinished"


def held(out):
    """Another process that has begun a file and waits."""
    return other_process(
        HELD, f"with unfinished(Path({str(out)!r})) as beside: beside.write_text('whole'); hold()"
    )


def test_the_file_of_a_living_writer_stays_until_it_is_whole(tmp_path):
    with held(tmp_path / "a.txt") as first:
        (beside,) = tmp_path.iterdir()
        write(tmp_path / "b.jsonl", neurons(0))
        assert beside.exists()
        first.communicate("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.jsonl"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_the_file_of_a_killed_writer_goes_with_the_next_writer_there(tmp_path):
    with held(tmp_path / "a.txt") as first:
        first.kill()
    (beside,) = tmp_path.iterdir()
    write(tmp_path / "b.jsonl", neurons(0))
    assert not beside.exists()


NAME = ".unfinished-{}0123456789abcdef0123456789abcdef-a.txt"


@pytest.mark.parametrize("host", ["00000000-", ""], ids=["another machine", "an earlier version"])
def test_what_may_be_locked_where_it_cannot_be_seen_stays_for_a_day(tmp_path, host):
    new, old = tmp_path / "new", tmp_path / "old"
    for folder in (new, old):
        folder.mkdir()
        (folder / NAME.format(host)).touch()
    ago = time.time() - LONG - 60
    os.utime(old / NAME.format(host), (ago, ago))
    for folder in (new, old):
        write(folder / "b.jsonl", neurons(0))
    assert [path.name for path in old.iterdir()] == ["b.jsonl"]
    assert len(list(new.iterdir())) == 2


def test_where_there_are_no_locks_and_for_other_names_nothing_is_removed(tmp_path, monkeypatch):
    @contextmanager
    def none(descriptor, *, exclusive, wait=True):
        yield False

    monkeypatch.setattr("neuron_eval.files.locking.locked", none)
    with unfinished(tmp_path / "a.txt") as beside:
        beside.write_text("mine")
        left = beside.with_name(beside.name.replace("a.txt", "b.txt"))
    left.touch()
    other = tmp_path / ".unfinished-notes"
    other.touch()
    _remove_abandoned.cache_clear()
    write(tmp_path / "c.jsonl", neurons(0))
    assert left.exists()
    monkeypatch.undo()
    _remove_abandoned.cache_clear()
    write(tmp_path / "c.jsonl", neurons(0))
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "a.txt", tmp_path / "c.jsonl"]
