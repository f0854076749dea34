import itertools
import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai.model import GenerateConfig, Logprob, Logprobs, ModelOutput, TopLogprob

from neuron_eval.models.tokencount import counter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Failed, Simulated, UnreadableReplyError
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.sparse import (
    EXCERPTS_PER_CALL,
    SparseSimulation,
    read_reply,
    sparse_prompt,
)
from neuron_eval.simulation.sparse_matching import Finder
from neuron_eval.sources.loading import load_neurons
from neuron_eval.testing import fake, fake_simulator

ODD = [
    "\t", "\n", "\n\n", " ", "\r", '"', "\\", "\\n", "\u2028", "\x85", " é", "🙂", "\x00",
    "a", " a", "A", "aa", " a a", "the", " the", "The", "bathed", ".", "..",
    "#2", ":5", "none", '"a":5, ', "’s", "'s",
]  # fmt: skip

TOKENS = st.lists(st.text(min_size=1, max_size=4) | st.sampled_from(ODD), min_size=1, max_size=20)


# Matching


@given(TOKENS)
def test_every_token_of_every_excerpt_can_be_named_alone(tokens):
    for i, token in enumerate(tokens):
        places = Finder(tokens).find(token.strip() or token)
        assert range(i, i + 1) in places.numbered


EXCERPT = ["The", " cat", " sat", ".", " the", " c", "at", " ba", "the", "d", ' "', "the", "\n\n",
           "\n", " cats", ".."]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "whole", "pieces"),
    [
        ("cat", [[1], [5, 6]], []),
        (" cat", [[1], [5, 6]], []),
        ("the", [[4], [11]], [[8]]),
        ("The", [[0]], []),
        ("THE", [[0], [4], [11]], [[8]]),
        ("bathed", [[7, 8, 9]], []),
        ("bathe", [], [[7, 8]]),
        ("d", [], [[9]]),
        ("the cat", [[4, 5, 6]], []),
        ('"the', [[10, 11]], []),
        ("“the", [[10, 11]], []),
        (".", [[3]], []),
        ("..", [[15]], []),
        ("\n", [[13]], []),
        ("\n\n", [[12]], []),
        ("ca", [], []),
        ("dog", [], []),
        ("", [], []),
        ("   ", [], []),
    ],
)
def test_names_stand_whole_or_as_pieces(name, whole, pieces):
    assert covers(Finder(EXCERPT).find(name)) == [whole, pieces]


def test_a_word_inside_a_token_and_space_inside_a_token_are_found():
    assert covers(Finder([" e.g", ".", " (see", "\n\n"]).find("see")) == [[[2]], []]
    assert covers(Finder([" e.g", ".", " (see", "\n\n"]).find("\n")) == [[[3]], []]


def test_one_character_beside_a_name_says_whether_it_stands_whole():
    assert covers(Finder([" xcat"]).find("cat")) == [[], []]
    assert covers(Finder(["x.cat"]).find("cat")) == [[[0]], []]


def test_a_letter_that_is_two_in_lower_case_is_still_one():
    assert covers(Finder(["lİ. x"]).find("Lİ")) == [[[0]], []]


def test_places_may_overlap():
    assert covers(Finder(["a", " a", " a"]).find("a a")) == [[[0, 1], [1, 2]], []]


# Reading


def output(text, logprobs=None, stop="stop"):
    made = ModelOutput.from_content("m", text, stop_reason=stop)
    made.choices[0].logprobs = logprobs
    return made


def read(text, *excerpts, **more):
    return read_reply(output(text, **more), excerpts)


def values(text, *excerpts):
    parts = read(text, *excerpts)
    assert [part for part in parts if not isinstance(part, Simulated)] == []
    return [list(part.values) for part in parts]


ONE = ["a", " b", " a", " c"]

TWO = [" d", " e"]


@pytest.mark.parametrize(
    "reply",
    [
        'A: "a":9, "c":2\nB: "e":4',
        'B: "e":4\nA: "c":2, "a":9',
        'A: "a" 9; "c" 2\r\n\r\nB: "e" 4\r\n',
        'A: "a": 9, "c": 2\nB: "e": 4',
        "A: a 9, c 2\nB: e:4",
        'A: " a"=9 "c"=2\nB: "E":4.0',
        'A: "a":9\nA: "c":2\nB: "e":4',
        'A:\n- "a": 9\n- "c": 2\nB:\n- "e": 4',
        '```\n**A**: "a":9, "c":2\n**B:** "e":4\n```',
        'Here you are:\n\nExcerpt A: "a":9, "c":2\n<B> "e":4',
        'A: {"a": 9, "c": 2}\nB: {"e": 4}',
        'A: "a"#1:9, "a"#2:9, "c":2\nB: "e" # 1 : 4',
        'A: "a":9, "a":9, "c":2\nB: "e":4, "d":0',
        'A: "a":9, "c":2\nB: "d e":1, "e":4, "d":0',
        'C: "x":3\nA: "a":9, "c":2\nB: "e":4',
    ],
)
def test_replies_that_name_what_fires_are_read(reply):
    assert values(reply, ONE, TWO) == [[9, 0, 9, 2], [0, 4]]


