"""From explanations to questions, and from answers back to the columns: the pure parts."""

import json
import math
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml
from inspect_ai.scorer import SampleScore, Score

from neuron_eval.prompts.filling import fill
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.rating.answer import answer_schema
from neuron_eval.rating.build import (
    Candidate,
    ExplainedNeuron,
    asks_again,
    candidates,
    from_another,
    in_order,
    in_words,
    messages,
    question,
    shown_twice,
)
from neuron_eval.rating.explanations import _names
from neuron_eval.rating.judging import Judgement, Turn, consistency, judge
from neuron_eval.rating.judging import from_json as turn_from_json
from neuron_eval.rating.question import from_json
from neuron_eval.records.splits import deal
from neuron_eval.scorers.rating import attention, by_format, by_place
from neuron_eval.testing import make_neuron

GOLDEN = Path(__file__).parents[1] / "golden" / "rating.txt"
WORDING = default_pack().rating_wording()
THREE = {"original": "cats.", "summary": " dogs.\n", "avhs": "cats."}
CATS, DOGS = Candidate("cats.", ("original", "avhs")), Candidate("dogs.", ("summary",))
PLANTED = Candidate("rivers.", ())


def explained(i, word, *texts):
    neuron = make_neuron(f"test/L0N{i}", word, neuron=i)
    return ExplainedNeuron(deal(neuron, 2), dict(zip("ab", texts, strict=False)))


def test_identical_explanations_are_one_candidate_that_all_their_columns_own():
    assert candidates(THREE) == [CATS, DOGS]
    assert candidates(THREE, "rivers.") == [CATS, DOGS, PLANTED]


def test_the_order_depends_on_seed_neuron_and_rater_and_on_nothing_else():
    many = candidates({str(i): f"text {i}" for i in range(8)})
    first = in_order(many, 0, "test/L0N0", "human/alice")
    assert first == in_order(many, 0, "test/L0N0", "human/alice")
    assert sorted(first, key=str) == sorted(many, key=str)
    others = [
        in_order(many, 1, "test/L0N0", "human/alice"),
        in_order(many, 0, "test/L0N1", "human/alice"),
        in_order(many, 0, "test/L0N0", "human/bob"),
    ]
    assert all(other != first for other in others)


def test_as_many_orders_as_explanations_show_each_once_at_each_place():
    many = candidates({str(i): f"text {i}" for i in range(5)})
    orders = [in_order(many, 0, "x", "y", turn) for turn in range(10)]
    for half in (orders[:5], orders[5:]):
        for place in range(5):
            assert {order[place] for order in half} == set(many)
    assert orders[5:] != orders[:5]


def test_the_question_shows_the_explainers_excerpts_or_those_held_out():
    dealt = deal(make_neuron(), 2)
    asked = question("test/L0N0", dealt, [CATS, DOGS], "train", WORDING)
    assert [one.name for one in asked.excerpts] == ["top 0", "top 4"]
    first = asked.excerpts[0]
    assert [t for t, mark in zip(first.tokens, first.highlighted, strict=True) if mark] == [" cat"]
    assert max(first.levels) == 10
    assert asked.letters == ("A", "B")
    assert from_json(json.loads(json.dumps(asked.to_json()))) == asked
    held_out = question("test/L0N0", dealt, [CATS], "valid", WORDING)
    assert [one.name for one in held_out.excerpts] == ["top 2", "top 6", "random 1", "random 4"]
    assert not any(held_out.excerpts[3].highlighted) or max(held_out.excerpts[3].levels) > 0


def test_the_prompt_is_the_golden_one():
    neuron = make_neuron(id="test/L3N7", layer=3, neuron=7)
    tricky = Candidate('dogs.\nC: "cats" {letter}', ("summary",))
    asked = question("test/L3N7", deal(neuron, 2), [CATS, tricky], "train", WORDING)
    system, user = messages(asked, WORDING)
    again = asks_again(asked, WORDING, "the rating of {letters} is missing")
    text = f"{system.text}\n=====\n{user.text}\n=====\n{again}\n"
    assert text == GOLDEN.read_text(encoding="utf-8")
    assert user.metadata == {"question": asked.to_json()}
    # Neither message tells whose explanation is whose.
    assert "original" not in text
    assert "summary" not in json.dumps(user.metadata)


