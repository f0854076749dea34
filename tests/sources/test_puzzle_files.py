"""Puzzle files in the field's schema, with their faults; and what becomes of them in an eval."""

import json
import math

import pytest
from inspect_ai import eval

from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.puzzles import PuzzleSource, bundled_puzzles
from neuron_eval.task import explanation_task
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator


def puzzle(name, changes=()):
    """A puzzle with the keys that published ones have: nothing is held out."""
    return {
        "name": name,
        "explanation": f"words about {name}",
        "sentences": [["A", [f" {name}", 9], "."], ["No", " other", [" one", 0.5]]],
        "false_explanations": ["words", "names"],
        **dict(changes),
    }


def write(tmp_path, data, name="p.json"):
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return str(path)


def read(path, wanted=None):
    return list(PuzzleSource(path).read(wanted))


def test_a_file_without_further_sentences_shows_all_and_holds_nothing_out(tmp_path):
    (cats, dogs) = read(write(tmp_path, {"cats": puzzle("cats"), "dogs": puzzle("dogs")}))
    assert (cats.id, dogs.id) == ("puzzles/cats", "puzzles/dogs")
    assert [e.record.text for e in cats.split("train", 5)] == ["A cats.", "No other one"]
    assert cats.split("train", 5)[1].record.activations == (0, 0, 0.5)
    assert cats.split("valid", 5) == cats.split("calibration", 5) == ()
    assert cats.reference.explanation == "words about cats"
    assert cats.false_explanations == ("words", "names")


def test_puzzles_are_listed_and_chosen_by_id_in_the_files_order(tmp_path):
    names = ["b", "a", "c"]
    source = PuzzleSource(write(tmp_path, {name: puzzle(name) for name in names}))
    keys = list(source.keys())
    assert keys == [NeuronKey(f"puzzles/{name}", -1, -1) for name in names]
    assert [n.id for n in source.read([keys[2], keys[0]])] == ["puzzles/b", "puzzles/c"]
    assert source.name == f"puzzles:{source.path}"


def test_the_bundled_file_reads_as_a_file_like_any_other(tmp_path):
    from importlib.resources import files

    text = files("neuron_eval.data").joinpath("puzzles.json").read_text("utf-8")
    assert read(write(tmp_path, "\ufeff" + text)) == list(bundled_puzzles())


TWICE = [["A", " b"], ["A b"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sentences": TWICE}, r"hold the same text 'A b'"),
        ({"sentences": [["A", ""]]}, r"'sentences': sentence 0, token 1: the token is an empty"),
        ({"sentences": [["A", ["", 3]]]}, r"token 1: the token is an empty string"),
        (
            {"sentences": [[["A", "9"]]]},
            r"expected a token or \[token, activation\], got \['A', '9'",
        ),
        ({"sentences": [[["A", None]]]}, r"got \['A', None\]"),
        ({"sentences": [[["A", True]]]}, r"got \['A', True\]"),
        ({"sentences": [[["A", math.nan]]]}, r"activation nan; expected a finite number"),
        ({"sentences": [[["A", math.inf]]]}, r"activation inf; expected a finite number"),
        ({"sentences": [[["A", 10**400]]]}, r"activation 1000.*; expected a finite number"),
        ({"sentences": [["A", ["b", 1, 2]]]}, r"got \['b', 1, 2\]"),
        ({"sentences": [7]}, r"sentence 0: expected a list of tokens"),
        ({"sentences": "A b"}, r"field 'sentences': expected a list of sentences"),
        ({"sentences": []}, r"field 'sentences' is empty"),
        ({"explanation": None}, r"field 'explanation' is None; expected a text"),
        ({"explanation": " "}, r"field 'explanation' is ' '; expected a text"),
        ({"false_explanations": "none"}, r"field 'false_explanations': expected a list"),
        ({"false_explanations": [1]}, r"'false_explanations': item 0 is 1; expected a text"),
        ({"name": "other"}, r"field 'name' is 'other'; expected 'bad'"),
    ],
)
def test_a_bad_puzzle_is_unreadable_and_the_next_is_read(tmp_path, change, message):
    path = write(tmp_path, {"bad": puzzle("bad", change), "good": puzzle("good")})
    bad, good = read(path)
    assert isinstance(bad, Unreadable)
    assert not bad.missing
    assert bad.name == "puzzles/bad"
    assert f"{path}: " in str(bad.error)
    with pytest.raises(RecordError, match=message):
        raise bad.error
    assert isinstance(good, NeuronRecord)


def test_a_puzzle_that_is_no_object_or_lacks_a_field_is_unreadable(tmp_path):
    lacking = puzzle("b")
    del lacking["sentences"], lacking["name"]
    first, second = read(write(tmp_path, {"a": [1], "b": lacking}))
    assert "puzzle a: expected an object" in str(first.error)
    assert "puzzle b: missing field(s) 'name', 'sentences'" in str(second.error)


def test_a_name_that_stands_twice_is_given_once_and_named(tmp_path):
    one = json.dumps(puzzle("cats"))
    path = write(tmp_path, f'{{"cats": {one}, "cats": {one}}}')
    first, second = read(path)
    assert isinstance(first, NeuronRecord)
    assert "puzzle cats stands twice" in str(second.error)
    keys = list(PuzzleSource(path).keys())
    assert len(keys) == 1
    assert read(path, keys) == [first]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"cats": {"name"', r"p.json: not valid JSON, or cut off"),
        ("[1]", r"p.json: expected an object from names to puzzles"),
        ("[" * 10**5, r"p.json: not valid JSON"),
    ],
)
def test_a_file_that_holds_no_puzzles_cannot_be_read(tmp_path, data, message):
    source = PuzzleSource(write(tmp_path, data))
    for use in (lambda: list(source.keys()), lambda: list(source.read())):
        with pytest.raises(SourceError, match=message):
            use()


def test_a_missing_or_binary_file_cannot_be_read(tmp_path):
    with pytest.raises(SourceError, match=r"neurons=puzzles:.*none.json: cannot be read \(No such"):
        read(str(tmp_path / "none.json"))
    (tmp_path / "b.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(SourceError, match=r"b.json"):
        read(str(tmp_path / "b.json"))
    with pytest.raises(SourceError, match=r"holds no published scores"):
        PuzzleSource("p.json").scores([])


def test_an_eval_of_puzzles_that_hold_nothing_out_compares_but_does_not_simulate(tmp_path):
    path = write(tmp_path, {"cats": puzzle("cats"), "dogs": puzzle("dogs")})
    simulator = fake_simulator(lambda explanation, tokens: [1.0 for _ in tokens])
    (log,) = eval(
        explanation_task(format="summary", neurons=f"puzzles:{path}", simulation="chat"),
        model=fake_explainer("words about cats").model,
        model_roles={
            "simulator": simulator.model,
            "embedder": fake_embedder(lambda text: [text.count("cat") + 0.1, 1.0]).model,
        },
    )
    assert log.status == "success", log.error
    for sample in log.samples:
        score = sample.scores["simulation_correlation"]
        assert math.isnan(score.as_float())
        assert score.reason
        assert sample.scores["adacs"].as_float() > 0
    assert simulator.requests == []
