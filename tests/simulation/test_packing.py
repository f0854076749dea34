import itertools

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai.model import ModelOutput

from neuron_eval.models.requests import simulation_request
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Failed, Simulated
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import EXCERPTS_PER_CALL, ChatSimulation, chat_prompt, read_reply
from neuron_eval.simulation.limits import fitting_size
from neuron_eval.simulation.packing import grouped
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.testing import fake, fake_simulator
from neuron_eval.testing.replies import read_chat_prompts

FRESH = itertools.count()
WAYS = {"chat": ChatSimulation, "sparse": SparseSimulation}
LISTS = st.lists(
    st.lists(st.text(min_size=1, max_size=3) | st.sampled_from(["A", "\n", "1: 5"]), min_size=1),
    min_size=1,
    max_size=5,
)


def simulate(simulator, excerpts, size, way="chat", explanation=None):
    asker = Asker(simulator.model, named=True, reasoning=False)
    simulation = WAYS[way](asker, default_pack().simulation[way], size)
    made = [
        Excerpt("top", i, ActivationRecord(tuple(t), (0.0,) * len(t)))
        for i, t in enumerate(excerpts)
    ]
    # an explanation of its own, as the same prompt would have the cached answer
    return anyio.run(simulation, explanation or f"cats {next(FRESH)}", made)


def ones(explanation, tokens):
    return [1] * len(tokens)


@given(st.integers(0, 40), st.integers(1, 12))
def test_groups_are_as_few_and_as_even_as_can_be(count, size):
    groups = grouped(range(count), size)
    assert [i for group in groups for i in group] == list(range(count))
    assert len(groups) == -(-count // size)
    lengths = {len(group) for group in groups}
    assert not lengths or max(lengths) <= min(size, min(lengths) + 1)


def test_a_request_holds_at_least_one_excerpt():
    with pytest.raises(ValueError, match="excerpts_per_call=0: expected a whole number of at"):
        grouped([1], 0)


def test_ten_excerpts_take_three_requests_of_chat():
    simulator = fake_simulator(ones)
    outcomes = simulate(simulator, [[f"a{i}", "b"] for i in range(10)], EXCERPTS_PER_CALL)
    assert outcomes == [Simulated((1.0, 1.0), "log-probabilities")] * 10
    assert len(simulator.requests) == 3


@given(LISTS)
def test_packed_tokens_are_numbered_from_one_under_their_letter(excerpts):
    user = chat_prompt("cats", excerpts, default_pack().simulation["chat"])[1].text
    assert read_chat_prompts(user) == ("cats", excerpts)
    assert user.count("Tokens of excerpt ") == (len(excerpts) if len(excerpts) > 1 else 0)


@settings(deadline=None, max_examples=30)
@given(LISTS, st.integers(1, 5), st.booleans(), st.randoms(use_true_random=False))
def test_packed_chat_gives_a_simulator_that_knows_the_truth_its_values(
    excerpts, size, logprobs, random
):
    truth = {tuple(tokens): [random.uniform(0, 10) for _ in tokens] for tokens in excerpts}
    simulator = fake_simulator(lambda _, tokens: truth[tuple(tokens)], logprobs=logprobs)
    for tokens, outcome in zip(excerpts, simulate(simulator, excerpts, size), strict=True):
        true = truth[tuple(tokens)]
        assert isinstance(outcome, Simulated), outcome
        wanted = true if logprobs else [round(value) for value in true]
        assert list(outcome.values) == pytest.approx(wanted, abs=1e-9)


def read(text, *counts, stop="stop"):
    return read_reply(ModelOutput.from_content("m", text, stop_reason=stop), counts)


@pytest.mark.parametrize(
    "reply",
    [
        "A\n1: 3\n2: 4\nB\n1: 5",
        "B\n1: 5\nA\n1: 3\n2: 4",
        "Excerpt A:\n\n1: 3\n2: 4\n\nExcerpt B:\n\n1: 5\n",
        "Tokens of excerpt A:\r\n1: 3\r\n2: 4\r\n**B**\r\n1: 5",
        "Here:\n[A]\n1: 3\n2: 4\n# B\n1: 5\nI\n",
    ],
)
def test_packed_replies_are_read_by_letter(reply):
    assert [part.values for part in read(reply, 2, 1)] == [(3.0, 4.0), (5.0,)]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("A\n1: 3\n2: 4\n1: 5", "in excerpt A, found index 1 where no line after index 2 should"),
        ("A\n2: 4\nB\n1: 5", "in excerpt A, found index 2 where index 1 should be"),
        ("A\n1: 4\nB\n1: 5", "in excerpt A, index 2 is missing"),
        ("A\n1: 4\n2: 11\nB\n1: 5", "in excerpt A, the value at index 2 is '11'"),
        ("1: 3\n2: 4\nB\n1: 5", "no line holds the letter A"),
        ("I would rather not.", "no line holds the letter A"),
        ("A\n1: 3\n2: 4\nB\n1: 5\nA\n1: 3\n2: 4", "in excerpt A, the letter is there twice"),
    ],
)
def test_a_bad_part_of_a_packed_reply_is_refused_with_its_letter(reply, message):
    bad, other = read(reply, 2, 1)
    assert message in str(bad)
    if "B" in reply:
        assert other.values == (5.0,)


