import itertools
import json
import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob

from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.per_token import NoLogprobsError, PerTokenSimulation, per_token_prompt
from neuron_eval.simulation.reading import expected_first
from neuron_eval.testing import fake, fake_simulator

TOKENS = st.lists(
    st.text(min_size=1, max_size=4)
    | st.sampled_from(["\t", "\n", " ", '"', "\\", "\u2028", "🙂", "\nText:\n", " a", "a"]),
    min_size=1,
    max_size=8,
)


def test_the_prompt_shows_the_text_up_to_the_token_and_nothing_behind_it():
    system, user = per_token_prompt(
        "cats", [" a", "\n", "b c"], 1, default_pack().simulation["per_token"]
    )
    assert system.text == default_pack().simulation["per_token"].system
    assert user.text.startswith("Explanation of the neuron: it responds to cats\n\nText:\n a\n\n\n")
    assert json.dumps("\n") in user.text
    assert "b c" not in user.text


@settings(deadline=None, max_examples=40)
@given(st.lists(TOKENS, min_size=1, max_size=3, unique_by=tuple))
def test_a_simulator_that_knows_the_truth_gives_it_whatever_the_tokens(excerpts):
    simulator = fake_simulator(causal, excerpts=excerpts)
    outcomes = simulate(simulator, *excerpts)
    for tokens, outcome in zip(excerpts, outcomes, strict=True):
        assert isinstance(outcome, Simulated), outcome
        assert outcome.basis == "log-probabilities"
        assert list(outcome.values) == pytest.approx(causal("", tokens), abs=1e-9)


def test_every_token_is_a_request_of_two_tokens_at_temperature_zero():
    simulator = fake_simulator(causal)
    simulate(simulator, ["a", " b"], [" c"])
    assert len(simulator.requests) == 3
    for config in simulator.configs:
        assert (config.max_tokens, config.temperature, config.logprobs) == (2, 0, True)
    assert simulate(simulator) == []


def test_the_expectation_is_taken_over_the_first_tokens_alternatives():
    assert expected(("3", {"3": 0.5, "5": 0.25, "The": 0.25})) == pytest.approx(2.75 / 0.75)
    assert expected(("10", {"10": 0.5, "0": 0.5})) == pytest.approx(5)
    assert expected((" 2", {"It": 0.4, " 2": 0.4, "4": 0.2})) == pytest.approx(1.6 / 0.6)
    assert expected(("It", {"It": 1.0}), ("7", {"7": 1.0})) is None


def test_a_ten_in_two_tokens_is_told_from_a_one():
    one = ("1", {"1": 0.8, "0": 0.2})
    assert expected(one, ("0", {"0": 0.75, ".": 0.25})) == pytest.approx(6.2)
    assert expected(one, (".", {".": 1.0})) == pytest.approx(0.8)
    assert expected(one) == pytest.approx(0.8)


def test_a_first_token_of_nothing_but_space_is_passed_over():
    assert expected((" ", {" ": 1.0}), ("7", {"7": 1.0})) == pytest.approx(7)


def test_a_reply_that_begins_with_a_word_is_no_number_whatever_mass_numbers_have():
    assert expected(("The", {"The": 0.9, "1": 0.03}), (" cat", {" cat": 1.0})) is None
    assert expected((" ", {" ": 0.5, "4": 0.5})) is None


def test_a_reply_that_is_no_number_costs_its_token_and_is_not_asked_for_again():
    def respond(messages, config):
        told = '" dog"' in messages[1].text
        return reply(("I", {"I": 0.7, "We": 0.2}) if told else ("4", {"4": 1.0}))

    simulator = fake("mute", respond)
    good, bad = simulate(simulator, [" cat", "."], [" cat", " dog", "."])
    assert good == Simulated((4.0, 4.0), "log-probabilities")
    assert (bad.values[0], math.isnan(bad.values[1]), bad.values[2]) == (4.0, True, 4.0)
    assert bad.problem == (
        'no value for 1 of 3 tokens: token 2 of 3, " dog": '
        "the reply begins with 'I', no number from 0 to 10"
    )
    # the cache answers the second excerpt's first token
    assert len(simulator.requests) == 4


def test_an_excerpt_without_any_number_fails():
    simulator = fake_simulator(causal, faults=["empty"])
    first, second = simulate(simulator, ["a"], ["c"])
    assert first.reason == (
        'excerpt random 0: token 1 of 1, "a": the reply is empty (stop reason: stop)'
    )
    assert isinstance(second, Simulated)


@pytest.mark.parametrize("reasoning", [False, True])
def test_a_model_without_log_probabilities_is_an_error_after_one_request(reasoning):
    simulator = fake_simulator(causal, logprobs=False)
    with pytest.raises(NoLogprobsError, match=r"neuron-fake/simulator .*simulation=sparse or -T"):
        simulate(simulator, ["a", "b"], ["c"], reasoning=reasoning)
    assert len(simulator.requests) == 1


FRESH = itertools.count()


def simulate(simulator, *excerpts, reasoning=False):
    asker = Asker(simulator.model, named=True, reasoning=reasoning)
    simulation = PerTokenSimulation(asker, default_pack().simulation["per_token"])
    made = [
        Excerpt("random", i, ActivationRecord(tuple(t), (0.0,) * len(t)))
        for i, t in enumerate(excerpts)
    ]
    # an explanation of its own, as the same prompt would have the cached answer
    return anyio.run(simulation, f"cats {next(FRESH)}", made)


def causal(explanation, tokens):
    """Some value for each token, of the text up to it."""
    texts = ["".join(tokens[:i]) for i in range(1, len(tokens) + 1)]
    return [sum(map(ord, text)) * 7 % 101 / 10 for text in texts]


def reply(*tokens):
    """A reply whose tokens are given with their alternatives."""
    output = ModelOutput.from_content("m", "".join(text for text, _ in tokens))
    content = [
        Logprob(
            token=text,
            logprob=math.log(options[text]),
            top_logprobs=[TopLogprob(token=t, logprob=math.log(p)) for t, p in options.items()],
        )
        for text, options in tokens
    ]
    output.choices[0].logprobs = Logprobs(content=content)
    return output


def expected(*tokens):
    return expected_first(reply(*tokens).choices[0].logprobs.content)
