"""Neuronpedia's feature JSON and exports, with their faults."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neuronpedia_files import (
    LOW_BIN,
    TOP_BIN,
    activation,
    explanation,
    feature,
    write_json,
    write_lines,
)

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, Reference
from neuron_eval.records.splits import deal
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.neuronpedia import is_neuronpedia, open_neuronpedia
from neuron_eval.sources.neuronpedia.feature import split
from neuron_eval.sources.opening import Location


def test_a_feature_becomes_a_neuron_that_the_usual_splits_can_be_dealt_from(tmp_path):
    path = write_json(tmp_path, feature())
    neuron = only(read(path))
    assert isinstance(neuron, NeuronRecord)
    assert (neuron.id, neuron.layer, neuron.neuron) == ("gpt2-small/6-res-jb/650", 6, 650)
    assert neuron.model == "gpt2-small"
    assert neuron.top[0] == ActivationRecord((" x45", " cat", "\n"), (0.0, 45.0, 0.0))
    assert [r.peak for r in neuron.top] == list(range(45, 15, -1))
    assert sorted(r.peak for r in neuron.random) == list(range(1, 16))
    assert neuron.quantile_boundaries == ()
    assert len(deal(neuron, 5).valid) == 10
    assert is_neuronpedia(Location(path))


def test_the_first_explanation_is_the_reference_and_says_who_wrote_it(tmp_path):
    rows = [{"description": " "}, *feature()["explanations"], {"description": None}]
    neuron = only(read(write_json(tmp_path, feature(explanations=rows))))
    assert neuron.reference == Reference("cats", "gpt-4o-mini, oai_token-act-pair, Neuronpedia")
    assert neuron.other_explanations == (Reference("pets", "gpt-4o-mini, Neuronpedia"),)


def test_excerpts_sampled_from_lower_bins_stand_in_for_random_ones(tmp_path):
    rows = [activation(650, peak, **TOP_BIN) for peak in range(100, 120)]
    # Their peaks do not count: the second highest of all comes from a bin.
    rows += [activation(650, peak, name="low", **LOW_BIN) for peak in [*range(1, 18), 118]]
    neuron = only(read(write_json(tmp_path, feature(activations=rows))))
    assert sorted(r.peak for r in neuron.top) == list(range(100, 120))
    assert sorted(r.peak for r in neuron.random) == [*range(1, 18), 118]


def test_too_few_top_excerpts_are_made_up_for_by_the_highest_of_the_others(tmp_path):
    rows = [activation(650, peak, **TOP_BIN) for peak in range(100, 110)]
    rows += [activation(650, peak, name="low", **LOW_BIN) for peak in range(1, 31)]
    neuron = only(read(write_json(tmp_path, feature(activations=rows))))
    assert [r.peak for r in neuron.top] == [*range(109, 99, -1), *range(30, 20, -1)]
    assert sorted(r.peak for r in neuron.random) == list(range(1, 21))


def test_the_order_of_the_sampled_ones_is_mixed_but_fixed(tmp_path):
    path = write_json(tmp_path, feature())
    first, again = (only(read(path)).random for _ in range(2))
    assert first == again
    assert [r.peak for r in first] != sorted(r.peak for r in first)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(-5, 50), st.booleans()), max_size=80))
def test_no_text_is_in_both_lists_and_as_many_splits_are_possible_as_there_can_be(rows):
    excerpts = [(ActivationRecord((str(text),), (value,)), low) for text, value, low in rows]
    top, others = split(excerpts, "seed")
    texts = [record.text for record in top + others]
    assert sorted(texts) == sorted({record.text for record, _ in excerpts})
    n = min(5, len(texts) // 7)
    assert len(top) >= 4 * n
    assert len(others) >= 3 * n
    assert [r.peak for r in top] == sorted((r.peak for r in top), reverse=True)


def test_a_list_of_features_is_read_in_order_and_by_id(tmp_path):
    path = write_json(tmp_path, [feature(3), feature(2), feature(10)])
    source = open_neuronpedia(path)
    keys = list(source.keys())
    assert [key.neuron for key in keys] == [3, 2, 10]
    assert ids(source.read([keys[2], keys[0]])) == [keys[0].id, keys[2].id]
    assert source.name == path


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"layer": "6", "index": 650}, ("gpt2-small/6/650", 6, 650)),
        ({"layer": "blocks-res"}, ("gpt2-small/blocks-res/650", -1, 650)),
        ({"layer": "31-llamascope", "index": "cm5x2"}, ("gpt2-small/31-llamascope/cm5x2", 31, -1)),
    ],
)
def test_layer_and_neuron_are_the_numbers_that_there_are(tmp_path, change, key):
    source = open_neuronpedia(write_json(tmp_path, feature(**change)))
    assert list(source.keys()) == [NeuronKey(*key)]
    assert ids(source.read()) == [key[0]]


@pytest.mark.parametrize(
    ("change", "page"),
    [
        ({}, "gpt2-small/6-res-jb/650"),
        ({"layer": "6 res/jb"}, "gpt2-small/6%20res%2Fjb/650"),
        ({"layer": "31-llamascope", "index": "cm5x2"}, ""),
    ],
)
def test_a_feature_has_its_page_at_neuronpedia_and_a_user_s_vector_has_none(tmp_path, change, page):
    (neuron,) = open_neuronpedia(write_json(tmp_path, feature(**change))).read()
    assert neuron.page == (f"https://www.neuronpedia.org/{page}" if page else "")


def scored(kind, value):
    return {"value": value, "explanationScoreTypeName": kind, "explanationScoreModelName": "m"}


def test_scores_are_those_of_the_commonest_kind(tmp_path):
    rows = [
        feature(1, explanations=[explanation(1, "a", scores=[scored("fuzz", 0.5)])]),
        feature(
            2,
            explanations=[
                explanation(2, "b", scores=[scored("recall", 0.9), scored("fuzz", None)]),
                explanation(2, "c", scores=[scored("fuzz", 0.75), scored("fuzz", 1)]),
            ],
        ),
        feature(3, explanations=[explanation(3, "d", scores=[scored("recall", 0.1)])]),
        feature(4, explanations=[explanation(4, "e", scores=[scored("fuzz", 0.25)])]),
        feature(5, explanations=None),
    ]
    source = open_neuronpedia(write_json(tmp_path, rows))
    found = list(source.scores(reversed(list(source.keys()))))
    assert [(s.layer, s.neuron, s.score, s.explanation) for s in found] == [
        (6, 4, 0.25, "e"),
        (6, 2, 0.75, "c"),
        (6, 1, 0.5, "a"),
    ]
    assert [s.id.rpartition("/")[2] for s in found] == ["4", "2", "1"]


def test_without_scores_the_error_says_what_to_do(tmp_path, export):
    for path in (write_json(tmp_path, feature()), export):
        source = open_neuronpedia(str(path))
        with pytest.raises(SourceError, match=r"no published scores; name a CSV"):
            list(source.scores(source.keys()))


BAD = [
    ({"values": [0, 1]}, r"activation 1: neuron .*/2: 3 tokens but 2 activations"),
    ({"values": [0, None, 1]}, r"activation 1 is None \(NaN\?\); expected a number"),
    ({"values": [0, math.nan, 1]}, r"field 'activations': value 1 is nan"),
    ({"values": None}, r"field 'activations' is None; expected a list"),
    ({"tokens": ["a", 5, "c"]}, r"token 1 is 5; expected a string"),
    ({"tokens": ["", "", ""]}, r"holds no tokens"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_bad_activation_makes_its_feature_unreadable_and_the_next_is_read(
    tmp_path, change, message
):
    rows = feature(2)["activations"]
    rows[1] |= change
    path = write_json(tmp_path, [feature(1), feature(2, activations=rows), feature(3)])
    first, bad, last = read(path)
    assert ids([first, bad, last]) == [f"gpt2-small/6-res-jb/{i}" for i in (1, 2, 3)]
    assert isinstance(bad, Unreadable)
    assert not bad.missing
    with pytest.raises(RecordError, match=message):
        raise bad.error


def test_objects_that_are_no_features_are_unreadable_in_their_place(tmp_path):
    no_list, no_index = feature(1), feature(2)
    no_list["activations"] = {}
    del no_index["index"]
    path = write_json(tmp_path, [no_list, no_index, 7, feature(3)])
    found = read(path)
    assert ids(found) == [
        "gpt2-small/6-res-jb/1",
        f"{path}, item 1",
        f"{path}, item 2",
        "gpt2-small/6-res-jb/3",
    ]
    messages = [str(item.error) for item in found[:3]]
    assert "field 'activations' is {}; expected a list" in messages[0]
    assert "item 1: field 'index' is None; expected a string" in messages[1]
    assert "item 2: expected a JSON object, got int" in messages[2]
    with pytest.raises(RecordError, match=r"item 1: field 'index'"):
        list(open_neuronpedia(path).keys())


def test_a_feature_that_stands_twice_is_given_once_and_named(tmp_path):
    path = write_json(tmp_path, [feature(1), feature(1, peaks=[5])])
    found = read(path)
    assert ids(found) == ["gpt2-small/6-res-jb/1"] * 2
    assert "item 1: neuron gpt2-small/6-res-jb/1 stands at" in str(found[1].error)
    keys = list(open_neuronpedia(path).keys())
    assert len(keys) == 1
    assert [type(item) for item in read(path, keys)] == [NeuronRecord]


def test_a_feature_that_is_never_active_has_no_excerpts(tmp_path):
    neuron = only(read(write_json(tmp_path, feature(peaks=[]))))
    assert neuron.top == neuron.random == ()


@pytest.mark.parametrize("text", ["", "{", '{"modelId": "m", "layer": "1", "index": "2"'])
def test_a_file_that_is_cut_off_cannot_be_read(tmp_path, text):
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"f.json: not valid JSON, or cut off"):
        list(open_neuronpedia(str(path)).read())


def test_other_files_and_folders_are_not_taken_for_neuronpedias(tmp_path):
    other = tmp_path / "other"
    write_lines(other / "batch-0.jsonl", [{}])
    write_lines(other / "activations" / "notes.txt", [{}])
    assert not is_neuronpedia(Location(str(other)))
    assert not is_neuronpedia(
        Location(write_json(tmp_path, {"dataclass_name": "NeuronRecord"}, "o.json"))
    )
    assert not is_neuronpedia(
        Location(write_json(tmp_path, ["modelId", "layer", "index"], "p.json"))
    )
    assert not is_neuronpedia(Location(str(tmp_path / "nothing.json")))
    assert is_neuronpedia(Location(write_json(tmp_path, [feature()], "q.json")))


def test_an_export_is_read_feature_by_feature_however_its_lines_are_mixed(export):
    source = open_neuronpedia(str(export))
    keys = list(source.keys())
    assert [key.neuron for key in keys] == [0, 1, 2, 1024]
    neurons = list(source.read())
    assert ids(neurons) == [key.id for key in keys]
    assert all(len(deal(neuron, 5).train) == 5 for neuron in neurons)
    assert [n.reference and n.reference.explanation for n in neurons] == [
        "zero",
        "one",
        None,
        "late",
    ]
    assert [o.explanation for o in neurons[1].other_explanations] == ["uno"]
    assert is_neuronpedia(Location(str(export)))


def test_an_export_may_stand_one_level_down_and_be_unzipped(tmp_path):
    for layer in ("2-res-jb", "10-res-jb"):
        rows = [activation(7, peak, layer=layer) for peak in range(1, 36)]
        write_lines(tmp_path / layer / "activations" / "batch-0.jsonl", rows)
    assert is_neuronpedia(Location(str(tmp_path)))
    assert ids(read(tmp_path)) == ["gpt2-small/10-res-jb/7", "gpt2-small/2-res-jb/7"]


def test_batches_are_read_in_the_order_of_their_numbers_and_once(tmp_path):
    for number in (10, 2):
        rows = [activation(number, peak) for peak in range(1, 8)]
        write_lines(tmp_path / "activations" / f"batch-{number}.jsonl.gz", rows)
        write_lines(tmp_path / "activations" / f"batch-{number}.jsonl", rows)
    assert [neuron.neuron for neuron in read(tmp_path)] == [2, 10]


def test_batches_without_a_wanted_feature_are_not_opened_again(export):
    source = open_neuronpedia(str(export))
    keys = list(source.keys())
    (export / "activations" / "batch-0.jsonl.gz").unlink()
    assert ids(source.read([keys[3]])) == [keys[3].id]
    with pytest.raises(SourceError, match=r"batch-0.jsonl.gz: cannot be read \(No such file"):
        list(source.read([keys[0]]))


def test_a_cut_batch_raises_after_what_came_before(export):
    batch = export / "activations" / "batch-1.jsonl.gz"
    batch.write_bytes(batch.read_bytes()[:-20])
    found = open_neuronpedia(str(export)).read()
    assert ids(next(found) for _ in range(3)) == [f"gpt2-small/6-res-jb/{i}" for i in range(3)]
    with pytest.raises(RecordError, match=r"batch-1.jsonl.gz: cut off or not a gzip file"):
        next(found)


def test_a_bad_line_makes_its_feature_unreadable_and_the_next_is_read(tmp_path):
    rows = [activation(i, peak) for i in (1, 2) for peak in range(1, 36)]
    path = write_lines(tmp_path / "activations" / "batch-0.jsonl", rows)
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace('"values": [', '"values": [[')
    path.write_text("".join(lines))
    bad, good = read(tmp_path)
    assert ids([bad, good]) == [f"gpt2-small/6-res-jb/{i}" for i in (1, 2)]
    assert "batch-0.jsonl, line 5: not valid JSON" in str(bad.error)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"modelId": "m", "layer": "1"}\n', r"line 2: field 'index' is None"),
        (b'{"modelId": "m", "lay', r"line 2: not valid JSON, or cut off"),
        (b'\xff{"modelId": 1}\n', r"line 2: not UTF-8 text"),
    ],
)
def test_a_line_of_no_known_feature_ends_the_reading(tmp_path, line, message):
    path = write_lines(tmp_path / "activations" / "batch-0.jsonl", [activation(1, 1)])
    path.write_bytes(path.read_bytes() + line)
    for use in (lambda s: s.keys(), lambda s: s.read()):
        with pytest.raises(RecordError, match=message):
            list(use(open_neuronpedia(str(tmp_path))))


def test_a_token_that_looks_like_a_field_does_not_mislead(tmp_path):
    rest = activation(1, 1)
    del rest["tokens"]
    row = {"tokens": ['Ġ"index": "9"', '"layer":"8"', "index"], **rest}
    write_lines(tmp_path / "activations" / "batch-0.jsonl", [row])
    assert ids(read(tmp_path)) == ["gpt2-small/6-res-jb/1"]


def test_a_feature_of_two_batches_is_given_once_and_named(tmp_path):
    for number in (0, 1):
        rows = [activation(1, peak) for peak in range(1, 8)]
        write_lines(tmp_path / "activations" / f"batch-{number}.jsonl.gz", rows)
    found = read(tmp_path)
    assert "batch-1.jsonl.gz: neuron gpt2-small/6-res-jb/1 stands in" in str(found[1].error)
    keys = list(open_neuronpedia(str(tmp_path)).keys())
    assert [type(item) for item in read(tmp_path, keys)] == [NeuronRecord]


def test_an_export_without_activations_says_what_is_missing(tmp_path):
    write_lines(tmp_path / "explanations" / "batch-0.jsonl.gz", [explanation(1, "x")])
    assert is_neuronpedia(Location(str(tmp_path)))
    with pytest.raises(SourceError, match=r"holds no activations/batch-N.jsonl.gz"):
        open_neuronpedia(str(tmp_path))


def test_a_bad_explanation_is_an_error_with_its_line(export):
    write_lines(export / "explanations" / "batch-0.jsonl.gz", [explanation(1, 5)])
    with pytest.raises(RecordError, match=r"batch-0.jsonl.gz, line 1: expected an explanation"):
        read(export)


@pytest.fixture
def export(tmp_path):
    """Two batches, rows of several features mixed, explanations sorted as text."""
    folder = tmp_path / "6-res-jb"
    first = [activation(i, p) for p in range(1, 36) for i in (0, 1, 2)]
    second = [activation(1024, peak) for peak in range(1, 36)]
    write_lines(folder / "activations" / "batch-0.jsonl.gz", first)
    write_lines(folder / "activations" / "batch-1.jsonl.gz", second)
    write_lines(folder / "features" / "batch-0.jsonl.gz", [{"index": "0"}])
    rows = [explanation(0, "zero"), explanation(1, "one"), explanation(1024, "late")]
    write_lines(folder / "explanations" / "batch-0.jsonl.gz", [*rows, explanation(1, "uno")])
    return folder


def only(found):
    (item,) = found
    return item


def read(path, wanted=None):
    return list(open_neuronpedia(str(path)).read(wanted))


def ids(found):
    return [item.name if isinstance(item, Unreadable) else item.id for item in found]
