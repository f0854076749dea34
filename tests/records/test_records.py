import gzip
import json
from dataclasses import FrozenInstanceError, replace

import pytest

from neuron_eval.dataset import dataset, describe, neuron_set
from neuron_eval.records import (
    ActivationRecord,
    Excerpt,
    RecordError,
    Reference,
    TooFewExcerptsError,
)
from neuron_eval.records.checks import check_record
from neuron_eval.records.splits import deal, from_metadata, to_text
from neuron_eval.sources import schema
from neuron_eval.sources.base import Unreadable
from neuron_eval.sources.loading import load_neurons
from neuron_eval.sources.puzzles import read_puzzles
from neuron_eval.task import explanation_task
from neuron_eval.testing import make_neuron
from neuron_eval.usage_error import UsageError


def indices(excerpts):
    return [(e.kind, e.index) for e in excerpts]


def test_splits_are_dealt_as_published():
    neuron = make_neuron(excerpts=20)
    assert indices(neuron.split("train", 5)) == [("top", i) for i in (0, 4, 8, 12, 16)]
    assert indices(neuron.split("calibration", 5)) == (
        [("top", i) for i in (1, 5, 9, 13, 17)] + [("random", i) for i in (0, 3, 6, 9, 12)]
    )
    assert indices(neuron.split("valid", 5)) == (
        [("top", i) for i in (2, 6, 10, 14, 18)] + [("random", i) for i in (1, 4, 7, 10, 13)]
    )
    assert indices(neuron.split("test", 5)) == (
        [("top", i) for i in (3, 7, 11, 15, 19)] + [("random", i) for i in (2, 5, 8, 11, 14)]
    )


def test_no_excerpt_is_in_two_splits():
    neuron = make_neuron(excerpts=20)
    places = [
        place
        for name in ("train", "calibration", "valid", "test")
        for place in indices(neuron.split(name, 5))
    ]
    assert len(places) == len(set(places)) == 20 + 15


def test_a_neuron_with_exactly_enough_excerpts_is_dealt_and_with_one_less_refused():
    neuron = make_neuron(excerpts=20)
    assert len(replace(neuron, random=neuron.random[:15]).split("valid", 5)) == 10
    with pytest.raises(TooFewExcerptsError, match=r"'random' holds 14 .* need 15"):
        replace(neuron, random=neuron.random[:14]).split("valid", 5)
    with pytest.raises(TooFewExcerptsError, match=r"test/L0N0: field 'top' holds 19"):
        replace(neuron, top=neuron.top[:19]).split("train", 5)


def test_no_split_holds_fewer_than_one_excerpt_of_a_kind():
    neuron = make_neuron(excerpts=20)
    assert indices(neuron.split("valid", 1)) == [("top", 2), ("random", 1)]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        neuron.split("valid", 0)


def test_the_peak_is_the_highest_activation_and_the_text_all_tokens():
    record = ActivationRecord((" a", "b", " c"), (0.5, 3.0, -4.0))
    assert (record.peak, record.text) == (3.0, " ab c")


def test_records_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        make_neuron().top[0].tokens = ("x",)


def broken(**changes):
    return replace(make_neuron(excerpts=3), **changes)


def excerpt(tokens, activations):
    return ActivationRecord(tuple(tokens), tuple(activations))


PLACED = (Excerpt("sentence", 0, excerpt(["a"], [1.0])),)


