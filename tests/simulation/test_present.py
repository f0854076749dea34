import random
import re
from types import SimpleNamespace

import pytest

from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.heatmap import SHADES, token_signs
from neuron_eval.simulation import Failed, Simulated
from neuron_eval.simulation.measure import background, measure
from neuron_eval.simulation.presenting import (
    REASONS,
    explanation_line,
    heat_maps,
    in_panels,
    score_metadata,
)

SGR = re.compile(r"\x1b\[[0-9;]*m")
SIMULATE = SimpleNamespace(name="chat", model="fake/simulator")


def excerpt(kind, index, tokens, activations):
    return Excerpt(kind, index, ActivationRecord(tuple(tokens), tuple(activations)))


def simulated(values, basis="log-probabilities"):
    return Simulated(tuple(values), basis)


CAT = excerpt("top", 2, ["the", " cat", "\n", " sat"], [0.0, 8.0, -1.0, 0.5])
DOG = excerpt("random", 1, ["a", " dog", "\x1b[31m", " ran"], [0.0, 0.2, 0.1, 0.0])
PAIRS = [(CAT, simulated([0, 9, 0, 1])), (DOG, simulated([0, 2, 0, 0]))]


def plain(text):
    return SGR.sub("", text)


def blocks(result):
    return [block.split("\n") for block in plain(heat_maps(result)).split("\n\n")]


def test_the_legend_says_what_the_rows_the_colours_and_the_signs_mean():
    legend = blocks(measure(PAIRS, []))[0]
    swatches = " " * SHADES
    assert legend[0].split("  ")[0] == "T true activation"
    assert legend[0].endswith(f"white up to 0      {swatches} 8")
    assert legend[1].startswith("S simulated activation (log-probabilities)")
    assert legend[1].endswith(f"white up to 0      {swatches} 9")
    assert "⏎ newline" in legend[2]
    # the colours stand below each other
    assert legend[0].index(f"{swatches} 8") == legend[1].index(f"{swatches} 9")


def test_what_is_ignored_is_white_and_in_no_number():
    record = ActivationRecord(("<bos>", " cat", " sat"), (0.0, 8.0, 0.5), (0,))
    found = measure([(Excerpt("top", 0, record), simulated([10, 9, 1]))], [])
    legend, cat = blocks(found)
    assert legend[1].endswith(" 9")
    assert cat[0] == "top 0  correlation 1.000, peak true 8, simulated 9, 1 of 3 tokens not scored"
    row = heat_maps(found).rpartition("\n")[2]
    assert row.split(" cat")[0].endswith(" <bos>\x1b[48;2;80;152;242m")
    nothing = ActivationRecord(("<bos>",), (0.0,), (0,))
    silent = [(Excerpt("top", 0, record), simulated([10, 9, 1])),
              (Excerpt("top", 1, nothing), simulated([10]))]  # fmt: skip
    assert blocks(measure(silent, []))[2][0] == "top 1  not scored: every token is ignored"
    assert heat_maps(measure(silent[1:], [])) == "no excerpt was simulated"


def test_every_excerpt_has_its_numbers_above_its_rows():
    _, cat, dog = blocks(measure(PAIRS, []))
    assert cat[0] == "top 2  correlation 0.995, peak true 8, simulated 9"
    assert dog[0] == "random 1  correlation 0.870, peak true 0.2, simulated 2"
    assert cat[1:] == ["T the cat⏎ sat", "S the cat⏎ sat"]
    assert dog[1:] == ["T a dog·[31m ran", "S a dog·[31m ran"]


def test_an_excerpt_without_a_correlation_says_undefined():
    _, _, dog = blocks(measure([PAIRS[0], (DOG, simulated([1, 1, 1, 1]))], []))
    assert dog[0] == "random 1  correlation undefined, peak true 0.2, simulated 1"


def test_one_scale_serves_all_excerpts_of_a_neuron():
    """The dog's 0.2 is nothing beside the cat's 8, so its row of truth is white throughout."""
    cat, dog = heat_maps(measure(PAIRS, [])).split("\n\n")[1:]
    assert len(set(re.findall(r"48;2;[\d;]+m", cat.split("\n")[1]))) > 1
    assert set(re.findall(r"48;2;[\d;]+m", dog.split("\n")[1])) == {"48;2;255;255;255m"}


def test_every_line_opens_on_white():
    for line in heat_maps(measure(PAIRS, [])).split("\n"):
        assert line == "" or re.match(r"\x1b\[1;38;2;[\d;]+;48;2;255;255;255m", line)


@pytest.mark.parametrize(
    ("expected", "white"),
    [
        ([0, 0, 0, 9], 0),
        ([0.1, 0.2, 0.3, 0.6], 0.25),
        ([0, 9, 9, 9], 0),
        ([0.4], 0.4),
        ([2, 2, 2], 2),
    ],
)
def test_white_is_the_median_or_the_lowest_value_where_the_median_is_the_highest(expected, white):
    assert background(expected) == pytest.approx(white)


