import io
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from neuron_eval.records import ActivationRecord, RecordError
from neuron_eval.sources.arrow import ROWS, SCHEMA
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.parquet import ParquetSource, write_parquet
from neuron_eval.testing import make_neuron


def with_column(name, values):
    def change(table):
        return table.set_column(table.schema.get_field_index(name), name, values(table[name]))

    return change


def test_listing_neurons_reads_no_activations(counted, path):
    keys = list(counted.keys())
    assert keys == [NeuronKey(f"m/L0N{i}", 0, i) for i in range(10 * ROWS)]
    assert Counted.sent < path.stat().st_size / 3


def test_the_wanted_ones_are_read_with_their_row_group_alone(counted, path):
    footer = pq.ParquetFile(path).metadata.serialized_size
    list(counted.read())
    whole, Counted.sent = Counted.sent, 0
    wanted = [NeuronKey(f"m/L0N{i}", 0, i) for i in (5 * ROWS + 1, 5 * ROWS, 7)]
    found = list(counted.read(wanted))
    assert found == [neuron(i, word=f" w{i}") for i in (7, 5 * ROWS, 5 * ROWS + 1)]
    assert Counted.sent - footer < 0.35 * (whole - footer)
    assert list(counted.read([NeuronKey("m/L9N9", 9, 9)])) == []


def narrow(column):
    """Excerpts as other programs write them: large lists and strings, floats, fields reversed."""
    number, text = pa.large_list(pa.float32()), pa.large_list(pa.large_string())
    excerpts = pa.large_list(pa.struct([("activations", number), ("tokens", text)]))
    rows = [[{k: e[k] for k in ("activations", "tokens")} for e in r] for r in column.to_pylist()]
    return pa.array(rows, excerpts)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.select(reversed(table.column_names)),
        lambda table: table.append_column("__index_level_0__", pa.array(range(len(table)))),
        lambda table: table.drop_columns(["splits", "cutoff", "other_explanations"]),
        with_column("layer", lambda column: column.cast(pa.int8())),
        with_column("id", lambda column: column.dictionary_encode()),
        with_column("splits", lambda column: pa.nulls(len(column))),
        with_column("top", lambda column: narrow(column)),
        lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
    ],
)
def test_what_other_programs_write_is_read(path, change):
    found = list(rewritten(path, change).read())
    expected = [neuron(i) for i in range(3)]
    assert ids(found) == ids(expected)
    assert [n.reference for n in found] == [n.reference for n in expected]
    for kind in ("top", "random"):
        theirs, ours = ([r for n in ns for r in getattr(n, kind)] for ns in (found, expected))
        assert [r.tokens for r in theirs] == [r.tokens for r in ours]
        assert [r.activations for r in theirs] == [pytest.approx(r.activations) for r in ours]


def test_lists_by_their_older_name_in_one_large_row_group_are_read(path):
    neurons = [neuron(i) for i in range(3 * ROWS)]
    write_parquet(path, neurons)
    table = pq.read_table(path).cast(SCHEMA)
    pq.write_table(table, path, use_compliant_nested_type=False, compression="snappy")
    assert pq.ParquetFile(path).num_row_groups == 1
    leaves = pq.ParquetFile(path).schema
    names = [leaves.column(i).path for i in range(len(leaves))]
    assert "top.list.item.tokens.list.item" in names
    assert list(ParquetSource(str(path)).read()) == neurons


