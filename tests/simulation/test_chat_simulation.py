import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob

from neuron_eval.prompts.pack import default_pack
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.chat import chat_prompt, read_reply
from neuron_eval.simulation.reading import (
    StatedValue,
    UnreadableReplyError,
    expected_values,
    last_place,
    quoted,
    read_values,
    whole_number,
)
from neuron_eval.testing import read_chat_prompt

TOKENS = st.lists(
    st.text(min_size=1, max_size=5)
    | st.sampled_from(["\t", "\n", "\r", "1: 5", '"', "\\", "\u2028", "\x85", " é", "🙂", "\x00"]),
    min_size=1,
    max_size=30,
)


@given(TOKENS)
def test_numbering_keeps_every_token_whatever_it_holds(tokens):
    user = chat_prompt("cats", [tokens], default_pack().simulation["chat"])[1]
    assert read_chat_prompt(user.text) == ("cats", tokens)


def test_what_is_the_same_for_all_excerpts_of_a_neuron_stands_first():
    wording = default_pack().simulation["chat"]
    one, two = (chat_prompt("cats", [tokens], wording) for tokens in (["a"], ["b", "c"]))
    assert one[0].text == two[0].text
    start = one[1].text.index("1: ")
    assert one[1].text[:start] == two[1].text[:start]
    assert "cats" in one[1].text[:start]


def values(reply, count):
    return [item.value for item in read_values(reply, count)]


@pytest.mark.parametrize(
    "reply",
    [
        "1: 0\n2: 10\n3: 4",
        "1: 0\r\n2: 10\r\n3: 4\r\n",
        "```\n1: 0\n2: 10\n3: 4\n```",
        "Here you are:\n\n1:0\n 2 : 10\n3\t4",
        '1: " a": 0\n2: "1: 5" 10\n3: "\\"" 4',
        "1: 0\n\n2: 10.0\n\n3: 4",
    ],
)
def test_replies_that_give_every_token_a_value_are_read(reply):
    assert values(reply, 3) == [0, 10, 4]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("1: 0\n3: 4", "found index 3 where index 2 should be"),
        ("1: 0\n2: 1\n", "index 3 is missing: 2 of 3 tokens have a value"),
        ("1: 0\n2: 1\n3: 1\n4: 1", "found index 4 where no line after index 3 should be"),
        ("2: 0\n1: 1\n3: 1", "found index 2 where index 1 should be"),
        ("1: 0\n1: 1\n2: 1\n3: 1", "found index 1 where index 2 should be"),
        ("1: 0\n2: 11\n3: 1", "the value at index 2 is '11', not a number from 0 to 10"),
        ("1: 0\n2: -1\n3: 1", "the value at index 2 is '-1'"),
        ("1: 0\n2: high\n3: 1", "the value at index 2 is 'high'"),
        ("1: 0\n2:\n3: 1", "the value at index 2 is ''"),
        ("1: nan\n2: 1\n3: 1", "the value at index 1 is 'nan'"),
        ("I cannot do that.", "index 1 is missing: 0 of 3"),
    ],
)
def test_other_replies_are_refused_with_what_is_wrong(reply, message):
    with pytest.raises(UnreadableReplyError) as error:
        read_values(reply, 3)
    assert message in str(error.value)


def test_values_are_read_between_two_places_of_the_reply():
    reply = "1: 9\n1: 5\n2: 7\n1: 3"
    stated = read_values(reply, 2, start=5, end=14)
    assert stated == [StatedValue(5.0, 8), StatedValue(7.0, 13)]


def test_an_index_of_ten_digits_is_refused_by_its_length():
    with pytest.raises(UnreadableReplyError, match="found an index of 10 digits where index 1"):
        read_values("1234567890: 5", 1)


def test_what_a_reply_says_is_quoted_up_to_sixty_characters():
    assert quoted("x" * 60) == repr("x" * 60)
    assert quoted("x" * 61) == repr("x" * 59 + "…")


def test_a_number_of_ten_digits_counts_nothing():
    assert whole_number("123456789") == 123456789
    assert whole_number("1234567890") is None


def token(text, *alternatives, chosen=0.5):
    tops = [TopLogprob(token=t, logprob=math.log(p)) for t, p in alternatives]
    return Logprob(token=text, logprob=math.log(chosen), top_logprobs=tops)


def expected(tokens):
    reply = "".join(t.token for t in tokens)
    count = reply.count("\n") + 1
    return expected_values(reply, read_values(reply, count), tokens)


def test_the_expectation_is_taken_at_each_value():
    tokens = [
        token("1: "),
        token("3", ("3", 0.5), ("5", 0.25), ("x", 0.25)),
        token("\n2:"),
        token(" 7", (" 7", 0.5), ("7", 0.25), (" 1", 0.25)),
    ]
    assert expected(tokens) == pytest.approx([(1.5 + 1.25) / 0.75, 0.75 * 7 + 0.25 * 1])


def test_the_chosen_token_counts_even_where_the_server_leaves_it_out():
    tokens = [token("1:"), token(" 4", (" 2", 0.5), chosen=0.5)]
    assert expected(tokens) == pytest.approx([3.0])


def test_a_ten_written_in_two_tokens_shares_the_mass_of_one():
    tokens = [
        token("1"), token(": "),
        token("1", ("1", 0.8), ("0", 0.2), chosen=0.8),
        token("0", ("0", 0.75), ("\n", 0.25), chosen=0.75),
    ]  # fmt: skip
    assert expected(tokens) == pytest.approx([0.8 * 0.75 * 10 + 0.8 * 0.25 * 1])
    one = [*tokens[:3], token("\n", ("0", 0.75), ("\n", 0.25), chosen=0.25), token("2: 0")]
    reply = "1: 1\n2: 0"
    assert expected_values(reply, read_values(reply, 2)[:1], one) == pytest.approx([6.2])


