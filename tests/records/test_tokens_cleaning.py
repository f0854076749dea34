"""Tokens as tokenizers store them are made text again; text stays as it is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.records import ActivationRecord
from neuron_eval.records.tokens import clean, clean_record, join_pieces


def letters():
    """GPT-2's letter of each byte, written down a second time: what is not shown moves up."""
    shown = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)}
    shown |= set(range(ord("®"), ord("ÿ") + 1))
    hidden = [byte for byte in range(256) if byte not in shown]
    return {b: chr(b) if b in shown else chr(256 + hidden.index(b)) for b in range(256)}


LETTER = letters()


def byte_level(text: str | bytes) -> str:
    return "".join(LETTER[b] for b in (text if isinstance(text, bytes) else text.encode()))


def cut(data, places):
    """Slices of a sequence; none is empty."""
    inner = sorted({place % len(data) for place in places} - {0})
    return [data[a:b] for a, b in pairwise([0, *inner, len(data)])]


cuts = st.lists(st.integers(0, 10**6), max_size=12)
texts_with_a_space = st.text(max_size=30).map(lambda text: f"{text} {text[:3]}")


def test_the_map_is_the_one_of_gpt_2():
    assert byte_level(" é\n\t—") == "ĠÃ©ĊĉâĢĶ"


@given(texts_with_a_space, cuts)
def test_byte_level_text_cut_between_characters_comes_back_token_by_token(text, places):
    tokens = cut(text, places)
    cleaned, starts = clean([byte_level(token) for token in tokens])
    assert list(cleaned) == tokens
    assert list(starts) == list(range(len(tokens)))


@given(texts_with_a_space, cuts)
def test_byte_level_text_cut_anywhere_joins_back_to_the_text(text, places):
    pieces = cut(text.encode(), places)
    cleaned, starts = clean([byte_level(piece) for piece in pieces])
    assert "".join(cleaned) == text
    assert all(cleaned)
    assert len(cleaned) == len(starts) <= len(pieces)
    # A text token holds whole pieces: it ends where the next one's first piece begins.
    sizes = [len(b"".join(pieces[a:b])) for a, b in pairwise([*starts, len(pieces)])]
    assert [len(token.encode()) for token in cleaned] == sizes


@given(texts_with_a_space.filter(lambda text: "▁" not in text), cuts)
def test_sentencepiece_text_cut_anywhere_joins_back_to_the_text(text, places):
    tokens = []
    for piece in cut(text.encode(), places):
        try:
            tokens.append(piece.decode().replace(" ", "▁"))
        except UnicodeDecodeError:
            tokens += [f"<0x{byte:02X}>" for byte in piece]
    cleaned, _ = clean(tokens)
    if any("▁" in token for token in tokens):
        assert "".join(cleaned) == text


@given(st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cs"]), min_size=1), cuts)
def test_text_is_left_alone_where_its_letters_cannot_be_bytes(text, places):
    # The ÿ is no part of UTF-8, and the space would have been encoded.
    tokens = [*cut(text, places), " naïve", " ÿ" * (1 + len(text))]
    assert clean(tokens)[0] == tuple(tokens)


@given(st.lists(st.binary(max_size=4), max_size=12))
def test_pieces_of_any_bytes_make_tokens_that_are_not_empty_and_lose_no_character(pieces):
    tokens, starts = join_pieces(pieces)
    assert all(tokens)
    assert len(tokens) == len(starts)
    assert list(starts) == sorted(set(starts))
    expected = b"".join(pieces).decode("utf-8", "ignore")
    assert "".join(tokens).replace("\ufffd", "") == expected.replace("\ufffd", "")


@pytest.mark.parametrize(
    ("tokens", "cleaned"),
    [
        (["ĠHe", "llo", "Ċ", "Ċ", "ĉx"], [" He", "llo", "\n", "\n", "\tx"]),
        (["▁The", "▁▁▁cat", "<0x0A>", "▁sat"], [" The", "   cat", "\n", " sat"]),
        (["caf", "Ã©"], ["caf", "é"]),
        (["<|endoftext|>", "ĠI", "âĢĻ", "m"], ["<|endoftext|>", " I", "’", "m"]),
        (["<｜begin▁of▁sentence｜>", "ĠÃ©t", "Ã©"], ["<｜begin▁of▁sentence｜>", " ét", "é"]),
        (["<bos>", "▁du", "▁Ġx"], ["<bos>", " du", " Ġx"]),
    ],
    ids=[
        "byte-level",
        "sentencepiece",
        "no space",
        "special",
        "special with marks",
        "Ġ as a letter",
    ],
)
def test_both_ways_of_writing_are_cleaned(tokens, cleaned):
    assert list(clean(tokens)[0]) == cleaned


@pytest.mark.parametrize(
    ("tokens", "cleaned"),
    [
        ([" end", ".", "Ċ", "ĊĊ", " New"], [" end", ".", "\n", "\n\n", " New"]),
        ([" caf", "Ã©", " and", "âĢ¦", "—"], [" caf", "é", " and", "…", "—"]),
        ([" it", "âĢ", "Ļ", "s", " so"], [" it", "’", "s", " so"]),
        ([" a", "<0x0A>", " b"], [" a", "\n", " b"]),
        ([" a", "\n", "Ċ"], [" a", "\n", "Ċ"]),
    ],
    ids=["newlines", "letters", "a character of two tokens", "byte token", "Ċ beside a newline"],
)
def test_excerpts_that_were_cleaned_by_half_are_finished(tokens, cleaned):
    assert list(clean(tokens)[0]) == cleaned


@pytest.mark.parametrize(
    "tokens",
    [
        [" the", " café", "\n", " naïve"],
        [" Ġesù", " Iċ-", "ċentru"],
        ["Çıkış", " kapısı", " ş"],
        ["ÿ", "é"],
        ["日本", "語", "の"],
        [" ▁", " a", "▁▂▃"],
        ["\ufffd", "\ufffd", " x"],
        [" 0x0A", "<0x>", "<0xZZ>"],
    ],
)
def test_plain_text_stays_as_it_is(tokens):
    assert clean(tokens) == (tuple(tokens), tuple(range(len(tokens))))


def test_a_character_of_several_tokens_has_the_highest_activation_of_them():
    record = ActivationRecord(("Ġx", "ð", "Ł", "ĺĢ", "!"), (1.0, -3.0, 7.0, 2.0, -1.0))
    assert clean_record(record) == ActivationRecord((" x", "😀", "!"), (1.0, 7.0, -1.0))


def test_a_character_that_the_edge_cuts_in_two_shows_the_sign_for_it():
    assert clean(["Ļ", "s", "Ġgo", "âĢ"])[0] == ("\ufffd", "s", " go", "\ufffd\ufffd")
