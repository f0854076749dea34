"""What the baseline explainer reads in each format's prompt."""

import pytest
from inspect_ai.model import get_model

from neuron_eval.explain.baseline import marked_tokens, name_words
from neuron_eval.explain.prompting import explainer_prompt
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records import ActivationRecord
from neuron_eval.usage_error import UsageError

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


def test_a_pack_that_the_baseline_cannot_read_is_said_in_a_sentence(tmp_path):
    (tmp_path / "bad.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(UsageError, match=r"bad\.yaml: not valid YAML"):
        get_model("neuron-baseline/lexical", pack=str(tmp_path / "bad.yaml"))
    with pytest.raises(UsageError, match="the only model is 'lexical'"):
        get_model("neuron-baseline/other")