def test_the_mass_of_one_is_shared_by_the_zeros_behind_it_and_by_nothing_else():
    one = [token("1:"), token(" 1", (" 1", 0.8), (" 0", 0.2), chosen=0.8)]

    def reply(*behind):
        tokens = [*one, token(".", *behind, chosen=0.1)]
        return expected_values("1: 1.", [StatedValue(1.0, 3)], tokens)

    assert expected(one) == pytest.approx([0.8])
    assert reply(("0", 0.5)) == pytest.approx([0.4 * 10 + 0.4])
    assert reply(("0", 0.25), ("0\n", 0.25)) == pytest.approx([0.4 * 10 + 0.4])
    assert reply(("0", 0.75), ("0\n", 0.75)) == pytest.approx([0.8 * 10])
    assert reply((" 0", 0.5), (":0", 0.5), ("00", 0.5), ("5", 0.5)) == pytest.approx([0.8])


def test_a_zero_behind_a_whole_ten_says_nothing_of_its_one():
    tokens = [
        token("1:"), token(" 10", (" 10", 0.75), (" 1", 0.25), chosen=0.75),
        token(".", (".", 0.5), ("0", 0.5)),
    ]  # fmt: skip
    assert expected_values("1: 10.", [StatedValue(10.0, 3)], tokens) == pytest.approx([7.75])


def test_a_next_lines_zero_is_not_part_of_a_one():
    tokens = [
        token("1:"), token(" 1", (" 1", 1.0), chosen=1.0),
        token("\n", ("\n", 1.0), chosen=1.0), token("2:"),
        token(" 0", (" 0", 1.0), chosen=1.0),
    ]  # fmt: skip
    assert expected(tokens) == pytest.approx([1.0, 0.0])


def test_values_are_found_behind_text_of_many_bytes_and_split_characters():
    smile = "🙂".encode()
    tokens = [
        Logprob(token="�", logprob=0.0, bytes=list(smile[:2]), top_logprobs=[]),
        Logprob(token="�", logprob=0.0, bytes=list(smile[2:]), top_logprobs=[]),
        token("\n1: "),
        token("6", ("6", 1.0), chosen=1.0),
    ]
    assert expected_values("🙂\n1: 6", read_values("🙂\n1: 6", 1), tokens) == pytest.approx([6.0])


def test_half_a_character_in_a_reply_hides_no_value():
    tokens = [Logprob(token="\ud83d\n1: ", logprob=0.0), token("6", ("6", 0.5), ("4", 0.5))]
    assert expected_values("\ud83d\n1: 6", [StatedValue(6.0, 5)], tokens) == [5.0]


def test_a_value_may_stand_before_everything_else():
    tokens = [token("6", ("6", 0.5), ("4", 0.5)), token("é")]
    assert expected_values("6é", [StatedValue(6.0, 0)], tokens) == [5.0]


def test_the_last_place_of_several_is_taken():
    assert last_place("abcabcd", "bc") == 4
    assert last_place(b"abcabcd", b"abc") == 3
    assert last_place("abc", "ca") is None


def test_tokens_that_do_not_spell_the_reply_give_no_expectation():
    assert expected_values("1: 5", read_values("1: 5", 1), [token("1: "), token("6")]) is None


def output(text, logprobs=None, stop="stop"):
    made = ModelOutput.from_content("m", text, stop_reason=stop)
    made.choices[0].logprobs = logprobs
    return made


def test_without_log_probabilities_the_value_itself_counts():
    assert read_reply(output("1: 3\n2: 7.5"), [2]) == [Simulated((3.0, 7.5), "values")]
    tokens = [token("1:"), token(" 3", (" 3", 0.5), (" 4", 0.5))]
    assert read_reply(output("1: 3", Logprobs(content=tokens)), [1]) == [
        Simulated((pytest.approx(3.5),), "log-probabilities")
    ]


def test_empty_and_cut_off_replies_say_so():
    with pytest.raises(UnreadableReplyError, match=r"the reply is empty \(stop reason: stop\)"):
        read_reply(output(" "), [1])
    (part,) = read_reply(output("1: 3", stop="max_tokens"), [2])
    assert str(part).startswith("the reply was cut off: index 2 is missing")


def test_the_prompt_states_how_many_lines_are_wanted():
    text = chat_prompt("cats", [["a", "b"]], default_pack().simulation["chat"])[1].text
    assert text.endswith("1 to 2:")
    assert json.dumps("a") in text


def test_a_draft_of_the_same_reply_is_not_read_for_it():
    draft = [token("1:"), token(" 3", (" 3", 0.2), (" 9", 0.8), chosen=0.2), token("</think>")]
    final = [token("1:"), token(" 3", (" 3", 1.0), chosen=1.0)]
    found = expected_values("1: 3", read_values("1: 3", 1), [*draft, *final])
    assert found == pytest.approx([3.0])


def test_a_token_that_holds_more_than_the_number_counts_as_the_number():
    tokens = [token("1: "), token("9;", ("9;", 0.99), ("3", 0.005), chosen=0.99)]
    reply = "1: 9;"
    stated = [StatedValue(9.0, 3)]
    assert expected_values(reply, stated, tokens) == [9.0]