@pytest.mark.parametrize(
    "splits", [{"valid": []}, {"train": []}, {"calibration": None, "test": []}]
)
@pytest.mark.parametrize("cutoff", [{}, {"cutoff": 1}])
def test_a_record_that_shows_the_explainer_nothing_stops_the_task_with_a_sentence(
    tmp_path, splits, cutoff
):
    path = tmp_path / "n.jsonl"
    path.write_text(json.dumps({**schema.to_json(make_neuron()), "splits": splits, **cutoff}))
    with pytest.raises(UsageError, match=r"n.jsonl, line 1: neuron .*: split 'train' is missing"):
        explanation_task(format="summary", neurons=str(path), simulation="none")


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (broken(top=(excerpt(["a"], [1.0, 2.0]),)), r"excerpt top 0: 1 tokens but 2 activations"),
        (broken(top=(excerpt([], []),)), r"excerpt top 0: field 'tokens' is empty"),
        (broken(random=(excerpt(["a", ""], [1.0, 2.0]),)), r"random 0: field 'tokens': token 1"),
        (
            broken(top=(excerpt(["a"], [float("nan")]),)),
            r"top 0: field 'activations': value 0 is nan",
        ),
        (
            broken(top=(excerpt(["a"], [1.0]), excerpt(["b"], [2.0]))),
            r"field 'top': excerpt 1 has peak 2, above excerpt 0 with 1",
        ),
        (
            broken(top=(excerpt(["same"], [1.0]),), random=(excerpt(["sa", "me"], [0.0, 0.0]),)),
            r"'top 0' and 'random 0' hold the same text 'same'",
        ),
        (
            broken(top=(excerpt("ab", [1.0, float("nan")]),)),
            r"top 0: field 'activations': value 1 is nan",
        ),
        (
            broken(top=(excerpt("a", [2.0]), excerpt("b", [2.0]), excerpt("c", [3.0]))),
            r"field 'top': excerpt 2 has peak 3, above excerpt 1 with 2",
        ),
        (broken(quantile_boundaries=(1.0, float("nan"), 3.0)), r"every value must be finite"),
        (broken(cutoff=float("nan")), r"field 'cutoff' is nan; it must be finite"),
        (broken(quantile_boundaries=(2.0, 1.0, 3.0)), r"'quantile_boundaries' .* ascending"),
        (broken(quantiles=(0.5,)), r"1 'quantiles' but 3 'quantile_boundaries'"),
        (broken(layer=-2), r"field 'layer' is -2; expected a whole number from 0, or -1"),
        (broken(neuron=-7), r"field 'neuron' is -7; expected a whole number from 0, or -1"),
        (broken(neuron=2**53), r"field 'neuron' is 9007199254740992; .*none above 900719925474099"),
        (broken(given_splits=(("valid", PLACED),)), r"'splits': split 'train' is missing or empty"),
        (broken(given_splits=(("train", ()),)), r"'splits': split 'train' is missing or empty"),
        (broken(given_splits=(("tests", PLACED),)), r"'splits' has 'tests'; expected each of"),
        (broken(given_splits=(("train", PLACED),) * 2), r"'splits' has 'train', 'train'; expected"),
        (broken(quantiles=(2.0, 1.0) * 10**5), r"'quantiles' holds .{2,140}; it must be ascending"),
    ],
)
def test_a_bad_record_is_refused_with_its_place(neuron, message):
    with pytest.raises(RecordError, match=message) as error:
        check_record(neuron, "somewhere.jsonl, line 7")
    assert str(error.value).startswith("somewhere.jsonl, line 7: neuron test/L0N0")


@pytest.mark.parametrize(
    "neuron",
    [
        broken(layer=-1, neuron=-1, cutoff=0.0),
        broken(layer=0, neuron=2**53 - 1),
        broken(top=(excerpt("ab", [2.0, 1.0]), excerpt("cd", [1.5, 2.0]))),
        broken(top=(excerpt("abcdefghijkl", [1.7e307] * 12),)),
        broken(quantiles=(0.5, 0.5, 0.9), quantile_boundaries=(1.0, 1.0, 2.0)),
    ],
    ids=["in no network", "largest", "equal peaks", "sum overflows", "equal levels"],
)
def test_what_the_contract_just_allows_is_no_fault(neuron):
    assert check_record(neuron, "somewhere.jsonl, line 7") is neuron


@pytest.mark.parametrize("id_", ["", " "])
def test_a_neuron_without_a_name_is_refused(id_):
    with pytest.raises(RecordError, match=rf"line 7: neuron .*: field 'id' is '{id_}'; expected"):
        check_record(broken(id=id_), "somewhere.jsonl, line 7")


def test_a_file_gives_back_the_neurons_written_to_it(tmp_path):
    neurons = [make_neuron("m/L0N1"), make_neuron("m/L0N2", word=" dög\n", reference=None)]
    for name in ("n.jsonl", "n.jsonl.gz"):
        assert schema.write(tmp_path / name, neurons) == 2
        assert list(schema.read(tmp_path / name)) == neurons
        assert list(load_neurons(str(tmp_path / name))) == neurons


