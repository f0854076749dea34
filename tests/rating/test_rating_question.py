"""The question and the answer as JSON: what goes through, and what is refused with its place."""

import copy
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.rating.answer import (
    MAX_TEXT,
    Answer,
    AnswerError,
    Skipped,
    parse_answer,
)
from neuron_eval.rating.answer import from_json as answer_from_json
from neuron_eval.rating.question import Question, QuestionError, from_json

DATA = {
    "id": "smollm2/L8N902",
    "title": "neuron 902 in layer 8 of smollm2",
    "excerpts": [
        {
            "name": "top 0",
            "tokens": ["<script>", "\u202e cat", "\x00"],
            "levels": [0, 10, 3],
            "highlighted": [False, True, False],
        }
    ],
    "options": [
        {"letter": "A", "explanation": "cats."},
        {"letter": "B", "explanation": "pets."},
    ],
    "scale": {"least": 1, "most": 5, "least_means": "not at all", "most_means": "exactly"},
    "instructions": "Rate each.",
}


def changed(*path, to):
    data = copy.deepcopy(DATA)
    part = data
    for name in path[:-1]:
        part = part[name]
    if to is KeyError:
        del part[path[-1]]
    else:
        part[path[-1]] = to
    return data


def answer(**changes):
    return {"ratings": {"A": 4, "B": 2}, "best": "A", "comment": "", **changes}


def test_a_question_survives_json_with_every_odd_character():
    read = from_json(json.loads(json.dumps(QUESTION.to_json())))
    assert isinstance(read, Question)
    assert read == QUESTION
    assert read.to_json() == DATA
    assert read.letters == ("A", "B")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "question is a list; expected a JSON object"),
        (changed("id", to=KeyError), "question: no field 'id'"),
        (changed("title", to=3), "question.title is 3; expected a text"),
        (changed("excerpts", to=[]), r"question.excerpts is \[\]; expected a list that holds"),
        (
            changed("excerpts", 0, "levels", 1, to=11),
            r"excerpts\[0\].levels\[1\] is 11; expected a whole number from 0 to 10",
        ),
        (changed("excerpts", 0, "levels", 1, to=True), r"levels\[1\] is True"),
        (changed("excerpts", 0, "levels", to=[1]), r"levels: 1 values for 3 tokens"),
        (changed("excerpts", 0, "highlighted", 0, to=1), r"highlighted\[0\] is 1; expected true"),
        (changed("excerpts", 0, "tokens", 0, to=None), r"tokens\[0\] is None; expected a text"),
        (changed("options", 0, "letter", to="C"), "letters C, B; expected A, B"),
        (changed("options", 0, "explanation", to="pets."), "an explanation stands there twice"),
        (changed("scale", "least", to=5), "question.scale: from 5 to 5; expected whole numbers"),
        (changed("scale", "most", to="5"), "question.scale: from 1 to '5'"),
    ],
)
def test_a_bad_question_is_refused_with_its_place(data, message):
    with pytest.raises(QuestionError, match=message):
        from_json(data)


def test_an_answer_survives_json():
    given = Answer({"A": 4, "B": 2}, "A", "close")
    assert parse_answer(json.dumps(given.to_json()), QUESTION) == given
    skipped = Skipped("too hard")
    assert parse_answer(json.dumps(skipped.to_json()), QUESTION) == skipped


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"ratings": {"A": 4, "B": 2}, "best": "A", "comment": ""}\n```',
        'I think {roughly} so: {"best": "A", "ratings": {"B": 2, "A": 4}, "why": "cats"} Done.',
        '{"ratings": {"A": 1, "B": 1}, "best": "B"} {"ratings": {"A": 4, "B": 2}, "best": "A"}',
        '{"ratings": {"A": 4, "B": 2}, "best": "A", "comment": null}{"note": 1}',
        '{"x": 1, "x": 2} {"ratings": {"A": 4, "B": 2}, "best": "A"}',
        f'{{"sure": 1{"0" * 5000}}} {{"ratings": {{"A": 4, "B": 2}}, "best": "A"}}',
    ],
)
def test_an_answer_is_found_in_what_language_models_write_around_it(text):
    assert parse_answer(text, QUESTION) == Answer({"A": 4, "B": 2}, "A")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (answer(ratings={"A": 4}), "the rating of B is missing"),
        (answer(ratings={"A": 4, "B": 6}), "rating of B is 6, not a whole number from 1 to 5"),
        (answer(ratings={"A": 0, "B": 1}), "rating of A is 0, not a whole number"),
        (answer(ratings={"A": 4.0, "B": 1}), "rating of A is 4.0, not a whole number"),
        (answer(ratings={"A": True, "B": 1}), "rating of A is true, not a whole number"),
        (answer(ratings={"A": "4", "B": 1}), 'rating of A is "4", not a whole number'),
        (answer(ratings={"A": 4, "B": 2, "C": 3}), 'there is no explanation "C" to rate'),
        (answer(ratings=[4, 2]), "ratings is .4, 2., not an object"),
        (answer(best="C"), 'best is "C", not one of A, B'),
        (answer(best=["A"]), "best is .*, not one of A, B"),
        (answer(comment=3), "comment is 3, not a text"),
        (answer(comment="x" * (MAX_TEXT + 1)), f"comment has {MAX_TEXT + 1} characters"),
        ({"skipped": " "}, "the reason for skipping is empty"),
        ({"skipped": True}, "skipped is true, not a text"),
        ({"rating": {"A": 1}}, "no JSON object with the fields ratings and best"),
    ],
)
def test_a_bad_answer_is_refused_with_what_is_wrong(data, message):
    with pytest.raises(AnswerError, match=message):
        parse_answer(json.dumps(data), QUESTION)


def test_half_a_character_in_what_a_rater_says_is_replaced():
    found = parse_answer(json.dumps(answer(comment="so\ud800")), QUESTION)
    assert found == Answer({"A": 4, "B": 2}, "A", "so\ufffd")
    assert parse_answer('{"skipped": "so\\ud800"}', QUESTION) == Skipped("so\ufffd")


def test_a_number_of_more_digits_than_python_reads_is_no_answer():
    with pytest.raises(AnswerError, match="no JSON object"):
        parse_answer(f'{{"ratings": {{"A": 1{"0" * 5000}, "B": 2}}, "best": "A"}}', QUESTION)


def test_two_ratings_of_one_explanation_are_refused():
    with pytest.raises(AnswerError, match='"A" stands there twice'):
        parse_answer('{"ratings": {"A": 1, "A": 5, "B": 2}, "best": "A"}', QUESTION)


def test_only_an_object_is_an_answer():
    with pytest.raises(AnswerError, match="it is a list, not a JSON object"):
        answer_from_json([], QUESTION)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]":,AB12 ratingsbest\\', max_size=80))
def test_no_text_breaks_the_reader(text):
    # Whatever else it raised would fail the test.
    with suppress(AnswerError):
        found = parse_answer(text, QUESTION)
        assert isinstance(found, Skipped) or set(found.ratings) == {"A", "B"}


def test_deep_nesting_is_no_answer_and_no_crash():
    with pytest.raises(AnswerError, match="nested too deeply"):
        parse_answer('{"ratings":' * 20_000, QUESTION)


QUESTION = from_json(DATA)
