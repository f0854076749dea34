import pytest

from neuron_eval.records import RecordError
from neuron_eval.sources.jsonl import JsonlSource, write
from neuron_eval.sources.parquet import ParquetSource, write_parquet
from neuron_eval.testing import make_neuron
from neuron_eval.unfinished import unfinished

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
