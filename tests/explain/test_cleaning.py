import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.explain.cleaning import clean_explanation

OPENINGS = (
    "Explanation of neuron 4 behavior: the main thing this neuron does is find",
    "the main thing this neuron does is find",
)


@pytest.mark.parametrize(
    "raw",
    [
        "words about cats.",
        " words about cats. ",
        "the main thing this neuron does is find words about cats.",
        "The main  thing this neuron does is find words about cats.",
        OPENINGS[0] + " words about cats.",
        "...the main thing this neuron does is find words about cats.",
        "- words about cats.",
        "1. words about cats.",
        '"words about cats."',
        "“words about cats.”",
        "\n\n* the main thing this neuron does is find: words about cats.\n",
        "Explanation: words about cats.",
        '"The main thing this neuron does is find words about cats."',
    ],
)
def test_what_is_not_the_explanation_comes_off(raw):
    assert clean_explanation(raw, OPENINGS) == "words about cats."


@pytest.mark.parametrize(
    "text",
    [
        'the word "cat"',
        '"cat" and "dog"',
        "3.5 million and other figures",
        "the main thing in a room",
        "findings of a study",
        "-ing forms of verbs",
    ],
)
def test_what_belongs_to_the_explanation_stays(text):
    assert clean_explanation(text, OPENINGS) == text


@pytest.mark.parametrize(
    "empty", ["", "  \n", '""', "the main thing this neuron does is find", "- "]
)
def test_nothing_said_is_empty(empty):
    assert clean_explanation(empty, OPENINGS) == ""


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text):
    once = clean_explanation(text, OPENINGS)
    assert clean_explanation(once, OPENINGS) == once
