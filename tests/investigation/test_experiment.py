"""What an explainer writes, read; and results, shown."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.model import ModelOutput

from neuron_eval.formats import format_names
from neuron_eval.formats.base import Shown
from neuron_eval.investigation import experiment
from neuron_eval.investigation.experiment import CHARACTERS, read_test_plan, results_text
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError


def plan(reply, stop_reason="stop", most=3):
    return read_test_plan(ModelOutput.from_content("m", reply, stop_reason=stop_reason), most)


def test_hypotheses_and_texts_are_read_from_their_lines():
    got = plan(
        "<think>Text: no</think>Sure!\n"
        "- **Hypothesis 1:** rain\n"
        "hypothesis: snow\n"
        'Text: "We walked in the rain."\n'
        "2. Text 2: It is dry.\n"
        "Text: It is dry.\n"
        'Text: "Rain," he said, "and snow."\n'
        "Text:\n"
        "Text: a fourth\n"
    )
    assert got.hypotheses == ("rain", "snow")
    assert got.texts == ("We walked in the rain.", "It is dry.", '"Rain," he said, "and snow."')


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "the reply is empty"),
        ("Hypothesis: rain", 'no line that begins with "Text:"'),
        ("We walked in the rain.\nContext: none", 'no line that begins with "Text:"'),
        ("<think>Text: a", "nothing but thinking"),
    ],
)
def test_a_reply_without_texts_is_refused(reply, why):
    with pytest.raises(UnreadableReplyError, match=why):
        plan(reply)


def test_a_text_that_was_cut_off_is_left_out():
    assert plan("Text: a whole one\nText: half of o", "max_tokens").texts == ("a whole one",)
    with pytest.raises(UnreadableReplyError):
        plan("Text: half of o", "max_tokens")


def test_texts_that_are_known_are_left_out():
    output = ModelOutput.from_content("m", "Text: one\nText: two\nText: three\nText: four")
    assert read_test_plan(output, 2, {"one", "three"}).texts == ("two", "four")
    with pytest.raises(UnreadableReplyError, match="no text is new"):
        read_test_plan(output, 2, {"one", "two", "three", "four"})


def test_a_long_text_that_was_tested_is_not_new():
    long = "a cat ran " * 50
    output = ModelOutput.from_content("m", f"Text: {long}")
    (tested,) = read_test_plan(output, 2).texts
    with pytest.raises(UnreadableReplyError, match="no text is new"):
        read_test_plan(output, 2, {tested})


@given(st.lists(st.text()), st.integers(1, 5))
def test_texts_are_bounded(texts, most):
    chosen = experiment.tested_texts(texts, most)
    assert len(chosen) <= most
    assert len(set(chosen)) == len(chosen)
    for text in chosen:
        assert 0 < len(text) <= CHARACTERS
        assert any(each.strip().startswith(text) for each in texts)


@given(st.text())
def test_no_reply_breaks_the_reader(reply):
    with contextlib.suppress(UnreadableReplyError):
        assert plan(reply).texts


EXCERPT = ActivationRecord((" a", " cat"), (0.0, 10.0))
SILENT = ActivationRecord(("A", " dog", "."), (0.0, 0.0, -1.0))
HALF = ActivationRecord(("Two", " cats"), (0.0, 5.0))


@pytest.mark.parametrize("name", format_names())
def test_results_are_shown_as_the_format_shows_excerpts(name):
    wording = default_pack().wording(name)
    shown = Shown((EXCERPT,), cutoff=2.0)
    text = results_text(name, shown, [SILENT, HALF], wording, "Results\n")
    assert text.startswith("Results\n")
    assert "10" not in text
    assert {
        "original": " cats\t5",
        "summary": "Tokens that activate highly:\n cats\n",
        "avhs": " cats\t5",
    }.get(name, "Two[ cats]") in text
