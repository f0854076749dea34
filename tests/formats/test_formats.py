import copy
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.explain.prompting import cutoff, explainer_prompt, opening_phrases
from neuron_eval.formats import FORMATS, format_names, get_format
from neuron_eval.formats.base import Shown, bracketed, letter, prompt_format
from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import Wording
from neuron_eval.records import ActivationRecord, RecordError
from neuron_eval.records.activations import normalise
from neuron_eval.testing import make_neuron


def record(*pairs):
    return ActivationRecord(tuple(t for t, _ in pairs), tuple(float(a) for _, a in pairs))


def test_original_is_token_tab_level_a_line():
    shown = Shown((record((" a", 0), (" b", 2), ("c", 4)),), cutoff=9)
    assert get_format("original")(shown, PLAIN) == "(A){ a\t0\n b\t5\nc\t10}"


def test_original_repeats_without_zeros_below_a_fifth_only():
    def zeros_and_one(zeros):
        return Shown((record(*[(" z", 0)] * zeros, (" y", 1)),), cutoff=9)

    exactly, below = zeros_and_one(4), zeros_and_one(5)
    assert "R:" not in get_format("original")(exactly, PLAIN)
    assert get_format("original")(below, PLAIN).endswith(" y\t10}R:(A){ y\t10}")


def test_original_counts_and_repeats_all_that_is_above_zero():
    def zeros_and_two(zeros):
        return Shown((record(*[(" z", 0)] * zeros, (" x", 1), (" y", 10)),), cutoff=9)

    assert "R:" not in get_format("original")(zeros_and_two(8), PLAIN)
    assert get_format("original")(zeros_and_two(9), PLAIN).endswith("R:(A){ x\t1\n y\t10}")


def test_original_repeats_every_excerpt_even_a_silent_one():
    shown = Shown((record(*[(" z", 0)] * 9, (" y", 1)), record((" x", 0))), cutoff=9)
    assert get_format("original")(shown, PLAIN).endswith("R:(A){ y\t10}(B){}")


def test_summary_lists_what_is_strictly_above_the_cutoff():
    assert get_format("summary")(TWO, PLAIN) == "(A){ a bc d e}L:c, e;(B){ f g h}L:;"


def test_highlight_brackets_each_token_by_itself():
    adjacent = Shown((record((" a", 3), ("b", 3), (" c", 0)),), cutoff=1)
    assert get_format("highlight")(adjacent, PLAIN) == "(A){[ a][b] c}"
    assert get_format("highlight")(TWO, PLAIN) == "(A){ a b[c] d[ e]}(B){ f g h}"


def test_highlight_summary_is_highlights_text_and_summarys_list():
    assert get_format("highlight_summary")(TWO, PLAIN) == "(A){ a b[c] d[ e]}L:c, e;(B){ f g h}L:;"


def test_avhs_marks_from_a_tenth_of_the_peak_whatever_the_cutoff():
    assert get_format("avhs")(TWO, PLAIN) == (
        "(A){ a[ b][c] d[ e]}L: b\t5,c\t5, e\t10;(B){ f[ g][ h]}L: g\t1, h\t2;"
    )


@pytest.mark.parametrize(
    ("raw", "maximum", "level"),
    [(0, 4, 0), (-5, 4, 0), (0.39, 4, 0), (0.4, 4, 1), (3.99, 4, 9), (4, 4, 10), (9, 4, 10)],
)
def test_levels_are_floored_tenths_of_the_peak(raw, maximum, level):
    assert normalise([raw], maximum) == [level]


def test_everything_is_silent_without_a_positive_peak():
    assert normalise([-1.0, 0.0, 3.0], 0.0) == [0, 0, 0]
    assert Shown((record((" a", -1)),), 0).maximum == 0


def test_headings_go_on_after_z():
    assert [letter(i) for i in (0, 25, 26, 51, 52, 701, 702)] == [
        "A", "Z", "AA", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip
    many = Shown(tuple(record((f" t{i}", i)) for i in range(40)), cutoff=0)
    assert "(AN){" in get_format("highlight")(many, PLAIN)


def test_a_name_cannot_be_taken_twice():
    with pytest.raises(ValueError, match="registered twice"):
        prompt_format("summary")(lambda shown, wording: "")


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"format='sumary'.* original, summary, highlight"):
        get_format("sumary")


def test_the_formats_of_the_paper_come_first():
    assert format_names()[:5] == ("original", "summary", "highlight", "highlight_summary", "avhs")
    assert set(format_names()) == set(FORMATS)


# Anything that a tokenizer could give, and what a loader would refuse.
TOKENS = st.text(max_size=6) | st.sampled_from(
    ["\t", "\n", "[", "]", ",", "", " ", "<start>", "<end>", "{letter}", "|", "\r\n", "é", "🙂"]
)

EXCERPTS = st.lists(
    st.lists(st.tuples(TOKENS, st.floats(-5, 20)), min_size=1, max_size=12).map(
        lambda pairs: record(*pairs)
    ),
    min_size=1,
    max_size=30,
)