def test_what_is_filled_in_is_not_filled_again():
    assert fill("{a}{b}{c}", a="{b}", b="{a}") == "{b}{a}{c}"


def test_the_schema_asks_for_every_letter():
    asked = question("x", deal(make_neuron(), 2), [CATS, DOGS], "train", WORDING)
    schema = answer_schema(asked).json_schema.model_dump(exclude_none=True)
    assert schema["required"] == ["ratings", "best"]
    assert schema["properties"]["ratings"]["required"] == ["A", "B"]
    assert schema["properties"]["best"]["enum"] == ["A", "B"]
    assert schema["properties"]["ratings"]["properties"]["A"]["enum"] == [1, 2, 3, 4, 5]
    assert schema["additionalProperties"] is False


def test_ratings_are_averaged_and_the_choice_goes_to_the_majority():
    turns = [
        Turn((CATS, DOGS), (5, 1), 0),
        Turn((DOGS, CATS), (2, 4), 1),
        Turn((CATS, DOGS), (3, 3), 1),
        Turn((DOGS, CATS), problem="it holds no JSON"),
    ]
    found = judge(turns)
    assert found.ratings == {"original": 4, "avhs": 4, "summary": 2}
    assert found.best == {"original": 1, "avhs": 1, "summary": 0}
    assert found.planted is None
    assert [turn_from_json(json.loads(json.dumps(asdict(t)))) for t in turns] == turns


def test_a_tie_splits_the_choice():
    found = judge([Turn((CATS, DOGS), (5, 5), 0), Turn((DOGS, CATS), (5, 5), 0)])
    assert found.best == {"original": 0.5, "avhs": 0.5, "summary": 0.5}


def test_nothing_answered_is_no_judgement():
    assert judge([Turn((CATS,), problem="x"), Turn((CATS,), skipped="y")]) is None


@pytest.mark.parametrize(
    ("ratings", "lowest"), [((3, 2, 1), True), ((3, 1, 1), True), ((2, 1, 2), False),
                            ((1, 1, 1), False)]
)  # fmt: skip
def test_a_planted_explanation_should_be_rated_lowest(ratings, lowest):
    found = judge([Turn((CATS, DOGS, PLANTED), ratings, 2)])
    assert found.planted.lowest is lowest
    assert (found.planted.rating, found.planted.chosen) == (ratings[2], 1)
    assert set(found.ratings) == {"original", "avhs", "summary"}
    assert sum(found.best.values()) == 0


def test_what_is_planted_is_another_neurons_and_none_of_the_own():
    neurons = [
        explained(0, " cat", "cats", "pets"),
        explained(1, " dog", "dogs", "pets "),
        explained(2, " sea", "cats", "pets"),
    ]
    assert from_another(neurons[0], neurons, 0) == ("dogs", "test/L0N1")
    assert from_another(neurons[1], neurons, 0)[0] == "cats"
    with pytest.raises(ValueError, match="no neuron but test/L0N0 has an explanation of its own"):
        from_another(neurons[0], [neurons[0], neurons[2]], 0)


def test_neurons_shown_twice_are_drawn_by_the_seed():
    neurons = [explained(i, " cat", "cats") for i in range(6)]
    drawn = {tuple(shown_twice(neurons, 2, seed)) for seed in range(9)}
    assert len(drawn) > 1
    assert shown_twice(neurons, 2, 0) == shown_twice(neurons[::-1], 2, 0)
    with pytest.raises(ValueError, match="repeat=7: there are only 6 neurons"):
        shown_twice(neurons, 7, 0)


def test_consistency_is_the_mean_difference_and_the_share_of_equal_choices():
    first = Judgement({"a": 5, "b": 1}, {"a": 1, "b": 0})
    changed = Judgement({"a": 3, "b": 1}, {"a": 0, "b": 1})
    assert consistency([(first, first), (first, changed)]) == (0.5, 0.5)
    assert consistency([]) is None


def test_columns_of_one_format_are_told_apart():
    runs = [("summary", "m/a"), ("avhs", "m/a"), ("avhs", "m/b"), ("avhs", "m/b")]
    assert _names(runs) == ["summary", "avhs by m/a", "avhs by m/b (1)", "avhs by m/b (2)"]