def test_what_stands_last_in_a_packed_reply_may_have_been_cut_off():
    good, bad = read("A\n1: 3\nB\n1: 5\n", 1, 2, stop="max_tokens")
    assert good.values == (3.0,)
    assert str(bad).startswith("the reply was cut off: in excerpt B, index 2 is missing")


REPLIES = {
    "chat": ("A\n1: 3\nB\nno", "no\nB\n1: 4\n", "A\n1: 5\nB\nno", "1: 7"),
    "sparse": ('A: "x":3\nB: ?', 'A: ?\nB: "y":4', 'A: "x":5\nB: ?', 'A: "y":7'),
}


@pytest.mark.parametrize("way", WAYS)
def test_parts_of_several_bad_replies_make_a_whole(way):
    first, second, *_ = REPLIES[way]
    texts = iter([first, second])
    simulator = fake("halves", lambda *_: ModelOutput.from_content("m", next(texts)))
    outcomes = simulate(simulator, [["x"], ["y"]], 2, way)
    assert outcomes == [Simulated((3.0,), "values"), Simulated((4.0,), "values")]
    again = simulator.requests[1][-1].text
    assert "B" in again.partition(". Answer again")[0]
    assert "A" not in again.partition(". Answer again")[0].removeprefix("That answer")


@pytest.mark.parametrize("way", WAYS)
def test_what_no_packed_reply_holds_is_asked_for_alone(way):
    first, _, third, alone = REPLIES[way]
    texts = iter([first, third, third, alone])
    simulator = fake("alone", lambda *_: ModelOutput.from_content("m", next(texts)))
    outcomes = simulate(simulator, [["x"], ["y"]], 2, way)
    assert outcomes == [Simulated((3.0,), "values"), Simulated((7.0,), "values")]
    assert len(simulator.requests) == 4
    last = simulator.requests[-1]
    assert len(last) == 2
    assert "x" not in last[1].text.partition("\n")[2].replace("excerpt", "")


@pytest.mark.parametrize("way", WAYS)
def test_an_excerpt_that_fails_alone_too_has_failed_with_its_name(way):
    bad = "bad"

    def never(explanation, tokens):
        return [1] * (len(tokens) - 1 if bad in tokens else len(tokens))

    simulator = fake_simulator(never)
    if way == "sparse":
        replies = {True: 'A: "good":1', False: "A: bad"}
        simulator = fake(
            "deaf",
            lambda messages, _: ModelOutput.from_content("m", replies["good" in messages[1].text]),
        )
    outcomes = simulate(simulator, [["good", "x"], [bad, "x"]], 2, way)
    assert outcomes[0].values[0] == 1
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].reason.startswith("excerpt top 1: 4 unreadable replies, the last: in")
    assert len(simulator.requests) == 3 + 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["garbage", "truncated", "missing", "empty", "rate-limit"])
def test_a_fault_of_a_packed_reply_is_asked_for_again(way, fault):
    simulator = fake_simulator(ones, faults=[fault] * 2)
    outcomes = simulate(simulator, [["a", "b"]] * 4, 4, way)
    assert outcomes == [Simulated((1.0, 1.0), "log-probabilities")] * 4
    assert len(simulator.requests) == 3


def test_no_excerpts_are_no_requests():
    simulator = fake_simulator(ones)
    assert simulate(simulator, [], 3) == []
    assert simulator.requests == []


# What is cached


@pytest.mark.parametrize("name", ["anthropic/claude", "openai/gpt"])
def test_cache_marks_stand_behind_what_all_requests_and_what_a_neuron_s_requests_share(name):
    system, user = simulation_request(name, "constant", "explanation\n", "excerpts")
    marked = [(part.text, part.cache_breakpoint) for part in system.content + user.content]
    assert marked == [("constant", True), ("explanation\n", True), ("excerpts", None)]


