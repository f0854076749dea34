"""Files of explanations, sound and broken."""

import gzip
import json
import re

import pytest

from neuron_eval.given.reading import read_table
from neuron_eval.given.table import TableError

CSV = """\
Layer,Neuron,Original,HighlightSummary
0,286, words that compare.,"words, phrases and
the ""like"" of comparisons. "
5,131,,animals.
"""
NEURONS = ((0, 286), (5, 131))
ORIGINAL = {(0, 286): " words that compare."}
HIGHLIGHT = {(0, 286): 'words, phrases and\nthe "like" of comparisons. ', (5, 131): "animals."}


def write(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return str(path)


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_parquet(tmp_path, columns, name="table.parquet"):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / name
    parquet.write_table(pa.table(columns), path)
    return str(path)


def refused(path, message):
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        read_table(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "TABLE.CSV"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_a_csv_file_keeps_its_texts_untrimmed_and_its_empty_cells_empty(tmp_path, name, mark):
    table = read_table(write(tmp_path, mark + CSV.encode(), name))
    assert table.columns == ("Original", "HighlightSummary")
    assert table.keys == NEURONS
    assert table.texts == {"Original": ORIGINAL, "HighlightSummary": HIGHLIGHT}
    assert table.name == name
    assert re.fullmatch(r"[0-9a-f]{64}", table.sha256)


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_json_lines_hold_the_same(tmp_path, name):
    rows = (
        {
            "layer": 0,
            "NEURON": 286,
            "Original": ORIGINAL[0, 286],
            "HighlightSummary": HIGHLIGHT[0, 286],
        },
        {"layer": 5, "NEURON": 131, "Original": None, "HighlightSummary": "animals."},
    )
    table = read_table(write(tmp_path, "\n" + jsonl(*rows), name))
    assert table.keys == NEURONS
    assert table.texts == {"Original": ORIGINAL, "HighlightSummary": HIGHLIGHT}


def test_parquet_holds_the_same_and_an_index_is_no_column(tmp_path):
    columns = {
        "layer": [0, 5],
        "neuron": [286.0, 131.0],
        "Original": [ORIGINAL[0, 286], None],
        "HighlightSummary": list(HIGHLIGHT.values()),
        "__index_level_0__": ["a", "b"],
    }
    table = read_table(write_parquet(tmp_path, columns))
    assert table.keys == NEURONS
    assert table.texts == {"Original": ORIGINAL, "HighlightSummary": HIGHLIGHT}


def test_columns_that_say_something_else_are_no_explanations(tmp_path):
    header = ",layer,neuron,Explainer,Score,model,group,source,index,NeuronViewer,tokens,AVHS\n"
    row = "0,10,1838,gpt-3.5-turbo,0.3,gpt2-xl,random,paper,7, oneself.,2378,pronouns.\n"
    table = read_table(write(tmp_path, header + row))
    assert table.columns == ("NeuronViewer", "AVHS")


def test_rows_may_be_told_apart_by_sample_id(tmp_path):
    table = read_table(write(tmp_path, "ID,explanation\ngpt2-xl/L5N131,animals.\npuzzles/7,x\n"))
    assert table.by_id
    assert table.texts["explanation"] == {"gpt2-xl/L5N131": "animals.", "puzzles/7": "x"}
    assert table.key("puzzles/7", 3, 4) == "puzzles/7"


def test_layer_and_neuron_go_before_an_id(tmp_path):
    table = read_table(write(tmp_path, "id,layer,neuron,Summary\n77,5.0,131,animals.\n"))
    assert not table.by_id
    assert table.key("anything", 5, 131) in table.texts["Summary"]


def test_lines_that_hold_nothing_are_left_out(tmp_path):
    table = read_table(write(tmp_path, "\nlayer,neuron,Summary\n\n0,1,cats\n,,\n0,2,dogs\n\n\n"))
    assert table.keys == ((0, 1), (0, 2))


def test_white_space_alone_is_no_explanation(tmp_path):
    table = read_table(write(tmp_path, "layer,neuron,Summary\n0,1,cats\n0,2, \n"))
    assert table.texts["Summary"] == {(0, 1): "cats"}
    assert table.keys == ((0, 1), (0, 2))


def test_columns_are_found_in_any_case_and_errors_list_them(tmp_path):
    table = read_table(write(tmp_path, CSV))
    assert table.column("highlightsummary") == "HighlightSummary"
    with pytest.raises(TableError, match=r"column 'AVHS'; there are: Original, HighlightSummary"):
        table.column("AVHS")
    with pytest.raises(TableError, match=r"name one of .*: Original, HighlightSummary"):
        table.column(None)


def test_the_only_column_needs_no_name(tmp_path):
    table = read_table(write(tmp_path, "layer,neuron,score,explanation\n0,1,0.5, cats\n"))
    assert table.column(None) == "explanation"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("layer,index,Summary\n0,1,cats\n", "no columns 'layer' and 'neuron', and no column 'id'"),
        ("0,286,words that compare.\n1,2,cats\n", "it has '0', '286', 'words that compare.'"),
        ("layer,neuron,Summary\n0,1,cats\n0,two,dogs\n", "line 3: field 'neuron' is 'two'"),
        ("Layer,neuron,Summary\n0.5,1,cats\n", "line 2: field 'Layer' is '0.5'; expected a whole"),
        ("layer,neuron,Summary\n,1,cats\n", "line 2: field 'layer' is ''; expected a whole number"),
        ("layer,neuron,Summary\n-1,1,cats\n", "field 'layer' is '-1'"),
        ("id,layer,neuron,Summary\nx,-1,-1,cats\n", "leave out layer and neuron to go by id"),
        ("id,Summary\n ,cats\n", "line 2: field 'id' is ' '; expected the id of a sample"),
        (
            'layer,neuron,Summary\n0,1,"cats\nand more"\n3,4,x\n0,1,dogs\n',
            "line 5: layer 0, neuron 1 stands on line 2 too",
        ),
        ("id,Summary\na,cats\na,dogs\n", "line 3: id 'a' stands on line 2 too"),
        (
            "layer,neuron,Summary,SUMMARY\n0,1,cats,dogs\n",
            "columns 'Summary' and 'SUMMARY' have the same name",
        ),
        ("layer,neuron,Summary\n", "no rows"),
        ("", "no rows"),
        ("layer,neuron,Original\n0,286,0.838\n", "no column of explanations; it has layer, neuron"),
        ("layer,neuron,A,B\n0,1,cats,dogs\n0,2,ca", "line 3: 3 values, but the first line names 4"),
        ("layer,neuron,A\n0,1,cats, dogs\n", "line 2: 4 values, but the first line names 3"),
        ('layer,neuron,A\n0,1,x\n0,2,"cats and\ndo', "line 3: not valid CSV, or cut off"),
        ("layer,neuron,A\n0,1,caf\xe9\n".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
        ("layer,neuron,A\n0,1,cats\n".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_csv_file_is_refused_with_line_field_and_value(tmp_path, content, message):
    refused(write(tmp_path, content), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"layer": 0, "neuron": 1, "A": "cats"}\n{"layer": 0, "ne', "line 2: not valid JSON, or"),
        ("[1, 2]\n", "line 1: is a list; expected a JSON object"),
        (jsonl({"layer": True, "neuron": 1, "A": "x"}), "line 1: field 'layer' is True"),
        (jsonl({"layer": None, "neuron": 1, "A": "x"}), "line 1: field 'layer' is None"),
        (
            jsonl({"layer": 0, "neuron": 1, "A": "x"}, {"layer": 0, "A": "y"}),
            "line 2: no field 'neuron', which the rows above have",
        ),
        (
            jsonl({"id": "a", "A": "x"}, {"id": "b", "A": ["y"]}),
            "line 2: field 'A' is ['y']; expected a text, or nothing",
        ),
        (jsonl({"id": ["a"], "A": "x"}), "line 1: field 'id' is ['a']"),
        (jsonl({"id": "a\ud800", "A": "x"}), "line 1: field 'id' is 'a\\ud800'; expected the id"),
        ("[" * 100_000, "line 1: not valid JSON"),
    ],
)  # fmt: skip
def test_a_bad_json_lines_file_is_refused_with_line_field_and_value(tmp_path, content, message):
    refused(write(tmp_path, content, "table.jsonl"), message)


def test_fields_that_are_never_texts_are_no_explanations(tmp_path):
    rows = jsonl({"id": "a", "A": "x", "tokens": 5, "spans": [1]}, {"id": "b", "A": "y"})
    assert read_table(write(tmp_path, rows, "t.jsonl")).columns == ("A",)


def test_a_cut_gzip_file_is_refused(tmp_path):
    path = write(tmp_path, CSV * 1, "table.csv.gz")
    whole = (tmp_path / "table.csv.gz").read_bytes()
    (tmp_path / "table.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(path, "not a gzip file, or cut off")
    (tmp_path / "table.csv.gz").write_bytes(b"plain text")
    refused(path, "not a gzip file, or cut off")


def test_a_cut_parquet_file_is_refused(tmp_path):
    path = write_parquet(tmp_path, {"layer": [0], "neuron": [1], "A": ["cats"]})
    whole = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "table.parquet").write_bytes(whole[:-20])
    refused(path, "not a Parquet file, or cut off")


def test_parquet_errors_name_the_row(tmp_path):
    columns = {"layer": [0, None], "neuron": [1, 2], "A": ["cats", "dogs"]}
    refused(write_parquet(tmp_path, columns), "row 2: field 'layer' is None")


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.parquet.gz", "table.json"])
def test_other_files_are_refused_with_what_would_do(tmp_path, name):
    refused(write(tmp_path, CSV, name), "expected a file that ends in .csv, .csv.gz, .jsonl")


def test_a_file_that_changes_is_read_again(tmp_path):
    path = write(tmp_path, "id,A\na,cats\n")
    first = read_table(path)
    assert read_table(path) is first
    write(tmp_path, "id,A\na,cats and dogs\n")
    assert read_table(path).texts["A"] == {"a": "cats and dogs"}
    assert read_table(path).sha256 != first.sha256