def marked(shown, name):
    if name == "avhs":
        return [[level > 0 for level in shown.normalised(e)] for e in shown.excerpts]
    return [[value > shown.cutoff for value in e.activations] for e in shown.excerpts]


@given(EXCERPTS, st.floats(-1, 10), st.sampled_from(format_names()))
def test_every_token_survives_in_order_and_no_record_changes(excerpts, above, name):
    shown = Shown(tuple(excerpts), above)
    before = copy.deepcopy(shown)
    block = get_format(name)(shown, PLAIN)
    assert shown == before
    at = 0
    for excerpt in excerpts:
        for token in excerpt.tokens:
            at = block.index(token, at) + len(token)


@given(EXCERPTS, st.floats(-1, 10), st.sampled_from(format_names()))
def test_rendering_is_exactly_what_is_marked(excerpts, above, name):
    shown = Shown(tuple(excerpts), above)
    marks = marked(shown, name)
    pieces = []
    for i, (excerpt, row) in enumerate(zip(excerpts, marks, strict=True)):
        levels = shown.normalised(excerpt)
        lines = [f"{t}\t{n}" for t, n in zip(excerpt.tokens, levels, strict=True)]
        text = "".join(
            f"[{t}]" if m and name != "summary" else t
            for t, m in zip(excerpt.tokens, row, strict=True)
        )
        listed = [
            line if name == "avhs" else token
            for token, line, m in zip(excerpt.tokens, lines, row, strict=True)
            if m
        ]
        piece = f"({letter(i)}){{" + ("\n".join(lines) if name == "original" else text) + "}"
        if name in ("summary", "highlight_summary", "avhs"):
            piece += "L:" + ",".join(listed) + ";"
        pieces.append(piece)
    block = get_format(name)(shown, PLAIN)
    expected = "".join(pieces)
    assert block == expected or (name == "original" and block.startswith(expected + "R:"))


@given(
    st.lists(st.tuples(st.text("abc é\t", min_size=1), st.floats(0, 9)), min_size=1, max_size=20),
    st.floats(0, 9),
)
def test_as_many_tokens_are_bracketed_as_are_above_the_cutoff(pairs, above):
    shown = Shown((record(*pairs),), above)
    block = get_format("highlight")(shown, PLAIN)
    assert block.count("[") == block.count("]") == sum(value > above for _, value in pairs)


NEURON = make_neuron("gpt/L3N7", word=" cat", excerpts=4)


def shown_neuron():
    return Shown((NEURON.top[0], NEURON.top[1]), cutoff=0.5)


@pytest.mark.parametrize("name", format_names())
def test_the_bundled_prompt_is_the_golden_one(name):
    prompt = explainer_prompt(name, shown_neuron(), default_pack())
    text = "".join(f"=== {message.role} ===\n{message.content}\n" for message in prompt)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("NEURON_EVAL_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", format_names())
def test_building_prompts_in_any_order_gives_the_same_bytes(name):
    pack, shown = default_pack(), shown_neuron()
    first = explainer_prompt(name, shown, pack)
    for other in format_names():
        explainer_prompt(other, shown, pack)
    assert explainer_prompt(name, shown, pack) == first


def test_the_cutoff_is_the_neurons_quantile_boundary():
    neuron = make_neuron()
    shown = tuple(e.record for e in neuron.split("train", 5))
    assert [cutoff(neuron, shown, i) for i in (0, 1, 2)] == [0.0, 0.02, 0.5]
    with pytest.raises(RecordError, match=r"holds 3 values, so cutoff_quantile=3 .* 0 and 2"):
        cutoff(neuron, shown, 3)


def test_without_boundaries_the_cutoff_is_half_the_peak_shown():
    from dataclasses import replace

    neuron = replace(make_neuron(), quantiles=(), quantile_boundaries=())
    shown = tuple(e.record for e in neuron.split("train", 5))
    assert cutoff(neuron, shown) == 5.0
    assert cutoff(replace(neuron, cutoff=1.0), shown) == 1.0


def test_the_opening_of_the_answer_carries_the_neurons_number():
    openings = opening_phrases("summary", default_pack())
    assert openings == ("Neuron 7, in one sentence: it responds to", "it responds to")


def test_marks_and_tokens_that_are_not_as_many_are_refused():
    for marks in ([True], [True, False, True]):
        with pytest.raises(ValueError, match="zip"):
            bracketed([" a", " b"], marks)


GOLDEN = Path(__file__).parents[1] / "golden"

PLAIN = Wording(
    system="S",
    header="<{number}>",
    opening="?",
    heading="({letter})",
    start="{",
    end="}",
    list_heading="L:",
    list_separator=",",
    list_end=";",
    repeat_heading="R:",
)
"""Markers short enough to write whole blocks out by hand."""

TWO = Shown(
    (
        record((" a", 0), (" b", 2.0), ("c", 2.1), (" d", -3), (" e", 4)),
        record((" f", 0.39), (" g", 0.4), (" h", 0.8)),
    ),
    cutoff=2.0,
)
"""Peak 4; strictly above 2.0 are c and e."""
