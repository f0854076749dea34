import gzip
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, RecordError, Reference
from neuron_eval.records.checks import HIGHEST, check_record, fault_of
from neuron_eval.sources import schema
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.parquet import ParquetSource, write_parquet
from neuron_eval.sources.puzzles import bundled_puzzles
from neuron_eval.sources.schema import JsonlSource
from neuron_eval.testing import make_neuron

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TOKENS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ACTIVATIONS = st.floats(-HIGHEST, HIGHEST)
PAIRS = st.lists(st.tuples(TOKENS, ACTIVATIONS), min_size=1, max_size=4)
REFERENCES = st.builds(Reference, TEXTS, TEXTS)
SPLITS = ("train", "calibration", "valid", "test")


def excerpt(pairs):
    return ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs))


@st.composite
def neurons(draw):
    """A sound record with any of the optional fields."""
    drawn = draw(st.lists(PAIRS, max_size=8, unique_by=lambda pairs: "".join(t for t, _ in pairs)))
    records = [excerpt(pairs) for pairs in drawn]
    cuts = sorted(draw(st.lists(st.integers(0, len(records)), min_size=3, max_size=3)))
    top, random, placed = (
        records[: cuts[0]],
        records[cuts[0] : cuts[1]],
        [records[cuts[1] : cuts[2]], records[cuts[2] :]],
    )
    # What the explainer is shown cannot be empty.
    fixed = [("train", "valid"), SPLITS] if placed[0] else []
    names = draw(st.sampled_from([(), *fixed]))
    kinds = st.sampled_from(["top", "random", "sentence", "further"])
    splits = tuple(
        (
            name,
            tuple(
                Excerpt(draw(kinds), i, record)
                for i, record in enumerate(placed[n] if n < 2 else ())
            ),
        )
        for n, name in enumerate(names)
    )
    levels = sorted(draw(st.lists(FINITE, max_size=3)))
    return NeuronRecord(
        id=draw(TOKENS.filter(lambda text: not fault_of(text))),
        model=draw(TEXTS),
        layer=draw(st.integers(-1, 2**31)),
        neuron=draw(st.integers(-1, 2**31)),
        top=tuple(sorted(top, key=lambda record: -record.peak)),
        random=tuple(random),
        quantiles=tuple(levels) if draw(st.booleans()) else (),
        quantile_boundaries=tuple(levels),
        reference=draw(st.none() | REFERENCES),
        group=draw(TEXTS),
        other_explanations=tuple(draw(st.lists(REFERENCES, max_size=2))),
        false_explanations=tuple(draw(st.lists(TEXTS, max_size=2))),
        cutoff=draw(st.none() | FINITE),
        given_splits=splits,
        special_tokens=tuple(draw(st.lists(TEXTS, max_size=2))),
        repeated=draw(st.integers(0, 2**31)),
        page=draw(st.just("") | TEXTS.map("https://{}".format)),
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(neurons(), min_size=1, max_size=3, unique_by=lambda neuron: neuron.id))
def test_every_record_survives_both_containers_exactly(records):
    for record in records:
        check_record(record, "strategy")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("n.jsonl", "n.jsonl.gz"):
            schema.write(folder / file, records)
            # The text tells a negative zero from zero, which == does not.
            assert repr(list(schema.read(folder / file))) == repr(records)
        write_parquet(folder / "n.parquet", records)
        assert repr(list(ParquetSource(str(folder / "n.parquet")).read())) == repr(records)


def test_puzzles_keep_their_splits_cutoff_and_false_explanations(tmp_path):
    puzzles = list(bundled_puzzles())
    assert all(p.given_splits and p.cutoff and p.false_explanations for p in puzzles)
    schema.write(tmp_path / "p.jsonl", puzzles)
    assert list(schema.read(tmp_path / "p.jsonl")) == puzzles
    write_parquet(tmp_path / "p.parquet", puzzles)
    assert list(ParquetSource(str(tmp_path / "p.parquet")).read()) == puzzles


