"""Texts cut into windows of text tokens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.recording.subject import merge_row
from neuron_eval.recording.texts import TextCounts, Window, cut, windows
from neuron_eval.records.tokens import text_tokens

MULTIBYTE = "añ🙂 日\n\t"


def by_bytes(text):
    """A byte-level tokenizer without merges: as many tokens a character as it has bytes."""
    offsets = [(i, i + 1) for i, char in enumerate(text) for _ in char.encode()]
    return list(text.encode()), offsets


def by_words(text):
    """A tokenizer that drops spaces, as some do."""
    offsets = []
    for i, char in enumerate(text):
        if char == " ":
            continue
        if i and text[i - 1] != " ":
            offsets[-1] = (offsets[-1][0], i + 1)
        else:
            offsets.append((i, i + 1))
    return list(range(len(offsets))), offsets


def slices(text, offsets):
    starts, ends = text_tokens(len(text), offsets)
    return starts, [text[left:right] for left, right in zip([0, *ends], ends, strict=False)]


def test_pieces_of_one_character_become_one_token():
    starts, tokens = slices("a🙂b", [(0, 1), (1, 2), (1, 2), (2, 3)])
    assert tokens == ["a", "🙂", "b"]
    assert starts == [0, 1, 3]


def test_a_piece_that_begins_with_a_space_merges_with_the_rest_of_its_character():
    starts, tokens = slices("x 日y", [(0, 1), (1, 3), (2, 3), (3, 4)])
    assert tokens == ["x", " 日", "y"]
    assert starts == [0, 1, 3]


def test_characters_that_no_token_stands_for_go_to_the_token_after_them_or_to_the_last():
    assert slices("  ab  cd ", [(2, 4), (6, 8)]) == ([0, 1], ["  ab", "  cd "])


def test_empty_pieces_never_make_an_empty_token():
    offsets = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    assert slices("ab", offsets) == ([0, 3], ["a", "b"])


def test_a_text_without_tokens_gives_none():
    assert text_tokens(0, []) == ([], [])
    assert text_tokens(0, [(0, 0)]) == ([], [])


@settings(derandomize=True, deadline=None)
@given(st.text(MULTIBYTE, max_size=40), st.sampled_from([by_bytes, by_words]))
def test_tokens_of_any_text_are_never_empty_and_join_back_to_it(text, tokenise):
    ids, offsets = tokenise(text)
    starts, tokens = slices(text, offsets)
    assert all(tokens)
    assert "".join(tokens) == (text if ids else "")
    assert starts == sorted(set(starts))
    assert starts[:1] == ([0] if ids else [])


@settings(derandomize=True, deadline=None)
@given(st.text(MULTIBYTE, max_size=60), st.integers(1, 7))
def test_windows_tile_text_and_model_tokens(text, length):
    ids, offsets = by_bytes(text)
    parts = list(cut(text, ids, offsets, length))
    assert "".join("".join(tokens) for tokens, _, _ in parts) == text
    assert [i for _, pieces, _ in parts for i in pieces] == ids
    assert all(len(tokens) == length for tokens, _, _ in parts[:-1])
    for tokens, pieces, starts in parts:
        bounds = [*starts, len(pieces)]
        for i, token in enumerate(tokens):
            assert bytes(pieces[bounds[i] : bounds[i + 1]]) == token.encode()


def test_repeated_windows_are_skipped_and_counted_and_rests_are_left_over():
    tally = TextCounts()
    found = list(windows(["abcdabcdef", "efghabcd"], by_bytes, 4, tally=tally))
    assert ["".join(w.tokens) for w in found] == ["abcd", "efgh"]
    assert [w.index for w in found] == [0, 1]
    assert tally == TextCounts(texts=2, windows=2, repeated=2, leftover=2)


def test_no_window_spans_two_texts():
    assert [w.tokens for w in windows(["abc", "def"], by_bytes, 2)] == [("a", "b"), ("d", "e")]


@pytest.mark.parametrize(("limit", "count"), [(3, 0), (4, 1), (7, 1), (8, 2), (99, 3), (None, 3)])
def test_max_tokens_is_never_exceeded(limit, count):
    assert len(list(windows(["abcdefghijkl"], by_bytes, 4, limit))) == count


def test_a_token_of_several_pieces_gets_the_highest_of_their_activations():
    window = Window(0, ("a", "🙂", "b"), (9, 8, 7, 6), (0, 1, 3))
    plain = Window(1, ("a", "b", "c"), (9, 8, 7), (0, 1, 2))
    raw = np.array([[99, 1, -5, -3, 2, 99], [99, 4, 5, 6, 99, 99]], dtype=np.float32)
    rows = zip(np.stack([raw, -raw], axis=2), [window, plain], strict=True)
    merged = np.stack([merge_row(row, each, skip=1) for row, each in rows])
    assert merged[:, :, 0].tolist() == [[1, -3, 2], [4, 5, 6]]
    assert merged[:, :, 1].tolist() == [[-1, 5, -2], [-4, -5, -6]]