def test_the_same_neurons_give_the_same_bytes(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        schema.write(tmp_path / name, [make_neuron()])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron()])
    before = path.read_bytes()

    def interrupted():
        yield make_neuron("m/L0N9")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.write(path, interrupted())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("layer"), r"line 1: neuron test/L0N0: missing field\(s\) 'layer'"),
        (lambda d: d.update(colour="red"), r"unknown field\(s\) 'colour'; allowed are id, model"),
        (lambda d: d.update(layer="8"), r"field 'layer' is '8'; expected int"),
        (lambda d: d.update(layer=True), r"field 'layer' is True; expected int"),
        (lambda d: d["top"][0].update(tokens=[1]), r"excerpt top 0: field 'tokens': token 0 is 1"),
        (lambda d: d["top"][0]["activations"].__setitem__(0, None), r"value 0 is None"),
        (lambda d: d["top"][0].pop("tokens"), r"excerpt top 0: expected an object with 'tokens'"),
        (lambda d: d.update(reference="cats"), r"field 'reference' is 'cats'"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_field(tmp_path, change, message):
    data = schema.to_json(make_neuron())
    change(data)
    path = tmp_path / "n.jsonl"
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=message):
        list(schema.read(path))


def test_bad_files_are_refused_by_name(tmp_path):
    good = json.dumps(schema.to_json(make_neuron()))
    twice, cut, text = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl"
    twice.write_text(f"{good}\n{good}\n")
    with pytest.raises(RecordError, match=r"a.jsonl, line 2: field 'id': .* line 1 too"):
        list(schema.read(twice))
    cut.write_bytes(gzip.compress(good.encode())[:-12])
    with pytest.raises(RecordError, match=r"b.jsonl.gz: cut off"):
        list(schema.read(cut))
    text.write_text("{not json")
    with pytest.raises(RecordError, match=r"c.jsonl, line 1: not valid JSON"):
        list(schema.read(text))


def test_neurons_of_an_unknown_name_are_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"neurons=smolm2: there is no such file, folder or"):
        list(load_neurons("smolm2"))


def test_a_sample_gives_back_what_was_dealt():
    dealt = deal(make_neuron(word=" é\t|"), 5)
    text = to_text(dealt)
    # A log holds one for each neuron, so none is longer than it has to be; and a process holds
    # one for each, where ASCII takes the fewest bytes.
    assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert text.isascii()
    back = from_metadata({"record": text}, "s")
    assert back == dealt
    assert back.places() == {
        "train": "top 0, 4, 8, 12, 16",
        "calibration": "top 1, 5, 9, 13, 17; random 0, 3, 6, 9, 12",
        "valid": "top 2, 6, 10, 14, 18; random 1, 4, 7, 10, 13",
    }


def test_a_sample_holds_nothing_that_would_give_the_neuron_away():
    neuron = replace(
        make_neuron(),
        quantiles=(0.1, 0.5, 0.9),
        other_explanations=(Reference("cats", "gpt-4"),),
        false_explanations=("dogs",),
        given_splits=(("train", PLACED),),
    )
    kept = deal(neuron, 5).neuron
    assert kept == replace(
        neuron,
        top=(),
        random=(),
        reference=None,
        other_explanations=(),
        false_explanations=(),
        given_splits=(),
    )


def test_a_set_holds_five_excerpts_of_a_kind_in_a_split_and_counts_neurons_with_fewer(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron("m/L0N1"), make_neuron("m/L0N2", excerpts=19)])
    chosen = neuron_set(str(path), on_short="skip")
    assert [len(each.dealt.train) for each in chosen.neurons] == [5]
    assert ("m/L0N2" in chosen.skipped[0], len(chosen.skipped), chosen.name) == (True, 1, "n.jsonl")
    assert len(neuron_set(str(path), 1).neurons) == 2
    with pytest.raises(TooFewExcerptsError, match="on_short=skip leaves such neurons out"):
        neuron_set(str(path))
    with pytest.raises(ValueError, match="no neuron is left, 2 were skipped and 0 are missing"):
        neuron_set(str(path), 6, "skip")
    with pytest.raises(ValueError, match="excerpts=0"):
        neuron_set(str(path), 0)