@pytest.mark.parametrize("name", ["", "openai-api/local/m", "vllm/m", "neuron-fake/openai/"])
def test_providers_without_marks_get_plain_text(name):
    system, user = simulation_request(name, "constant", "explanation\n", "excerpts")
    assert (system.content, user.content) == ("constant", "explanation\nexcerpts")


@pytest.mark.parametrize("size", [1, 2])
def test_the_first_parts_of_packed_and_single_requests_are_the_same(size):
    simulator = fake_simulator(ones)
    simulate(simulator, [["a"], ["b"], ["c"]], size)
    simulate(simulator, [["d"]], size)
    assert {messages[0].text for messages in simulator.requests} == {
        default_pack().simulation["chat"].system
    }
    users = [messages[1].text for messages in simulator.requests]
    assert all(user.startswith("Explanation of the neuron: it responds to") for user in users)


@pytest.mark.parametrize("way", WAYS)
def test_a_later_run_asks_for_what_was_cut_off_in_at_most_four_requests_a_pack(way):
    good = fake_simulator(ones, logprobs=False)
    bad = True

    def respond(messages, config):
        output = good.model.api._respond(messages, config)
        if bad:
            half = output.completion[: len(output.completion) // 2]
            return ModelOutput.from_content("m", half, stop_reason="max_tokens")
        return output

    model = fake(f"recovers-{next(FRESH)}", respond)
    about = f"cats {next(FRESH)}"
    five = [[f"a{i}", " b", " c", " d"] for i in range(5)]
    before = simulate(model, five, 5, way, about)
    assert any(isinstance(outcome, Failed) for outcome in before)
    asked = len(model.requests)
    assert asked <= 4
    bad = False
    assert all(isinstance(outcome, Simulated) for outcome in simulate(model, five, 5, way, about))
    assert 0 < len(model.requests) - asked <= 4


def test_what_was_read_apart_after_three_replies_is_not_asked_for_anew_by_a_later_run():
    good = fake_simulator(ones, logprobs=False)

    def respond(messages, config):
        output = good.model.api._respond(messages, config)
        return ModelOutput.from_content("m", output.completion.partition("\nB")[0])

    model, about = fake(f"one-{next(FRESH)}", respond), f"cats {next(FRESH)}"
    for _ in range(2):
        outcomes = simulate(model, [["a", " b"], ["c", " d"]], 2, explanation=about)
        assert all(isinstance(outcome, Simulated) for outcome in outcomes)
        assert len(model.requests) == 4


# What a model can keep apart


def forgetful(forgets):
    """A simulator that leaves out the letters of a pack's excerpts where ``forgets`` says so."""
    packs = itertools.count()

    def reply(messages, config):
        _, excerpts = read_chat_prompts(messages[1].text)
        lines = ["\n".join(f"{i + 1}: 1" for i in range(len(tokens))) for tokens in excerpts]
        named = len(lines) > 1 and not forgets(next(packs))
        letters = [f"{chr(65 + i)}\n" if named else "" for i in range(len(lines))]
        return ModelOutput.from_content(
            "m", "\n".join(map("".join, zip(letters, lines, strict=True)))
        )

    return fake(f"forgetful-{next(FRESH)}", reply)


def test_a_model_that_cannot_keep_excerpts_apart_is_asked_one_by_one(caplog):
    simulator = forgetful(lambda _: True)
    excerpts = [[f"a{i}", "b"] for i in range(10)]
    requests = []
    for _ in range(4):
        before = len(simulator.requests)
        simulate(simulator, excerpts, 4)
        requests.append(len(simulator.requests) - before)
    assert requests[0] > 10
    assert requests[1:] == [10, 10, 10]
    outcomes = simulate(simulator, excerpts, 4)
    assert all(isinstance(outcome, Simulated) for outcome in outcomes)
    said = [record.message for record in caplog.records if "share a request" in record.message]
    assert len(said) == 1
    assert "with 2 of them (simulation=chat); from here on at most 1 share" in said[0]


def test_one_bad_pack_in_ten_changes_no_sizes(caplog):
    # such a pack is asked for twice in vain, and then in halves
    simulator = forgetful(lambda pack: pack % 13 < 2)
    for _ in range(40):
        simulate(simulator, [[f"a{i}", "b"] for i in range(4)], 4)
        assert fitting_size(simulator.model, "chat", 4) == 4
    assert len(simulator.requests) > 45
    assert not [record for record in caplog.records if "share a request" in record.message]


def test_what_one_way_cannot_keep_apart_says_nothing_of_another():
    simulator = forgetful(lambda _: True)
    for _ in range(4):
        simulate(simulator, [["a"], ["b"]], 2)
    assert fitting_size(simulator.model, "chat", 2) == 1
    assert fitting_size(simulator.model, "sparse", 2) == 2