def scored(id_, ratings, best, repeat_of=None, orders=1, places=(), plant=None):
    metadata = {
        "ratings": ratings,
        "best": {column: float(column == best) for column in ratings},
        "repeat_of": repeat_of,
        "orders": orders,
        "places": list(places),
        "planted": plant,
    }
    return SampleScore(sample_id=id_, score=Score(value=1.0, metadata=metadata))


def test_a_neuron_shown_twice_counts_once_in_the_formats_table():
    scores = [
        scored("x", {"a": 5, "b": 1}, "a"),
        scored("y", {"a": 3, "b": 2}, "b"),
        scored("x#2", {"a": 1, "b": 5}, "b", repeat_of="x"),
        scored("z#2", {"a": 1, "b": 5}, "b", repeat_of="z"),
    ]
    found = by_format()(scores)
    assert (found["a rating"], found["a chosen"]) == (4, 0.5)
    assert (found["b rating"], found["b chosen"]) == (1.5, 0.5)
    assert found["a lower"] <= found["a rating"] <= found["a upper"]
    # The second time of z counts nowhere: its first was not scored.
    assert attention()(scores) == {"repeated difference": 4, "repeated same best": 0}


def test_one_neuron_has_no_interval():
    assert math.isnan(by_format()([scored("x", {"a": 5}, "a")])["a lower"])


def test_the_bias_of_places_is_reported_where_there_are_several_orders():
    places = [{"ratings": [5, 1], "best": 1}, {"ratings": [4, 3], "best": 1}]
    biased = scored("x", {"a": 3}, "a", orders=2, places=places)
    assert by_place()([biased]) == {
        "place 1 rating": 1.25, "place 1 chosen": 0.5,
        "place 2 rating": -1.25, "place 2 chosen": -0.5,
    }  # fmt: skip
    assert by_place()([scored("x", {"a": 3}, "a", places=places[:1])]) == {}


def test_what_became_of_planted_explanations_is_reported():
    plants = [{"rating": 1.0, "lowest": True, "chosen": 0.0},
              {"rating": 4.0, "lowest": False, "chosen": 1.0}]  # fmt: skip
    scores = [scored(str(i), {"a": 3}, "a", plant=plant) for i, plant in enumerate(plants)]
    assert attention()(scores) == {
        "planted rating": 2.5, "planted lowest": 0.5, "planted chosen": 0.5,
    }  # fmt: skip
    again = scored("1#2", {"a": 3}, "a", plant=plants[0], repeat_of="1")
    assert attention()([*scores, again])["planted rating"] == 2.5


def packed(path, rating):
    data = {"name": "x", "formats": {"avhs": {}}, "few_shot": []}
    keys = ("system", "header", "opening", "heading", "start", "end", "list_heading",
            "list_separator", "list_end", "repeat_heading")  # fmt: skip
    data["formats"]["avhs"] = dict.fromkeys(keys, "x")
    data |= {} if rating is None else {"rating": rating}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_pack(str(path))


def test_the_rating_section_of_a_pack_is_optional_and_checked(tmp_path):
    section = {field.name: getattr(WORDING, field.name) for field in fields(WORDING)}
    assert packed(tmp_path / "a.yaml", section).rating_wording() == WORDING
    with pytest.raises(PackError, match="'x' has no section rating"):
        packed(tmp_path / "b.yaml", None).rating_wording()
    with pytest.raises(PackError, match=r"rating: unknown key\(s\) colour"):
        packed(tmp_path / "c.yaml", {**section, "colour": "red"})
    with pytest.raises(PackError, match=r"rating.option: must hold {explanation}"):
        packed(tmp_path / "d.yaml", {**section, "option": "{letter}"})
    with pytest.raises(PackError, match=r"rating.retry: expected a string, got 3"):
        packed(tmp_path / "e.yaml", {**section, "retry": 3})


def test_in_words_every_token_and_explanation_is_there():
    dealt = deal(make_neuron(), 2)
    text = in_words(question("x", dealt, [CATS, DOGS], "train", WORDING), WORDING)
    for excerpt in dealt.train:
        assert excerpt.record.text.replace(" cat", "[ cat]") in text
    assert text.index('A: "cats."') < text.index('B: "dogs."')