def test_a_failed_excerpt_is_not_drawn():
    result = measure([PAIRS[0], (DOG, Failed("excerpt random 1: no luck"))], [])
    assert len(blocks(result)) == 2
    assert "dog" not in heat_maps(result)


def test_nothing_simulated_is_said_instead_of_drawn():
    assert heat_maps(measure([(CAT, Failed("why"))], [])) == "no excerpt was simulated"


def test_ten_excerpts_of_64_tokens_stay_below_25_kb():
    """Sparse truth, and a simulation that wavers on every token, as cosines do."""
    draw = random.Random(0)
    tokens = [f" {'abcdefg'[: 1 + i % 6]}" for i in range(64)]
    true = [9.0 * (i == 30) for i in range(64)]
    pairs = [
        (excerpt("top", k, tokens, true), simulated([draw.gauss(0.2, 0.1) for _ in tokens]))
        for k in range(10)
    ]
    text = heat_maps(measure(pairs, []))
    assert len(text.encode()) < 25_000


def test_the_explanation_states_the_numbers():
    calibration = [(excerpt("top", 1, ["x", "y"], [0.0, 4.0]), simulated([0, 10]))]
    text = explanation_line(measure(PAIRS, calibration))
    assert text.startswith("correlation 0.9")
    for part in ("top excerpts 0.995", "random excerpts 0.870", "R² after calibration"):
        assert part in text
    assert text.endswith("8 tokens in 2 excerpts.")


def test_excerpts_of_one_kind_have_no_number_of_their_own():
    assert explanation_line(measure(PAIRS[:1], [])) == "correlation 0.995; 4 tokens in 1 excerpts."


def test_without_calibration_the_explanation_leaves_its_numbers_out():
    assert "calibration" not in explanation_line(measure(PAIRS, []))


def test_an_unscored_sample_says_why_and_states_no_number():
    flat = [(CAT, simulated([0, 0, 0, 0]))]
    assert explanation_line(measure(flat, [])) == (
        "Not scored: the simulated activations are all 0, so nothing can correlate "
        "(4 tokens in 1 excerpts)."
    )


def test_the_explanation_lists_the_first_reasons_and_counts_the_rest():
    failed = [(DOG, Failed(f"excerpt random {i}: unreadable")) for i in range(5)]
    fitted = excerpt("top", 1, ["a"], [0.0])
    text = explanation_line(
        measure([PAIRS[0], *failed], [(fitted, Failed("excerpt top 1: cut off"))])
    )
    assert "No values for 5 held-out and 1 calibration excerpts:\n\n- excerpt random 0" in text
    assert text.count("\n- ") == REASONS + 1
    assert text.endswith(f"- and {6 - REASONS} more, in the metadata")


def test_a_models_words_are_no_markup_in_the_explanation():
    reason = "the value is 'a|b $x$ *y* `z` [l](u) __w__ ~~v~~ \\'\n# not max_tokens"
    text = explanation_line(measure([PAIRS[0], (DOG, Failed(reason))], []))
    (line,) = [line for line in text.split("\n") if line.startswith("- ")]
    assert line == (
        r"- the value is 'a\|b \$x\$ \*y\* \`z\` \[l\](u) \_\_w\_\_ \~\~v\~\~ \\' # not max_tokens"
    )


def test_the_metadata_hold_what_can_be_computed_with():
    result = measure([*PAIRS, (DOG, Failed("no luck"))], [])
    found = score_metadata(result, SIMULATE, why="asked for", explainer="fake/explainer")
    assert next(iter(found)) == "heat map"
    assert found["heat map"] == heat_maps(result)
    assert found["simulator"] == "fake/simulator"
    assert found["simulator_is_explainer"] is False
    assert found["basis"] == "log-probabilities"
    assert (found["excerpts_scored"], found["excerpts_failed"]) == (2, 1)
    assert found["failures"] == ["no luck"]
    assert found["excerpts"][0] == {"excerpt": "top 2", "expected": [0, 9, 0, 1]}
    assert all(token_signs(token) in plain(found["heat map"]) for token in CAT.record.tokens)


def test_what_fits_the_viewers_panel_is_open_and_the_rest_is_below_in_order():
    result = measure([PAIRS[0], *[PAIRS[1]] * 5], [])
    found = score_metadata(result, SIMULATE, why="asked for", explainer="fake/explainer")
    opened, below = found["heat map"], found["further excerpts"]
    assert list(found)[:2] == ["heat map", "further excerpts"]
    assert opened.count("\n") + 1 == 15  # the legend, three lines, and three excerpts of three
    assert f"{opened}\n\n{below}" == heat_maps(result)


def test_an_excerpt_that_is_too_long_for_the_panel_is_the_only_one_there():
    long = excerpt("top", 2, [" word"] * 400, [0.0] * 399 + [1.0])
    pairs = [(long, simulated([0] * 399 + [5])), PAIRS[1]]
    panels = in_panels(heat_maps(measure(pairs, [])))
    assert plain(panels["further excerpts"]).startswith("random 1")
    assert "top 2" in plain(panels["heat map"])
