"""What chat models put around an explanation comes off, and nothing of the explanation does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.explain.emphasis import without_emphasis
from neuron_eval.explain.prompting import opening_phrases
from neuron_eval.prompts.pack import default_pack

TAIL = "the main thing this neuron does is find"

OPENING = f"Explanation of neuron 4 behavior: {TAIL}"

DECORATED = [
    f"**Explanation of neuron 4 behavior:** {TAIL} the word **cat**.",
    f"**{OPENING} the word cat.**",
    f"**{OPENING}** the word *cat*.",
    f"Explanation of neuron 17 behavior: {TAIL} the word cat.",
    f"Explanation of neuron 4's behavior: {TAIL} the word cat.",
    f"### Explanation of neuron 12 behavior\n\n{TAIL} the word cat.",
    f"Sure, {TAIL} the word cat.",
    f"Based on the excerpts, I can see that {TAIL} the word cat.",
    f"**{OPENING} the word cat.",
    f"`{OPENING}` the word cat.",
    "### Explanation\n\nthe word cat.",
    "# Explanation: the word cat.",
    "## the word cat.",
    "**Explanation**: the word _cat_.",
    "*Explanation:* the word ***cat***.",
    "**Explanation:**\n**the word cat.**",
    "Answer: the word cat.",
    "**Final Answer:** the word cat.",
    "Neuron 4: the word cat.",
    "Sure! Here is the explanation:\n\nthe word cat.",
    "Certainly! Here's the explanation of neuron 4's behavior:\n\n> the word cat.",
    "Okay. the word cat.",
    "Here is the explanation:\n\n---\n\nthe word cat.\n\n---",
    "> **Explanation:** the word cat.",
    "> the word\n> cat.".replace("\n> ", " "),
    "- **the word cat.**",
    "* the word *cat*.",
    "1. the word __cat.__",
    "```\nthe word cat.\n```",
    "```text\nthe word cat.\n```",
    "```\nthe word cat.",
    "```the word cat.```",
    '"the word cat."',
    "“**the word cat.**”",
    "«the word cat.»",
    "$\\boxed{\\text{the word cat.}}$",
    "\\[ \\boxed{the word cat.} \\]",
    "The final answer is: $\\boxed{the word cat.}$",
    "<answer>\nthe word cat.\n</answer>",
    "<b>the word cat.</b>",
    "[EXPLANATION]: the word cat.",
    "**Behavior:** the word cat.",
    "**Neuron's main function**: the word cat.",
    "## Behavior\n\nthe word cat.",
    f"Of course! I'd be happy to help. {TAIL.capitalize()} the word cat.",
    f"I think {TAIL} the word cat.",
    "the word cat.<|im_end|>",
    "**the word cat.**</s>",
    "\ufeffthe word cat.\u200b",
    "「the word cat.」",
]

ABOUT_MARKS = [
    'the word "cat"',
    '"cat" and "dog"',
    "“cat” and “dog”",
    "the neuron's word 'cat'",
    "the following: 1) cats, 2) dogs",
    "words:\n- cats\n- dogs",
    "** and __ in Markdown",
    "the token ** or the token #",
    '"**" and "*"',
    'bold text such as "**word**"',
    "`**` and `__`",
    "(*) and (**)",
    "**kwargs and *args in Python",
    "methods such as __init__ and __str__",
    "2**3 and 4**5",
    "names such as snake_case_name and other_name_too",
    "the glob *.py and foo.*",
    "# symbols and hashtags",
    "## and ### headings",
    "> and < signs",
    "- and other dashes",
    "1. and 2. in lists",
    "backticks (`) around code",
    "``` and ~~~",
    "```python code fences",
    'the quotation mark "',
    "$ and € before numbers",
    "\\boxed{a} and \\boxed{b}",
    "<b> and </b>",
    "sure, okay, yes and other words of assent",
    "Sure! and other exclamations",
    "here is: introductions",
    "explanations of terms: definitions",
    "Answers to questions",
    "the final answer is given",
    '"-"',
    '"*"',
    "`>`",
    '"1."',
    '"Explanation:"',
    "`Sure!`",
    "the token </s>",
    "<|im_start|> and <|im_end|>",
    "Behavior: its study",
    "Patterns\nand forms",
    "asterisks around a word, as in *word* or **word**",
    "Markdown emphasis such as _word_",
]


@pytest.mark.parametrize("raw", DECORATED)
def test_decorations_come_off(raw):
    assert clean_explanation(raw, OPENINGS) == CAT


@pytest.mark.parametrize("text", ABOUT_MARKS)
def test_marks_that_an_explanation_is_about_stay(text):
    assert clean_explanation(text, OPENINGS) == text


@pytest.mark.parametrize("mark", ["-", "*", "1.", "(2)", "•"])
def test_a_list_loses_the_mark_of_each_item(mark):
    for before in ("", f"{TAIL}:\n\n"):
        raw = f"{before}{mark} **cats**\n{mark} dogs"
        assert clean_explanation(raw, OPENINGS) == "cats\ndogs"


@pytest.mark.parametrize("mark", ["-", "*", ">"])
def test_a_mark_in_quotes_behind_the_opening_is_the_explanation(mark):
    assert clean_explanation(f'{TAIL} "{mark}"', OPENINGS) == f'"{mark}"'


def test_a_quotation_of_several_lines_loses_the_mark_of_each():
    assert clean_explanation("> the word cat\n> or dog.", OPENINGS) == "the word cat\nor dog."


def test_the_opening_comes_from_the_pack():
    mine = ("Neuron summary (unit 7): it responds to", "it responds to")
    for raw in (
        "**Neuron summary (unit 7):** it responds to the word cat.",
        "Neuron summary (unit 21): it responds to the word cat.",
    ):
        assert clean_explanation(raw, mine) == CAT
    assert clean_explanation("things that it responds to", mine) == "things that it responds to"
    assert clean_explanation("Answer keys", ("Answer: it finds", "it finds")) == "Answer keys"


# Any explanation, in any decorations

WORD = st.sampled_from(
    ["cats", "dogs", "the", "word", '"cat"', "(e.g. Paris)", "3.5", "2**3", "don't", "__init__"]
)

EXPLANATION = st.lists(WORD, min_size=1, max_size=6).map(lambda w: f"words about {' '.join(w)}.")

EMPHASIS = st.sampled_from([("", ""), ("*", "*"), ("**", "**"), ("***", "***"), ("_", "_")])
"""Only right around a text is it emphasis in Markdown."""

AROUND = [
    ("### ", ""), ("- ", ""), ("> ", ""),
    ("```text\n", "\n```"), ("Sure! Here is the explanation:\n\n", ""),
    ("Answer: ", ""), ("**Explanation:** ", ""), ("### Explanation\n\n", ""), ("“", "”"),
    ("\\boxed{", "}"), ("<answer>", "</answer>"), (" ", "\n"), (f"{OPENING} ", ""),
    (f"{TAIL} ", ""), ("**Explanation of neuron 9 behavior:** ", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        "**Neuron 4, in one sentence:** it responds to the word **cat**.",
        "Neuron 17, in one sentence: it responds to the word cat.",
        "### Neuron 4, in one sentence\n\nIt responds to the word cat.",
        "it responds to: the word cat.",
    ],
)
def test_the_bundled_pack_s_opening_comes_off_through_markdown(answer):
    openings = opening_phrases("summary", default_pack())
    assert clean_explanation(answer, openings) == CAT


@given(EXPLANATION)
def test_what_is_not_decorated_passes_unchanged(text):
    assert clean_explanation(text, OPENINGS) == text


@given(EXPLANATION, EMPHASIS, st.lists(st.sampled_from(AROUND), max_size=5, unique=True))
def test_decorations_come_off_in_any_combination(text, emphasis, decorations):
    decorated = text
    for before, after in [emphasis, *decorations]:
        decorated = before + decorated + after
    assert clean_explanation(decorated, OPENINGS) == text


@given(st.text(alphabet="*_`\"'“”#>- \na1.<b>{}\\$", max_size=40))
def test_cleaning_marks_twice_changes_nothing_more(text):
    once = clean_explanation(text, OPENINGS)
    assert clean_explanation(once, OPENINGS) == once
    assert without_emphasis(without_emphasis(once)) == once


OPENINGS = (OPENING, TAIL)

CAT = "the word cat."