def test_nothing_fires_has_to_be_said():
    for reply in ("A: none\nB: none", "A: None.\nB: nothing", 'A: "none"\nB: **none**'):
        assert values(reply, ONE, TWO) == [[0, 0, 0, 0], [0, 0]]
    assert values("none", ONE) == [[0, 0, 0, 0]]
    good, bad = read("A: none", ONE, TWO)
    assert good.values == (0, 0, 0, 0)
    assert str(bad) == "there is no line for B"
    with pytest.raises(ValueError, match="the reply is empty"):
        read(" \n", ONE)


def test_the_letter_of_a_single_excerpt_may_be_left_out():
    assert values('"a":9, "c":2', ONE) == [[9, 0, 9, 2]]
    assert str(read('"a":9\nB: none', ONE, TWO)[0]) == "there is no line for A"


def test_one_name_without_a_number_means_all_and_several_mean_one_each():
    assert values('A: "a":3', ONE) == [[3, 0, 3, 0]]
    assert values('A: "a":3, "a":5', ONE) == [[3, 0, 5, 0]]
    assert values('A: "a"#2:5', ONE) == [[0, 0, 5, 0]]
    assert values('A: "a":3, "a":5', ["a", " a", " a"]) == [[3, 5, 0]]


def test_pieces_of_words_are_counted_behind_whole_words():
    tokens = ["ba", "the", "d", " the"]
    assert values('A: "the":5', tokens) == [[0, 0, 0, 5]]
    assert values('A: "the"#1:5', tokens) == [[0, 0, 0, 5]]
    assert values('A: "the"#2:5', tokens) == [[0, 5, 0, 0]]


def test_the_most_exact_name_counts():
    assert values('A: "a"#2:5, "a":3', ONE) == [[3, 0, 5, 0]]
    assert values('A: "b":7, "a b":3', ONE) == [[3, 7, 0, 0]]
    assert values('A: "b":7, "b":3', ["b", " b"]) == [[7, 3]]
    assert values('A: "b"#1:7, "b"#1:3', ["b", " b"]) == [[3, 0]]


def test_a_word_gives_its_value_to_all_its_pieces():
    assert values('A: "barked":8', [" bark", "ed", " bar", "k"]) == [[8, 8, 0, 0]]


def test_text_that_is_copied_instead_of_escaped_is_understood():
    assert values('A: """:8', ["a", '"']) == [[0, 8]]
    assert values('A: "\\":8, "b":7', ["a", "\\", "b"]) == [[0, 8, 7]]
    assert values('A: "\\n":8', ["a", "\\n"]) == [[0, 8]]
    assert values('A: "\\n":8', ["\\n", "\n"]) == [[0, 8]]
    assert values('A: "C:\\dir":5', ["C:", "\\dir"]) == [[5, 5]]
    assert values('A: "a\t\\"b":5', ['a\t"b', " c"]) == [[5, 0]]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("I would rather not.", "there is no line for A"),
        ("A:", "there is no line for A"),
        ('A: "a"#1234567890:5', "the number behind 'a' has 10 digits"),
        ('A: "":5', "cannot read '\"\":5'"),
        ('A: "a":11', "the value of 'a' is '11', not a number from 0 to 10"),
        ('A: "a":-1', "cannot read '\"a\":-1'"),
        ('A: "a":high', "cannot read '\"a\":high'"),
        ('A: "a":3, "c', "cannot read '\"c'"),
        ('A: "a":3, "c"', "cannot read '\"c\"'"),
        ('A: "a b a c"', "in the line of A: cannot read '\"a b a c\"'"),
        (f'A: "{"x" * 58} "', f"cannot read '\"{'x' * 58}…'"),
        ("A: it fires on cats", "cannot read 'it fires on cats'"),
    ],
)
def test_other_replies_are_refused_with_what_is_wrong(reply, message):
    (part,) = read(reply, ONE)
    assert isinstance(part, UnreadableReplyError)
    assert message in str(part)