def test_whole_numbers_are_activations_too(path):
    excerpts = pa.list_(
        pa.struct([("tokens", pa.list_(pa.string())), ("activations", pa.list_(pa.int64()))])
    )
    values = [[{"tokens": ["a", "b"], "activations": [1, i]}] for i in range(3)]
    source = rewritten(path, with_column("random", lambda _: pa.array(values, excerpts)))
    assert [n.random for n in source.read()] == [
        (ActivationRecord(("a", "b"), (1.0, float(i))),) for i in range(3)
    ]
    assert repr(next(source.read()).random[0].activations) == "(1.0, 0.0)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["top", "id"]), r"missing column\(s\) 'id', 'top'$"),
        (
            lambda t: t.append_column("colour", pa.array(["red"] * 3)),
            r"unknown column\(s\) 'colour'; allowed are id, model",
        ),
        (
            with_column("layer", lambda c: c.cast(pa.string())),
            r"column 'layer' is of type string; expected int64$",
        ),
        (
            with_column("top", lambda c: pa.array([[["a"]]] * 3)),
            r"column 'top' is of type list<list<string>>; expected list<struct<tokens: "
            r"list<string>, activations: list<double>>>$",
        ),
        (
            with_column("reference", lambda c: pa.array([{"explanation": "a"}] * 3)),
            r"column 'reference' is of type struct<explanation: string>; expected struct<expl",
        ),
        (
            lambda t: t.append_column("id", t["id"]),
            r"column 'id' is there twice$",
        ),
    ],
)
def test_wrong_columns_are_refused_before_anything_is_read(path, change, message):
    source = rewritten(path, change)
    for read in (source.read, source.keys, source.check):
        with pytest.raises(SourceError, match=message) as error:
            list(read() or ())
        assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[1]["top"][2]["activations"].__setitem__(3, None),
            "neuron m/L0N1: excerpt top 2: field 'activations': value 3 is None (NaN?); expected",
        ),
        (
            lambda rows: rows[1]["top"][2]["activations"].__setitem__(3, float("nan")),
            "neuron m/L0N1: excerpt top 2: field 'activations': value 3 is nan; activations must",
        ),
        (
            lambda rows: rows[1]["random"][0]["tokens"].__setitem__(3, None),
            "neuron m/L0N1: excerpt random 0: field 'tokens': token 3 is None, not a string",
        ),
        (
            lambda rows: rows[1]["random"][0]["tokens"].pop(),
            "neuron m/L0N1: excerpt random 0: 10 tokens but 11 activations; fields",
        ),
        (
            lambda rows: rows[1]["random"].__setitem__(0, None),
            "neuron m/L0N1: excerpt random 0: expected an object with 'tokens' and",
        ),
        (
            lambda rows: rows[1].update(top=None),
            "neuron m/L0N1: field 'top' is None; expected list",
        ),
        (
            lambda rows: rows[1].update(reference={"explanation": "a", "source": None}),
            "neuron m/L0N1: field 'reference': field 'source' is None; expected str",
        ),
        (
            lambda rows: rows[1].update(model=None),
            "neuron m/L0N1: field 'model' is None; expected str",
        ),
        (
            lambda rows: rows[1].update(quantiles=[0.5]),
            "neuron m/L0N1: 1 'quantiles' but 3 'quantile_boundaries'",
        ),
    ],
)
def test_a_bad_row_is_told_of_and_the_next_one_is_read(path, change, message):
    first, bad, last = rewritten(path, with_rows(change)).read()
    assert [first, last] == [neuron(0), neuron(2)]
    assert bad.name == "m/L0N1"
    assert str(bad.error).startswith(f"{path}, row 1: {message}")


def test_a_text_that_is_not_utf8_is_told_of(path):
    def spoil(column):
        raw = pa.array([b"fine", b"\xff", b"fine"])
        return pa.StringArray.from_buffers(3, *raw.buffers()[1:])

    first, bad, last = rewritten(path, with_column("group", spoil)).read()
    assert [first.group, last.group] == ["fine", "fine"]
    assert str(bad.error).startswith(f"{path}, row 1: a text is not UTF-8")


@pytest.mark.parametrize("field", ["id", "layer", "neuron"])
def test_a_row_without_an_identity_cannot_be_chosen_but_told_of(path, field):
    source = rewritten(path, with_rows(lambda rows: rows[1].update({field: None})))
    with pytest.raises(RecordError, match=rf"row 1: .* field '{field}' is None; expected"):
        list(source.keys())
    found = list(source.read())
    assert [isinstance(n, Unreadable) for n in found] == [False, True, False]
    assert f"row 1: neuron {'None' if field == 'id' else 'm/L0N1'}" in str(found[1].error)


def test_an_id_that_stands_twice_is_told_of_with_both_rows(path):
    write_parquet(path, [neuron(0), neuron(1), neuron(0)])
    source = ParquetSource(str(path))
    *sound, bad = source.read()
    assert sound == [neuron(0), neuron(1)]
    message = f"{path}, row 2: column 'id': 'm/L0N0' stands in row 0 too; ids must be unique"
    assert str(bad.error) == message
    with pytest.raises(RecordError, match="row 2: column 'id'"):
        list(source.keys())


