"""What the baseline explainer reads in each format's prompt."""

import pytest

from neuron_eval.explain.baseline import marked_tokens, name_words
from neuron_eval.explain.prompting import explainer_prompt
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records import ActivationRecord

PACK = load_pack(None)
SHOWN = Shown(
    (
        ActivationRecord(("[", "Us", "enet", "]", " a", " cat", "\n"), (0, 0, 0, 0, 0, 9, 0)),
        ActivationRecord((" [", "sic", "]", " the", " Cat", "\t"), (0, 0, 0, 0, 7, 0)),
    ),
    cutoff=1,
)


def marked(name):
    return marked_tokens(explainer_prompt(name, SHOWN, PACK)[-1].content, PACK)


@pytest.mark.parametrize("name", ["original", "summary", "highlight_summary", "avhs"])
def test_brackets_of_the_text_are_no_marks(name):
    assert name_words(marked(name)) == 'the word "cat".'


def test_brackets_of_the_text_cannot_be_told_from_highlights():
    found = marked("highlight")
    assert found[" cat"] == found[" Cat"] == 1
    assert "sic" in found
