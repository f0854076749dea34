"""Text from files and from datasets."""

import json

import pytest

from neuron_eval.recording import RecordingError
from neuron_eval.recording.texts import DatasetName, parse_dataset, read_dataset, read_files


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [{"text": "one 🙂", "n": 1}, {"text": "", "n": 2}, {"text": None, "n": 3}]
    lines.append({"text": "two\nlines", "n": 4})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("a/b", DatasetName("a/b", "train", "text")),
        ("a/b:test", DatasetName("a/b", "test", "text")),
        ("a/b:test:body", DatasetName("a/b", "test", "body")),
    ],
)
def test_a_dataset_is_named_with_split_and_column(spec, parsed):
    assert parse_dataset(spec) == parsed


@pytest.mark.parametrize("spec", ["", "a:", "a::b", "a:b:c:d"])
def test_what_names_no_dataset_is_refused(spec):
    with pytest.raises(RecordingError, match="expected NAME, NAME:SPLIT or NAME:SPLIT:COLUMN"):
        parse_dataset(spec)


def test_files_are_read_whole_in_order_without_a_byte_order_mark(tmp_path):
    paths = [tmp_path / "b.txt", tmp_path / "a.txt"]
    paths[0].write_text("﻿é\n\nx", encoding="utf-8")
    paths[1].write_text("second", encoding="utf-8")
    assert list(read_files(paths)) == ["é\n\nx", "second"]


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(RecordingError, match=r"latin\.txt: not UTF-8 text"):
        list(read_files([path]))


@pytest.mark.parametrize("folder", [False, True])
def test_the_rows_of_a_local_dataset_are_texts_and_empty_ones_are_passed_over(rows, folder):
    name = str(rows.parent if folder else rows)
    assert list(read_dataset(DatasetName(name))) == ["one 🙂", "two\nlines"]


def test_a_missing_column_is_refused_with_those_there_are(rows):
    with pytest.raises(RecordingError, match="row 0: no column 'body'; there are 'text', 'n'"):
        list(read_dataset(DatasetName(str(rows), column="body")))


def test_a_column_that_holds_no_text_is_refused_by_row(rows):
    with pytest.raises(RecordingError, match="row 0: column 'n' holds 1, not text"):
        list(read_dataset(DatasetName(str(rows), column="n")))


def test_a_missing_split_is_refused(rows):
    with pytest.raises(RecordingError, match=r":nosuch:text: cannot be opened"):
        list(read_dataset(DatasetName(str(rows), split="nosuch")))


def test_a_file_of_another_kind_is_refused_with_what_would_do(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x", encoding="utf-8")
    with pytest.raises(RecordingError, match="for plain text use --text"):
        list(read_dataset(DatasetName(str(path))))


def test_a_broken_row_is_refused_by_its_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": \n', encoding="utf-8")
    with pytest.raises(RecordingError, match="after row"):
        list(read_dataset(DatasetName(str(path))))
