"""What a writer is asked, and what is read of its replies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.model import ModelOutput

from neuron_eval.generating.asking import (
    CHARACTERS,
    WORDS,
    fitting_prompt,
    near_prompt,
    read_new,
    read_texts,
)
from neuron_eval.generating.measuring import above, above_pieces
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError

GOLDEN = Path(__file__).parents[1] / "golden"
WORDING = default_pack().generation_wording()
MARK = 'cats, such as "{texts}"'


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("generation_fitting", fitting_prompt(MARK, 7, WORDING)),
        ("generation_near", near_prompt(MARK, ["A {texts}.", "A cat."], WORDING)),
    ],
)
def test_the_prompts_are_the_golden_ones(name, messages):
    text = "\n=====\n".join(f"{message.role}: {message.text}" for message in messages) + "\n"
    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def read(reply, wanted=3, known=(), stop_reason="stop"):
    return read_texts(ModelOutput.from_content("m", reply, stop_reason=stop_reason), wanted, known)


TEXTS = ["A cat sat.", "Two cats ran.", "No dog barks."]


@pytest.mark.parametrize(
    "reply",
    [
        "1. A cat sat.\n2. Two cats ran.\n3. No dog barks.",
        "\n1) A cat sat.\n\n2) Two cats ran.\n\n3) No dog barks.\n4) And more.\n",
        'Here they are:\n\n1. "A cat sat."\n2. “Two cats ran.”\n3. `No dog barks.`\n\nEnjoy!',
        "- A cat sat.\n- Two cats ran.\n* No dog barks.",
        "1: A cat sat.\n2: Two cats ran.\n3: No dog barks.",
        "**1.** A cat sat.\n**2.** Two cats ran.\n**3.** No dog barks.",
        "A cat sat.\nTwo cats ran.\n\nNo dog barks.",
        "<think>1. Hm.</think>1. A cat sat.\n2. Two cats ran.\n3. No dog barks.",
        "1. A cat sat.\n   - fits: the word\n2. Two cats ran.\n   - too\n3. No dog barks.",
        "1. A cat sat.\r\n2. A  cat sat.\r\n3. Two cats ran.\r\n4. No dog barks.",
    ],
)
def test_a_reply_is_read_without_what_stands_around_its_texts(reply):
    assert read(reply) == TEXTS


@pytest.mark.parametrize(
    ("reply", "texts"),
    [
        ("1. 3. Reich and cats", ["3. Reich and cats"]),
        ('1. "A cat," he said, "sat."', ['"A cat," he said, "sat."']),
        ("1. 1984 was a good year.", ["1984 was a good year."]),
        ("1. A cat\x00 sat.\x1b", ["A cat sat."]),
        ("1. A cat  sat\ton it", ["A cat  sat\ton it"]),
        ("1. " + "cat " * 100, ["cat " * (WORDS - 1) + "cat"]),
        ("1. " + "猫" * 1000, ["猫" * CHARACTERS]),
        ("1. \n2. A cat.\n3.", ["A cat."]),
    ],
)
def test_a_text_stays_as_it_is_up_to_its_longest(reply, texts):
    assert read(reply) == texts


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "the reply is empty"),
        ("I would rather not.", "it holds no numbered line with a new text"),
        ("A cat sat.\nTwo cats ran.", "it holds no numbered line"),
        ("Three texts:\nA cat sat.\nTwo cats ran.", "it holds no numbered line"),
        ("1. known\n2.  known ", "with a new text"),
    ],
)
def test_a_reply_without_texts_is_refused_with_the_reason(reply, why):
    with pytest.raises(UnreadableReplyError, match=why):
        read(reply, known=["known"])


def test_a_line_that_was_cut_off_is_no_text():
    assert read("1. A cat sat.\n2. Two ca", stop_reason="max_tokens") == TEXTS[:1]
    assert read("1. A cat sat.\n2. Two cats ran.\n", stop_reason="max_tokens") == TEXTS[:2]


def test_the_explanation_is_no_text_that_fits_it():
    output = ModelOutput.from_content("m", '1. The word "cat"!\n2. A cat sat.')
    assert read_new(output, 5, 'the word "cat"') == ["A cat sat."]
    output = ModelOutput.from_content("m", "1. Cats.")
    with pytest.raises(UnreadableReplyError, match="its text is the explanation"):
        read_new(output, 5, "cats")


@given(st.text(), st.integers(1, 9))
def test_whatever_is_read_are_few_short_lines_no_two_the_same(reply, wanted):
    try:
        texts = read(reply, wanted)
    except UnreadableReplyError:
        return
    assert 1 <= len(texts) <= wanted
    assert len({" ".join(text.split()) for text in texts}) == len(texts)
    for text in texts:
        assert text == text.strip()
        assert 1 <= len(text) <= CHARACTERS
        assert len(text.split()) <= WORDS
        assert len(text.splitlines()) == 1


@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30
        ).filter(lambda text: text[0] not in "\"“«„`"),
        min_size=1, max_size=5, unique=True,
    )
)  # fmt: skip
def test_numbered_texts_are_read_back(texts):
    reply = "\n".join(f"{i}. {text}" for i, text in enumerate(texts, start=1))
    assert read(reply, len(texts)) == texts


VALUES = st.lists(st.integers(0, 3).map(float), min_size=1, max_size=6)


@given(VALUES, VALUES)
def test_the_auroc_is_that_of_scikit_learn(high, low):
    from sklearn.metrics import roc_auc_score

    right = roc_auc_score([1] * len(high) + [0] * len(low), [*high, *low])
    assert above(high, low) == pytest.approx(right)


def record(*activations):
    return ActivationRecord(tuple(f" {i}" for i in range(len(activations))), activations)


def test_pieces_of_an_excerpt_are_as_long_as_the_text():
    # Of the three pieces of two tokens one has the 5, one a tie.
    assert above_pieces([record(2.0, 0.0)], [record(5.0, 1.0, 1.0, 2.0)]) == pytest.approx(
        (0 + 1 + 0.5) / 3
    )
    assert above_pieces([record(2.0, 0.0, 1.0)], [record(1.0)]) == 1.0


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[]", "generation: expected keys and values, got list"),
        ("{fitting: {}}", r"generation: missing key\(s\) examples, near"),
        ("{fitting: {}, near: {}, examples: []}", r"generation\.fitting: missing key"),
        (
            "{fitting: {system: s, question: q, retry: r}, near: {}, examples: []}",
            r"fitting\.question: must hold \{explanation\}",
        ),
        (
            "{fitting: &f {system: s, question: '{explanation}', retry: r}, near: *f,"
            " examples: []}",
            r"near\.question: must hold \{fitting\}",
        ),
        ("{fitting: {}, near: {}, examples: 3}", r"examples: expected a list"),
    ],
)
def test_a_wrong_section_of_a_pack_is_refused(tmp_path, section, message):
    with pytest.raises(PackError, match=message):
        load_pack(pack_with(tmp_path, section))


WORDS_OF_BOTH = (
    "fitting: {system: s, question: '{explanation}', retry: r}, "
    "near: {system: s, question: '{explanation}{fitting}', retry: r}"
)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("{explanation: e, fitting: [a], near: [b, c]}", "expected as many near as fitting"),
        ("{explanation: e, fitting: [a], near: [3]}", "near: expected a list of texts"),
        ("{explanation: e, fitting: [], near: []}", "fitting: expected a list of texts"),
        ('{explanation: e, fitting: ["a\\nb"], near: [b]}', "fitting: expected a list of texts"),
        ("{explanation: 3, fitting: [a], near: [b]}", "explanation: expected a string"),
    ],
)
def test_a_wrong_example_of_a_pack_is_refused(tmp_path, example, message):
    section = f"{{{WORDS_OF_BOTH}, examples: [{example}]}}"
    with pytest.raises(PackError, match=rf"generation\.examples\[0\].*{message}"):
        load_pack(pack_with(tmp_path, section))


def pack_with(tmp_path, section):
    path = tmp_path / "pack.yaml"
    strings = ("system", "header", "opening", "heading", "start", "end", "list_heading")
    strings += ("list_separator", "list_end", "repeat_heading")
    wording = ", ".join(f"{name}: x" for name in strings)
    path.write_text(
        f"name: mine\nformats: {{summary: {{{wording}}}}}\nfew_shot: []\ngeneration: {section}\n"
    )
    return str(path)