def test_neurons_that_a_source_lacks_are_counted_and_those_it_cannot_read_stop_the_set(monkeypatch):
    absent, unreadable = RecordError("not there"), RecordError("line 7 is broken")
    listed = [
        Unreadable("m/a", absent, missing=True),
        make_neuron(),
        Unreadable("m/a", absent, missing=True),
    ]
    monkeypatch.setattr("neuron_eval.dataset.load", lambda choice, only, places: iter(listed))
    chosen = neuron_set("somewhere")
    assert (len(chosen.neurons), chosen.missing) == (1, ("not there", "not there"))
    listed[0] = Unreadable("m/b", unreadable)
    with pytest.raises(RecordError, match="line 7 is broken"):
        neuron_set("somewhere")


def test_a_sample_has_the_neurons_reference_or_one_from_elsewhere_or_none(tmp_path):
    path = tmp_path / "n.jsonl"
    made = [make_neuron(f"m/L0N{i}", reference=text) for i, text in enumerate(("cats", None))]
    schema.write(path, made)

    def elsewhere(key):
        return Reference("dogs", "ann") if key.id == "m/L0N0" else None

    own, given = (dataset(neuron_set(str(path), references=r)) for r in (None, elsewhere))
    assert [one.target for one in own] == ["cats", ""]
    assert [one.target for one in given] == ["dogs", ""]
    assert [one.metadata["reference_source"] for one in given] == ["ann", None]


def test_a_neuron_is_described_by_its_layer_unless_it_has_none():
    neuron = replace(make_neuron(), layer=0, neuron=7, model="m")
    assert describe(neuron) == "neuron 7 in layer 0 of m"
    assert describe(replace(neuron, layer=-1)) == "the neuron test/L0N0"


def test_what_is_shown_may_not_be_scored():
    neuron = make_neuron()
    overlapping = replace(neuron, random=(neuron.random[0], neuron.top[4], *neuron.random[2:]))
    with pytest.raises(RecordError, match=r"random 1 is held out but has the text of .* top 4"):
        deal(overlapping, 5)


def test_a_sample_of_another_task_is_refused():
    with pytest.raises(RecordError, match=r"sample 3: metadata holds no 'record'"):
        from_metadata({"question": "?"}, 3)


PUZZLE = {
    "name": "cats",
    "explanation": "cats",
    "sentences": [["A", [" cat", 9]], ["No", " dog"]],
    "false_explanations": ["dogs"],
    "further_sentences": [[f"s{i}", [" cat", 3]] for i in range(5)],
}


def test_a_puzzle_shows_all_sentences_and_holds_out_every_other_further_one():
    (neuron,) = read_puzzles(json.dumps({"cats": PUZZLE}), "p.json")
    assert [e.record.text for e in neuron.split("train", 5)] == ["A cat", "No dog"]
    assert [e.record.tokens[0] for e in neuron.split("calibration", 5)] == ["s0", "s2", "s4"]
    assert [e.record.tokens[0] for e in neuron.split("valid", 5)] == ["s1", "s3"]
    assert neuron.cutoff == 1
    assert neuron.top == ()
    assert neuron.split("train", 5)[0].record.activations == (0.0, 9.0)
    assert neuron.false_explanations == ("dogs",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"explanation": None}, r"p.json: puzzle cats: missing field\(s\) 'explanation'"),
        ({"sentences": [[]]}, r"field 'sentences': sentence 0: expected a list of tokens"),
        ({"sentences": [["a", ["b", "c"]]]}, r"sentence 0, token 1: expected a token or"),
        ({"further_sentences": [["A", " cat"]]}, r"hold the same text 'A cat'"),
    ],
)
def test_a_bad_puzzle_is_refused_with_its_place(change, message):
    puzzle = {k: v for k, v in {**PUZZLE, **change}.items() if v is not None}
    with pytest.raises(RecordError, match=message):
        list(read_puzzles(json.dumps({"cats": puzzle}), "p.json"))