@pytest.mark.parametrize(
    ("reply", "values", "unplaced"),
    [
        ('A: "dog":5, "c":3', (0.0, 0.0, 0.0, 3.0), 1),
        ('A: "a":1, "a":2, "a":9', (1.0, 0.0, 2.0, 0.0), 1),
        ('A: "c":4, "c"#2:9, "c":7', (0.0, 0.0, 0.0, 4.0), 2),
        ('A: "dog":5', (0.0, 0.0, 0.0, 0.0), 1),
        ('A: "\\ud83d":5, "c":3', (0.0, 0.0, 0.0, 3.0), 1),
        ('A: "c"#2:5, "a"#0:5', (0.0, 0.0, 0.0, 0.0), 2),
        (f'A: "{"x" * 9000}":5', (0.0, 0.0, 0.0, 0.0), 1),
    ],
)
def test_names_that_stand_for_no_token_count_for_nothing(reply, values, unplaced):
    assert read(reply, ONE) == [Simulated(values, "values", unplaced)]


def test_a_value_counts_for_all_names_right_before_it():
    assert values('A: "a":3 "c" "b":1', ONE) == [[3, 1, 3, 1]]
    assert values('A: "a", "b", "c"#1:6, "dog":2', ONE) == [[6, 6, 6, 6]]
    assert values('A: "a", "a"#2:6', ONE) == [[6, 0, 6, 0]]


def test_names_of_a_line_without_values_count_1_whatever_the_log_probabilities():
    reply = 'A: "b", "c".\nB: "e"'
    assert values(reply, ONE, TWO) == [[0, 1, 0, 1], [0, 1]]
    logprobs = Logprobs(content=[Logprob(token=reply, logprob=0.0)])
    assert read(reply, ONE, TWO, logprobs=logprobs)[1] == Simulated((0.0, 1.0), "values")


def test_of_a_reply_that_was_cut_off_the_last_excerpt_is_not_kept():
    good, bad = read('A: "a":3\nB: "e":1', ONE, TWO, stop="max_tokens")
    assert good.values == (3, 0, 3, 0)
    assert str(bad) == "in the line of B: the reply was cut off"


@pytest.mark.parametrize(
    ("reply", "of_one"),
    [
        # one name over and over, and cut off within it
        ('A: "b":4, "c":2' + ', "b":4' * 20 + ', "b', (0, 4, 0, 2)),
        # several in turn, with numbers of places that are not there
        ('A: "b":4' + ', "c":3, "b"#2:4' * 10 + ', "c":1', (0, 4, 0, 3)),
        # names that are not in the excerpt at all
        ('A: "a":7' + "".join(f', "no{i}":1' for i in range(20)), (7, 0, 7, 0)),
    ],
)
def test_a_line_that_went_round_in_circles_until_it_was_cut_off_is_read(reply, of_one):
    first, second = read(reply, ONE, TWO, stop="max_tokens")
    assert first.values == of_one
    assert str(second) == "there is no line for B"


def test_a_line_that_was_cut_off_while_it_named_further_tokens_is_not_kept():
    tokens = [f"t{i}" for i in range(40)]
    reply = "A: " + ", ".join(f'"{token}":1' for token in tokens[:30])
    (part,) = read(reply, tokens, stop="max_tokens")
    assert str(part) == "in the line of A: the reply was cut off"


def test_named_tokens_have_the_expectation_at_their_value_and_others_are_zero():
    tops = [TopLogprob(token="8", logprob=math.log(0.5)), TopLogprob(token="4", logprob=-1e3)]
    tokens = [
        Logprob(token='A: "', logprob=0.0),
        Logprob(token='a"#2:', logprob=0.0),
        Logprob(token="6", logprob=math.log(0.5), top_logprobs=tops),
        Logprob(token='\nB: "e":', logprob=0.0),
        Logprob(token="1", logprob=0.0),
        Logprob(token="0", logprob=0.0),
    ]
    parts = read('A: "a"#2:6\nB: "e":10', ONE, TWO, logprobs=Logprobs(content=tokens))
    assert parts[0] == Simulated((0.0, 0.0, pytest.approx(7.0), 0.0), "log-probabilities")
    assert parts[1] == Simulated((0.0, pytest.approx(10.0)), "log-probabilities")


# The prompt


def test_the_prompt_shows_plain_text_behind_what_is_the_same_for_all_excerpts():
    wording = default_pack().simulation["sparse"]
    system, user = sparse_prompt("cats", [["a\tb", "\n"], ["{letter}"]], wording)
    assert '"by"#2' in system.text
    assert user.text.startswith("Explanation of the neuron: it responds to cats\n")
    assert "<A>a\tb\n</A>\n<B>{letter}</B>\n" in user.text
    assert user.text.endswith("for A, B:")
    other = sparse_prompt("cats", [["c"]], wording)
    start = user.text.index("<A>") + 3
    assert (other[0].text, other[1].text[:start]) == (system.text, user.text[:start])