def test_what_is_not_a_whole_parquet_file_is_said_so(path):
    write_parquet(path, [neuron(0)])
    whole = path.read_bytes()
    for content in (b"", b"neither", whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"n\.parquet: cut off or not a Parquet file"):
            list(ParquetSource(str(path)).read())
    path.unlink()
    with pytest.raises(SourceError, match=r"n\.parquet: there is no such file"):
        list(ParquetSource(str(path)).keys())
    with pytest.raises(SourceError, match="holds no published scores"):
        ParquetSource(str(path)).scores([])


def test_a_damaged_row_group_is_named_after_what_came_before(path):
    write_parquet(path, [neuron(i) for i in range(2 * ROWS)])
    group = pq.ParquetFile(path).metadata.row_group(1)
    columns = [group.column(i) for i in range(group.num_columns)]
    (second,) = [c for c in columns if c.path_in_schema == "top.list.element.tokens.list.element"]
    data = bytearray(path.read_bytes())
    data[second.data_page_offset + second.total_compressed_size // 2] ^= 0xFF
    path.write_bytes(data)
    before = []
    with pytest.raises(RecordError, match=r"rows 64 to 127 \(row group 1\) cannot be read"):
        before.extend(ParquetSource(str(path)).read())
    assert before == [neuron(i) for i in range(ROWS)]


def test_an_interrupted_writing_leaves_the_old_file(path):
    write_parquet(path, [neuron(0)])
    before = path.read_bytes()

    def interrupted():
        yield from (neuron(i) for i in range(ROWS + 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(path, interrupted())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_writing_takes_neurons_one_row_group_at_a_time(path):
    taken = []
    written = []

    def neurons():
        for i in range(3 * ROWS):
            taken.append(i)
            (unfinished,) = path.parent.iterdir()
            written.append(unfinished.stat().st_size)
            yield neuron(i)

    assert write_parquet(path, neurons()) == 3 * ROWS == len(taken)
    assert written[0] < written[ROWS] < written[2 * ROWS]


def test_long_neurons_make_small_row_groups(path, monkeypatch):
    monkeypatch.setattr("neuron_eval.sources.arrow.TOKENS", 150)
    write_parquet(path, [neuron(i) for i in range(6)])
    assert pq.ParquetFile(path).num_row_groups == 3
    assert list(ParquetSource(str(path)).read()) == [neuron(i) for i in range(6)]


def test_a_number_of_more_than_64_bits_is_refused_on_writing(path):
    with pytest.raises(RecordError, match=r"'m/L0N0' to 'm/L0N1': cannot be written"):
        write_parquet(path, [neuron(0), replace(neuron(1), layer=2**70)])
    assert list(path.parent.iterdir()) == []


def test_reading_imports_no_pandas_which_takes_longer_than_the_first_record(path):
    write_parquet(path, [neuron(0)])
    code = (
        "import sys; from neuron_eval.sources.parquet import ParquetSource;"
        "source = ParquetSource(sys.argv[1]); list(source.read(list(source.keys())));"
        "print('pyarrow' in sys.modules, 'pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.check_output(command, text=True).split() == ["True", "False"]


def neuron(i, **options):
    return replace(make_neuron(f"m/L0N{i}", excerpts=4, **options), neuron=i)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "n.parquet"


def rewritten(path, change, neurons=3):
    """The file of some neurons after a change of its Arrow table."""
    write_parquet(path, [neuron(i) for i in range(neurons)])
    table = change(pq.read_table(path))
    pq.write_table(table, path)
    return ParquetSource(str(path))


def with_rows(change):
    """A change of the rows as Python objects; the types stay."""

    def changed(table):
        rows = table.to_pylist()
        change(rows)
        return pa.Table.from_pylist(rows, schema=table.schema)

    return changed


def ids(found):
    return [n.name if isinstance(n, Unreadable) else n.id for n in found]


class Counted(io.FileIO):
    """A file that knows how many bytes were read from it."""

    sent = 0

    def readinto(self, buffer):
        count = super().readinto(buffer)
        Counted.sent += count
        return count


@pytest.fixture
def counted(path):
    """A file of ten row groups, whose reading is counted."""
    write_parquet(path, [neuron(i, word=f" w{i}") for i in range(10 * ROWS)])
    assert pq.ParquetFile(path).num_row_groups == 10
    Counted.sent = 0
    return ParquetSource(str(path), lambda: Counted(path))
