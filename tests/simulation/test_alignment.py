import unicodedata

import pytest
from completions_server import SPELLINGS, TOKENIZERS, cut
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.simulation.expected import AlignmentError, PiecePlace, align, unescaped

SEGMENTS = ["Say it: a\t", "unknown\né 🙏\t", "unknown\n\t\t", "unknown\nend\n"]
PROMPT = "".join(SEGMENTS)

ODD = [
    *("\t", "\n", "\r\n", " ", "unknown", "\tunknown\n", "\tun", "0", "10", " 10", "<end>\n"),
    *("\ufffd", "🙏", "🙏️", "日本", "Ġ", "▁", "Ċ", "bytes:\\xe2", "<0x0A>", "\\xff", "e\u0301"),
    *("\u212a", "\u037e", "\x00", "\u200b", "\ufeff", "<start>\n", "<|endoftext|>"),
]
odd_text = st.lists(
    st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    max_size=4,
).map("".join)
spelling = st.sampled_from(sorted(SPELLINGS))
tokenizer = st.sampled_from(sorted(TOKENIZERS))


def test_a_value_begins_where_its_first_character_stands():
    pieces = ["Say it: a", "\t", "un", "known\n", "é", " 🙏\tunk", "nown", "\n\t", "\tunknown"]
    places = align(SEGMENTS, [*pieces, "\n", "end", "\n"])
    assert places == [PiecePlace(2, ""), PiecePlace(5, " 🙏\t"), PiecePlace(8, "\t")]


def test_one_token_may_hold_all():
    assert align(["a\t", "unknown\nb\t", "unknown"], ["a\tunknown\nb\tunknown"]) == [
        PiecePlace(0, "a\t"),
        PiecePlace(0, "a\tunknown\nb\t"),
    ]


def test_the_first_and_the_last_visible_character_are_counted():
    for edge in "!~":
        assert align([f"a{edge}\t", "unknown"], ["a", f"{edge}\tun", "known"]) == [
            PiecePlace(1, f"{edge}\t")
        ]


HIDDEN = "unknown"


@pytest.mark.parametrize(
    "pieces",
    [
        [" it: a", "\t", HIDDEN, "\n", "é 🙏\t", HIDDEN, "\n\t\t", "unknown\nend"],
        ["<s>", "Say it: a", "\t", HIDDEN, "\n", "é 🙏\t", HIDDEN, "\n\t\t", "unknown\nend"],
        [PROMPT[:9], "", HIDDEN, "\ufffd", "\ufffd \ufffd", HIDDEN, "ĉ", HIDDEN, "end"],
        ["it:a", "<0x09>", HIDDEN, "bytes:\\xf0", "bytes:\\x99\t", HIDDEN, "", HIDDEN, "end"],
        ["▁it:▁a", "\t", HIDDEN, "\n", "", HIDDEN, "\n", HIDDEN, "\nend", "\n", " the", "</s>"],
    ],
    ids=["first token missing", "special token", "replaced", "escaped", "tokens behind"],
)
def test_what_servers_do_to_tokens_does_not_move_the_places(pieces):
    found = align(SEGMENTS, pieces)
    assert [pieces[place.piece].startswith("unknown") for place in found] == [True, True, True]
    assert [place.before for place in found] == ["", "", ""]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        ["Say it: a\tunknown\né 🙏\tunknown\n\t\tunknow", "\nend"],
        ["Say it: a\tunknown\né 🙏\tunknown\nx\t\tunknown\nend"],
        ["unknown\né 🙏\tunknown\n\t\tunknown\n"],
        ["a completion, and not the prompt"],
    ],
)
def test_tokens_that_do_not_spell_the_prompt_are_refused(pieces):
    with pytest.raises(AlignmentError, match=r"do not spell it: they end in '.*', the prompt in"):
        align(SEGMENTS, pieces)


def test_a_prompt_that_the_server_cut_at_its_start_is_refused():
    segments = ["x" * 100 + "\t", "unknown\n"]
    assert align(segments, ["x" * 36, "\t", "unknown"]) == [PiecePlace(2, "")]
    with pytest.raises(AlignmentError):
        align(segments, ["x" * 35, "\t", "unknown"])


def test_a_tokenizer_that_composes_characters_is_followed():
    segments = ["cafe\u0301\u037e\t", "unknown\nn\u0303\t", "unknown\n"]
    composed = unicodedata.normalize("NFC", "".join(segments))
    pieces = [composed[:3], *composed[3:]]
    places = align(segments, pieces)
    assert [composed[p.piece + 2 :][:7] for p in places] == ["unknown", "unknown"]


def test_only_bytes_behind_their_marks_are_read_as_bytes():
    assert unescaped("bytes: \\xf0\\x9f\t") == " \xf0\x9f\t"
    assert (unescaped("<0x0A>"), unescaped("<0xe2>")) == ("\n", "\xe2")
    for text in ("\\xff", "bytes:", "bytes: 3", "<0x0A> ", "<0x>", "10"):
        assert unescaped(text) == text


@given(st.lists(odd_text.filter(bool), min_size=1, max_size=5), odd_text, tokenizer, spelling)
def test_every_place_is_found_in_any_tokenizer_and_spelling(tokens, opening, known, spell):
    rows = [f"unknown\n{token}\t" for token in tokens]
    segments = [f"{opening}|{tokens[0]}\t", *rows[1:], "unknown\n"]
    pieces = cut("".join(segments), TOKENIZERS[known])
    places = align(segments, [SPELLINGS[spell](piece) for piece in pieces])
    start = 0
    for segment, place in zip(segments, places, strict=False):
        start += len(segment.encode())
        begin = sum(len(piece) for piece in pieces[: place.piece])
        assert begin <= start < begin + len(pieces[place.piece])
        before = pieces[place.piece][: start - begin]
        assert place.before == unescaped(SPELLINGS[spell](before)) or spell == "bare"
    assert len(places) == len(tokens)