def test_an_explanation_costs_at_most_1500_prompt_and_150_reply_tokens_in_2_requests():
    count = counter("cl100k_base")
    neuron = next(n for n in load_neurons("smollm2") if n.reference)
    excerpts = [(i, e.record.tokens) for i, e in enumerate(neuron.split("valid", 5))]
    peak = max(e.record.peak for e in neuron.split("valid", 5))
    levels = {
        e.record.tokens: [max(0, int(10 * v / peak)) for v in e.record.activations]
        for e in neuron.split("valid", 5)
    }
    simulator = fake_simulator(lambda _, tokens: levels[tuple(tokens)], excerpts=levels)
    replies = []

    def respond(messages, config):
        made = simulator.model.api._respond(messages, config)
        replies.append(made.completion)
        return made

    asked = fake("counted", respond)
    outcomes = simulate(asked, excerpts)
    assert [list(o.values) for o in outcomes] == [levels[tokens] for _, tokens in excerpts]
    assert len(asked.requests) == 2
    assert sum(count.count_messages(messages) for messages in asked.requests) <= 1500
    assert sum(map(count.count_text, replies)) <= 150


# The whole path

LEVELS = st.just(0) | st.integers(0, 10) | st.floats(0, 10)


@st.composite
def truths(draw):
    tokens = draw(st.lists(TOKENS, min_size=1, max_size=4, unique_by="".join))
    return {tuple(t): draw(st.lists(LEVELS, min_size=len(t), max_size=len(t))) for t in tokens}


@settings(deadline=None, max_examples=60)
@given(truths(), st.booleans(), st.integers(1, 5))
def test_a_simulator_that_knows_the_truth_gives_it_whatever_the_tokens(truth, logprobs, size):
    simulator = fake_simulator(
        lambda _, tokens: truth[tuple(tokens)], excerpts=truth, logprobs=logprobs, name="knows"
    )
    for outcome, true in zip(
        simulate(simulator, list(enumerate(truth)), size), truth.values(), strict=True
    ):
        assert isinstance(outcome, Simulated), outcome
        wanted = true if logprobs else [round(value) for value in true]
        assert list(outcome.values) == pytest.approx(wanted, abs=1e-9)
    assert len(simulator.requests) == -(-len(truth) // size)


def test_a_bad_reply_is_asked_for_again_with_what_was_wrong():
    texts = iter(['A: "cat":high', 'A: "cat":5'])
    simulator = fake("again", lambda *_: ModelOutput.from_content("m", next(texts)))
    assert simulate(simulator, [(0, [" cat", "."])]) == [Simulated((5.0, 0.0), "values")]
    last = simulator.requests[1][-1].text
    assert "in the line of A: cannot read '\"cat\":high'" in last
    assert "one line each for A" in last


def test_names_that_stand_for_no_token_are_not_asked_about_and_counted():
    reply = 'A: "cat":5, "dog":1\nB: "cat":6'
    simulator = fake("mixed up", lambda *_: ModelOutput.from_content("m", reply))
    outcomes = simulate(simulator, [(0, [" cat"]), (1, [" dog"])], 2)
    assert [outcome.values for outcome in outcomes] == [(5.0,), (0.0,)]
    assert [outcome.unplaced for outcome in outcomes] == [1, 1]
    assert len(simulator.requests) == 1


def test_an_excerpt_whose_reply_stays_bad_fails_with_its_name_and_the_cause():
    simulator = fake_simulator(lambda _, tokens: [1] * len(tokens), faults=["garbage"] * 9)
    (outcome,) = simulate(simulator, [(3, ["cat"])])
    cause = "3 unreadable replies, the last: there is no line for A"
    assert outcome == Failed(f"excerpt top 3: {cause}")
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("excerpts", [1, 5])
@pytest.mark.parametrize("length", [64, 100, 127])
def test_the_reply_has_room_for_every_token_of_an_excerpt_and_no_more(excerpts, length):
    simulator = fake_simulator(lambda _, tokens: [1] * len(tokens))
    simulate(simulator, [(i, ["cat"] * length) for i in range(excerpts)])
    (config,) = simulator.configs
    assert isinstance(config, GenerateConfig)
    assert length * 10 <= config.max_tokens <= length * 11


FRESH = itertools.count()


def excerpt(tokens, index=0):
    return Excerpt("top", index, ActivationRecord(tuple(tokens), (0.0,) * len(tokens)))


def simulate(simulator, excerpts, size=EXCERPTS_PER_CALL):
    """Outcomes of the whole path, from the prompt to the values."""
    asker = Asker(simulator.model, named=True, reasoning=False)
    simulation = SparseSimulation(asker, default_pack().simulation["sparse"], size)
    # an explanation of its own, as the same prompt would have the cached answer
    return anyio.run(simulation, f"cats {next(FRESH)}", [excerpt(t, i) for i, t in excerpts])


def covers(places):
    return [[list(p) for p in group] for group in (places.standing, places.pieces)]
