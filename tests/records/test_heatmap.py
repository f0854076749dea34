import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from neuron_eval.records.heatmap import (
    SHADES,
    WIDTH,
    caption,
    heat_map,
    scale,
    shades,
    token_signs,
)

STEADY = settings(derandomize=True, deadline=None, max_examples=60)

FINITE = st.floats(-1e6, 1e6)

# short tokens of every kind of character, and some that are longer than a row
TOKENS = st.lists(
    st.text(min_size=1, max_size=12) | st.text("=漢é\u0301\t", min_size=90, max_size=250),
    min_size=1,
    max_size=20,
)


@STEADY
@given(st.lists(FINITE, min_size=1, max_size=30), FINITE, FINITE)
def test_shades_are_clamped_and_rise_with_the_value(values, low, high):
    found = shades(values, low, high)
    assert all(0 <= shade <= SHADES for shade in found)
    by_value = [shade for _, shade in sorted(zip(values, found, strict=True))]
    assert by_value == sorted(by_value)


def test_shades_go_from_white_at_low_to_full_at_high():
    assert shades([-3, 0, 5, 10, 99], 0, 10) == [0, 0, SHADES // 2, SHADES, SHADES]
    assert shades([-3, 0, 5], 0, 0) == [0, 0, 0]
    assert shades([-3, 0, 5], 0, -1) == [0, 0, 0]


@STEADY
@given(TOKENS)
def test_every_token_is_visible_once_in_each_row(tokens):
    lines = heat_map(tokens, shaded(tokens), shaded(tokens, 3)).split("\n")
    rows = [drawn(line) for line in lines]
    for label in "TS":
        text = "".join(text for found, text, _ in rows if found == label)
        assert text == "".join(map(token_signs, tokens))


@STEADY
@given(TOKENS)
def test_rows_pair_up_and_hold_the_same_text(tokens):
    rows = [drawn(line) for line in heat_map(tokens, shaded(tokens), shaded(tokens)).split("\n")]
    assert [label for label, _, _ in rows] == ["T", "S"] * (len(rows) // 2)
    for (_, true, _), (_, simulated, _) in zip(rows[::2], rows[1::2], strict=True):
        assert true == simulated


@STEADY
@given(TOKENS)
def test_no_row_is_wider_than_the_width(tokens):
    rows = [drawn(line) for line in heat_map(tokens, shaded(tokens), shaded(tokens)).split("\n")]
    assert all(cell_len(text) <= WIDTH for _, text, _ in rows)


@STEADY
@given(TOKENS)
def test_a_token_stays_whole_unless_it_is_wider_than_a_row(tokens):
    short = [token for token in tokens if cell_len(token_signs(token)) <= WIDTH]
    rows = heat_map(short, shaded(short), shaded(short)).split("\n")[::2] if short else []
    starts, end = set(), 0
    for token in short:
        starts.add(end)
        end += len(token_signs(token))
    place = 0
    for _, text, _ in map(drawn, rows):
        assert place in starts
        place += len(text)


@STEADY
@given(TOKENS)
def test_escapes_open_and_close_every_line_and_never_leak(tokens):
    for line in heat_map(tokens, shaded(tokens), shaded(tokens)).split("\n"):
        assert line.startswith("\x1b[1;38;2;")
        assert line.endswith("\x1b[0m")
        assert line.count("\x1b[0m") == 1
        text = SGR.sub("", line)
        assert text.isprintable() or set(text) & {"\u3000"}
        assert "\x1b" not in text


@STEADY
@given(TOKENS)
def test_every_character_has_a_background_and_the_label_sits_on_white(tokens):
    for line in heat_map(tokens, shaded(tokens), shaded(tokens)).split("\n"):
        assert None not in drawn(line)[2]
        assert re.match(r"\x1b\[1;38;2;[\d;]+;48;2;255;255;255m[TS]\x1b\[22;38;2;20;20;20m ", line)


def test_a_tokens_background_is_its_shade_in_the_colour_of_its_row():
    true, simulated = heat_map([" a", " b", " c"], [0, 5, 10], [10, 5, 0]).split("\n")
    _, _, t = drawn(true)
    _, _, s = drawn(simulated)
    assert t[0] == s[4] == (255, 255, 255)
    # truth gets redder, simulation bluer
    assert t[4][0] > 200
    assert t[4][2] < t[2][2] < 255
    assert s[0][2] > 200
    assert s[0][0] < s[2][0] < 255


def test_neighbours_of_one_shade_share_an_escape():
    one = heat_map(["a", "b", "c"], [3, 3, 3], [0, 0, 0])
    three = heat_map(["a", "b", "c"], [3, 4, 3], [0, 0, 0])
    assert len(SGR.findall(three)) == len(SGR.findall(one)) + 2


def test_ink_reads_on_every_shade():
    """At least 4.5 to 1, what WCAG asks of small text."""
    for line in heat_map([" x"] * 11, range(11), range(11)).split("\n"):
        for background in set(drawn(line)[2]):
            assert contrast((20, 20, 20), background) > 4.5
        label = tuple(map(int, re.match(r"\x1b\[1;38;2;(\d+);(\d+);(\d+)", line).groups()))
        assert contrast(label, (255, 255, 255)) > 4.5


def contrast(a, b):
    def luminance(colour):
        linear = [
            v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4
            for v in (c / 255 for c in colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" cat", " cat"),
        ("\n\n", "⏎⏎"),
        ("a\tb", "a⇥b"),
        ("\r\x00\x1b[31m\x7f", "···[31m·"),
        ("\u202eabc\u2069", "·abc·"),
        ("\ufeff\u200b\u2028\ue000\ud800", "·····"),
        ("\xa0\u3000", " \u3000"),
        ("漢字 שלום 😀", "漢字 שלום 😀"),
        ("\u0301e", "◌\u0301e"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_characters_without_a_shape_get_a_sign(token, shown):
    assert token_signs(token) == shown


def test_wide_characters_take_two_columns_and_marks_none():
    assert cell_len("ab") == 2
    assert cell_len("漢a") == 3
    assert cell_len("e\u0301") == 1


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        heat_map(["a", "b"], [1, 2], [1])


def test_a_scale_runs_from_white_to_the_full_colour():
    line = scale("T", "true activation", 0, 10.84)
    assert SGR.sub("", line) == f"T true activation  white up to 0      {' ' * SHADES} 10.8"
    _, _, backgrounds = drawn(line)
    _, _, full = drawn(heat_map(["x"], [SHADES], [0]).split("\n")[0])
    assert full[0] in backgrounds
    assert len(set(backgrounds)) == SHADES + 1


def test_a_scale_without_a_range_says_so():
    assert "white throughout, at most -0.5" in SGR.sub("", scale("T", "true", 0, -0.5))


def test_a_caption_has_no_escapes_but_its_own():
    assert SGR.sub("", caption("top 2\x1b[31m", "a\nb")) == "top 2·[31m  a⏎b"


SGR = re.compile(r"\x1b\[([0-9;]*)m")


def drawn(line):
    """Label and text of a row, and each character's background."""
    text, backgrounds, background = "", [], None
    for i, part in enumerate(SGR.split(line)):
        if i % 2 == 0:
            text += part
            backgrounds += [background] * len(part)
        elif found := re.search(r"48;2;(\d+;\d+;\d+)", part):
            background = tuple(map(int, found[1].split(";")))
        elif part == "0":
            background = None
    return text[0], text[2:], backgrounds[2:]


def shaded(tokens, step=1):
    return [(i * step) % (SHADES + 1) for i in range(len(tokens))]
