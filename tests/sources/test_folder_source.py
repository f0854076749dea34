import gzip
import json
from dataclasses import replace

import pytest
from neuronpedia_files import feature, write_json

from neuron_eval.records import RecordError
from neuron_eval.sources import looking, open_source, opening, schema
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.choosing import Choice
from neuron_eval.sources.folder import FolderSource
from neuron_eval.sources.loading import load
from neuron_eval.sources.openai import collated
from neuron_eval.sources.parquet import write_parquet
from neuron_eval.testing import make_neuron


def neuron(i):
    return replace(make_neuron(f"m/L0N{i}", excerpts=4), neuron=i)


@pytest.fixture
def folder(tmp_path):
    """Three files, in another order than their neurons, and some that are none of ours."""
    folder = tmp_path / "neurons"
    (folder / "inner").mkdir(parents=True)
    schema.write(folder / "b.jsonl.gz", [neuron(3), neuron(2)])
    schema.write(folder / "c.jsonl", [neuron(1)])
    write_parquet(folder / "a.parquet", [neuron(5), neuron(4)])
    (folder / "README.md").write_text("not neurons")
    (folder / ".unfinished-d.jsonl").write_text("half")
    schema.write(folder / "inner" / "d.jsonl", [neuron(9)])
    return folder


def test_every_file_is_read_in_the_order_of_names(folder):
    source = FolderSource(str(folder))
    assert list(source.read()) == [neuron(i) for i in (5, 4, 3, 2, 1)]
    assert [key.neuron for key in list(source.keys())] == [5, 4, 3, 2, 1]
    assert list(open_source(str(folder)).read()) == list(source.read())


def test_the_wanted_ones_come_from_whichever_file_has_them(folder):
    source = FolderSource(str(folder))
    wanted = [NeuronKey(f"m/L0N{i}", 0, i) for i in (1, 4, 3, 77)]
    assert list(source.read(wanted)) == [neuron(4), neuron(3), neuron(1)]


def test_files_are_opened_in_their_turn(folder, monkeypatch):
    for i in range(10, 40):
        schema.write(folder / f"d{i}.jsonl", [neuron(i)])
        write_json(folder, feature(index=i), f"e{i}.json")
    looks = []
    monkeypatch.setattr(opening, "head", lambda path: looks.append(path) or looking.head(path))
    chosen = Choice(str(folder), limit=7)
    assert [n.neuron for n in load(chosen)] == [5, 4, 3, 2, 1, 10, 11]
    assert len(looks) == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("batch-1.json", None, r"batch-1\.json: cannot be read \(No such file or directory\)"),
        ("d.jsonl", None, r"d\.jsonl: cannot be read \(No such file or directory\)"),
        ("batch-1.json", "", r"batch-1\.json: .*it is empty, or cannot be unpacked$"),
        ("mine.json", [schema.to_json(neuron(7))], r"mine\.json: .*it most resembles this project"),
    ],
)
def test_a_file_that_would_be_missing_is_no_file_to_leave_alone(folder, name, content, message):
    if content is None:
        (folder / name).symlink_to("nowhere")
    else:
        (folder / name).write_text(content and json.dumps(content))
    with pytest.raises(SourceError, match=message):
        list(FolderSource(str(folder)).read())


@pytest.mark.parametrize("name", ["nowhere", "itself.jsonl"])
def test_a_link_that_leads_nowhere_is_told_of(tmp_path, name):
    (tmp_path / "itself.jsonl").symlink_to(name)
    with pytest.raises(SourceError, match="is a link that leads nowhere, or to itself"):
        open_source(str(tmp_path / "itself.jsonl"))


def test_a_folder_that_may_not_be_opened_is_named(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(collated, "find_store", refused)
    with pytest.raises(SourceError, match=r"^/.*: cannot be read \(Permission denied\)"):
        open_source(str(tmp_path))


def test_files_after_the_last_wanted_one_are_left_alone(folder):
    (folder / "c.jsonl").write_text("{broken")
    wanted = [NeuronKey(f"m/L0N{i}", 0, i) for i in (2, 4)]
    assert list(FolderSource(str(folder)).read(wanted)) == [neuron(4), neuron(2)]


def test_an_id_in_two_files_is_told_of_with_both(folder):
    schema.write(folder / "c.jsonl", [neuron(4), neuron(1)])
    source = FolderSource(str(folder))
    message = f"{folder / 'c.jsonl'}: neuron m/L0N4: stands in {folder / 'a.parquet'} too; an id"
    (bad,) = [n for n in source.read() if isinstance(n, Unreadable)]
    assert str(bad.error).startswith(message)
    with pytest.raises(RecordError) as error:
        list(source.keys())
    assert str(error.value).startswith(message)


def test_a_file_that_breaks_off_is_told_of_and_the_next_is_read(folder):
    whole = gzip.decompress((folder / "b.jsonl.gz").read_bytes())
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(whole)[:-9])
    found = list(FolderSource(str(folder)).read())
    (bad,) = [n for n in found if isinstance(n, Unreadable)]
    assert bad.name == str(folder / "b.jsonl.gz")
    assert "cut off" in str(bad.error)
    assert found[-1] == neuron(1)
    with pytest.raises(RecordError, match="cut off"):
        list(FolderSource(str(folder)).keys())


def test_parquet_files_are_looked_at_before_any_is_read(folder):
    (folder / "z.parquet").write_bytes(b"PAR1")
    for read in (FolderSource(str(folder)).read, FolderSource(str(folder)).keys):
        with pytest.raises(SourceError, match=r"z\.parquet: cut off or not a Parquet file"):
            next(iter(read()))


def test_a_folder_without_neurons_says_what_was_looked_for(tmp_path):
    with pytest.raises(SourceError, match=r"holds no file ending in \.jsonl, \.jsonl\.gz, \.par"):
        list(FolderSource(str(tmp_path)).read())
    with pytest.raises(SourceError, match="cannot be read"):
        list(FolderSource(str(tmp_path / "none")).keys())
    with pytest.raises(SourceError, match="holds no published scores"):
        FolderSource(str(tmp_path)).scores([])