def test_what_has_no_value_is_left_out_and_null_means_the_same():
    plain = make_neuron(reference=None)
    plain = replace(plain, group="", quantiles=(), quantile_boundaries=())
    data = schema.to_json(plain)
    assert set(data) == {"id", "model", "layer", "neuron", "top", "random"}
    optional = ("group", "quantiles", "cutoff", "reference", "other_explanations", "splits")
    assert schema.from_json({**data, **dict.fromkeys(optional)}, "x") == plain


PLACED = {"kind": "sentence", "index": 0, "tokens": ["a"], "activations": [1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoff": "1"}, r"field 'cutoff' is '1'; expected a number"),
        ({"cutoff": float("inf")}, r"field 'cutoff' is inf; it must be finite"),
        ({"false_explanations": "cats"}, r"field 'false_explanations' is 'cats'; expected list"),
        ({"special_tokens": [1]}, r"field 'special_tokens': value 0 is 1, not a string"),
        ({"repeated": -1}, r"field 'repeated' is -1; expected how many .* a whole number from 0"),
        ({"page": "javascript:alert(1)"}, r"field 'page' is .*; expected .* beginning with https"),
        ({"repeated": 1.5}, r"field 'repeated' is 1.5; expected int"),
        ({"false_explanations": [1]}, r"field 'false_explanations': value 0 is 1, not a string"),
        ({"other_explanations": ["cats"]}, r"'other_explanations': value 0 is 'cats'; expected"),
        ({"other_explanations": [{"explanation": "a"}]}, r"object with 'explanation', 'source'"),
        ({"splits": []}, r"field 'splits' is \[\]; expected dict"),
        ({"splits": {"tran": []}}, r"unknown split\(s\) 'tran'; allowed are train, calibration"),
        ({"splits": {"train": [{**PLACED, "kind": "x"}]}}, r"split train 0: kind is 'x'"),
        ({"splits": {"train": [{**PLACED, "index": -1}]}}, r"index is -1; expected .* from 0"),
        ({"splits": {"train": [{"tokens": ["a"]}]}}, r"split train 0 is .*; expected an object"),
        ({"splits": {"train": [{**PLACED, "activations": [None]}]}}, r"train 0: .* None \(NaN\?\)"),
        ({"splits": {"train": [{**PLACED, "tokens": []}]}}, r"train sentence 0: field 'tokens' is"),
        ({"splits": {"train": [PLACED], "valid": [PLACED]}}, r"hold the same text 'a'"),
        ({"quantile_boundaries": [10**400]}, r"value 0 has 401 digits; expected a number"),
        ({"random": [{"tokens": ["a"], "activations": [1], "x": 1}]}, r"random 0: expected an obj"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(change, message):
    data = json.loads(json.dumps({**schema.to_json(make_neuron()), **change}))
    with pytest.raises(RecordError, match=message) as error:
        schema.from_json(data, "n.jsonl, line 3")
    assert str(error.value).startswith("n.jsonl, line 3: neuron test/L0N0: ")


def line(name="m/L0N1", **changes):
    neuron = int(name.rpartition("N")[2])
    return json.dumps(
        {**schema.to_json(make_neuron(name, excerpts=3)), "neuron": neuron, **changes}
    )


def named(found):
    return [neuron.name if isinstance(neuron, Unreadable) else neuron.id for neuron in found]


def test_a_bad_line_is_told_of_and_the_next_ones_are_read(tmp_path):
    path = tmp_path / "n.jsonl"
    lines = [
        "\ufeff" + line("m/L0N1"),
        "",
        "{not json",
        line("m/L0N2", layer="x"),
        line("m/L0N1"),
        line("m/L0N4"),
        "[" * 100_000,
        "[1]",
    ]
    path.write_bytes("\n".join(lines).encode() + b"\n\xff\n" + line("m/L0N5")[:-9].encode())
    found = list(JsonlSource(str(path)).read())
    bad = {f.name: str(f.error) for f in found if isinstance(f, Unreadable)}
    assert [n.id for n in found if not isinstance(n, Unreadable)] == ["m/L0N1", "m/L0N4"]
    assert len(found) == 9
    assert "line 3: not valid JSON" in bad[f"{path}, line 3"]
    assert "line 4: neuron m/L0N2: field 'layer' is 'x'; expected int" in bad["m/L0N2"]
    assert "line 5: field 'id': 'm/L0N1' stands on line 1 too" in bad["m/L0N1"]
    assert "line 7: not valid JSON" in bad[f"{path}, line 7"]
    assert "line 8: expected a JSON object, got list" in bad[f"{path}, line 8"]
    assert "line 9: not UTF-8 text" in bad[f"{path}, line 9"]
    assert "the last line, so the file may be cut off" in bad[f"{path}, line 10"]


def test_nan_is_refused_however_it_is_written(tmp_path):
    path = tmp_path / "n.jsonl"
    one = json.dumps([{"tokens": ["a", "b"], "activations": [1.0, 7.25]}])
    plain = line(random=json.loads(one))
    path.write_text(plain.replace("7.25", "null") + "\n" + plain.replace("7.25", "NaN"))
    null, literal = JsonlSource(str(path)).read()
    where = f"{path}, line {{}}: neuron m/L0N1: excerpt random 0: field 'activations': value 1 is"
    assert str(null.error) == where.format(1) + " None (NaN?); expected a number"
    assert "ids must be unique" in str(literal.error)
    path.write_text(plain.replace("7.25", "NaN"))
    (literal,) = JsonlSource(str(path)).read()
    assert str(literal.error) == where.format(1) + " nan; activations must be finite"


def test_a_cut_archive_gives_what_came_before_the_cut(tmp_path):
    path = tmp_path / "n.jsonl.gz"
    whole = "\n".join(line(f"m/L0N{i}") for i in range(200)).encode()
    path.write_bytes(gzip.compress(whole)[:-20])
    before = []
    with pytest.raises(RecordError, match=r"n\.jsonl\.gz: cut off or not a gzip file"):
        before.extend(JsonlSource(str(path)).read())
    assert len(before) > 150
    with pytest.raises(RecordError, match="cut off"):
        list(JsonlSource(str(path)).keys())
    path.write_bytes(whole)
    with pytest.raises(RecordError, match="cut off or not a gzip file"):
        list(JsonlSource(str(path)).read())


def test_keys_and_the_wanted_ones_are_read_without_looking_at_others(tmp_path):
    path = tmp_path / "n.jsonl"
    path.write_text("\n".join([line("m/L0N1"), line("m/L0N2", top=0), line("m/L0N3")]))
    source = JsonlSource(str(path))
    keys = list(source.keys())
    assert keys == [NeuronKey(f"m/L0N{i}", 0, i) for i in (1, 2, 3)]
    assert named(source.read([keys[2], keys[0]])) == ["m/L0N1", "m/L0N3"]
    assert named(source.read([NeuronKey("m/L9N9", 9, 9)])) == []
    (bad,) = source.read([keys[1]])
    assert "field 'top' is 0; expected list" in str(bad.error)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{}"], r"line 1: neuron \?: missing field\(s\) 'id', 'layer', 'neuron'"),
        (["[]"], "line 1: expected a JSON object, got list"),
        ([line(layer=None)], "line 1: neuron m/L0N1: field 'layer' is None; expected int"),
        ([line(), line()], "line 2: field 'id': 'm/L0N1' stands on line 1 too"),
    ],
)
def test_neurons_that_cannot_be_told_apart_cannot_be_chosen(tmp_path, lines, message):
    path = tmp_path / "n.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(RecordError, match=message):
        list(JsonlSource(str(path)).keys())


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    source = JsonlSource(str(tmp_path / "n.jsonl"))
    with pytest.raises(SourceError, match=r"n\.jsonl: cannot be read \(No such file"):
        list(source.read())
    with pytest.raises(SourceError, match="holds no published scores"):
        source.scores([])


def test_a_record_that_no_file_can_keep_is_refused_on_writing(tmp_path):
    for ending, write in ((".jsonl", schema.write), (".parquet", write_parquet)):
        with pytest.raises(RecordError, match="cannot be written"):
            write(tmp_path / f"n{ending}", [make_neuron(), replace(make_neuron(), group="\ud800")])
    assert list(tmp_path.iterdir()) == []
