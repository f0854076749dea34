"""Replies that no simulator should give: asked for again past the cache, then no measurement."""

import itertools
import math

import anyio
import pytest
from completions_server import CompletionsServer
from inspect_ai import eval
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob
from test_all_at_once import excerpt as prompt_excerpt
from test_all_at_once import over_http
from test_all_at_once import simulate as simulate_all_at_once

from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import BrokenReplyError, Failed, Simulated
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.expected import probability
from neuron_eval.simulation.per_token import PerTokenSimulation
from neuron_eval.simulation.reading import expected_values, read_values
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake, fake_embedder, fake_explainer, fake_simulator, make_neuron

WAYS = {"chat": ChatSimulation, "sparse": SparseSimulation, "per_token": PerTokenSimulation}

NO_LOGPROB = [float("nan"), float("inf"), 5.0, 1e6]


@pytest.mark.parametrize("logprob", NO_LOGPROB)
@pytest.mark.parametrize("way", WAYS)
def test_a_log_probability_that_is_none_is_no_value_but_asked_for_again(way, logprob):
    broken, good = reply(GOOD[way], wrong=logprob), reply(GOOD[way])
    model = answering(broken, good)
    assert simulate(way, model) == Simulated((5.0,), "log-probabilities")
    first, second = model.requests
    assert [m.text for m in first] == [m.text for m in second]

    model = answering(broken)
    outcome = simulate(way, model)
    assert isinstance(outcome, Failed)
    assert f"a log-probability is {logprob:g}, not a number up to 0" in outcome.reason
    assert len(model.requests) == 3


@pytest.mark.parametrize("logprob", [-math.inf, -9999.0, -0.5, 0.0, 1e-7])
def test_log_probabilities_as_servers_give_them_are_taken(logprob):
    assert probability(logprob) == pytest.approx(math.exp(logprob))
    assert 0 <= probability(logprob) <= 1
    with pytest.raises(BrokenReplyError):
        probability(0.02)


@pytest.mark.parametrize("logprob", [float("nan"), 5.0, 1e6])
def test_all_at_once_asks_once_more_for_what_no_server_should_send(logprob):
    with CompletionsServer() as server:
        proper, spoilt = server.handle, []

        def handle(body):
            status, answer = proper(body)
            cow = " cow\t" in body["prompt"] and "cow" not in spoilt
            if cow or " dog\t" in body["prompt"]:
                spoilt.extend(["cow"] * cow)
                for place in answer["choices"][0]["prompt_logprobs"] or []:
                    for candidate in (place or {}).values():
                        candidate["logprob"] = logprob
            return status, answer

        server.handle = handle
        words = (" hen", " dog", " cow")
        hen, dog, cow = simulate_all_at_once(
            over_http(server, f"broken-{logprob}"),
            "x",
            *(prompt_excerpt((w,), i) for i, w in enumerate(words)),
        )
        asked = len(server.requests)
        simulate_all_at_once(
            over_http(server, f"broken-{logprob}"),
            "x",
            *(prompt_excerpt((w,), i) for i, w in enumerate(words)),
        )
    assert isinstance(hen, Simulated)
    assert isinstance(cow, Simulated)
    assert "a log-probability is" in dog.reason
    # the probe, three excerpts, and two of them once more
    assert asked == 1 + 3 + 2
    # what could not be read is not in the cache
    assert len(server.requests) == asked + 2


@pytest.mark.parametrize("way", WAYS)
def test_what_could_not_be_read_dooms_no_later_run(way):
    explanation = f"cats {next(FRESH)}"
    bad = answering(reply(GOOD[way], wrong=float("nan")))
    assert isinstance(simulate(way, bad, explanation), Failed)
    healthy = answering(reply(GOOD[way]))
    assert simulate(way, healthy, explanation) == Simulated((5.0,), "log-probabilities")
    assert len(healthy.requests) == 1


@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_what_was_read_at_the_second_asking_is_not_asked_for_in_a_later_run(way):
    explanation = f"cats {next(FRESH)}"
    for first in (reply("I would rather not."), reply(GOOD[way], wrong=float("nan"))):
        model = answering(first, reply(GOOD[way]))
        assert isinstance(simulate(way, model, explanation), Simulated)
        later = answering(reply(GOOD[way]))
        assert isinstance(simulate(way, later, explanation), Simulated)
        assert later.requests == []
        explanation += "!"


@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_what_was_read_past_the_cache_is_not_asked_for_again_either(way):
    explanation = f"cats {next(FRESH)}"
    assert isinstance(simulate(way, answering(reply("No.")), explanation), Failed)
    healthy = answering(reply(GOOD[way]))
    for _ in range(2):
        assert isinstance(simulate(way, healthy, explanation), Simulated)
    assert len(healthy.requests) == 1


@pytest.mark.parametrize(
    ("way", "text", "message"),
    [
        ("chat", "9" * 4301 + ": 5", "found an index of 4301 digits where index 1 should be"),
        ("chat", "1: " + "9" * 4301, "the value at index 1 is '9999"),
        ("chat", "1: 0." + "0" * 9000 + "x", "the value at index 1 is '0.000"),
        ("sparse", 'A: "cat"#' + "9" * 4301 + ":5", "the number behind 'cat' has 4301 digits"),
        ("sparse", 'A: "cat":' + "9" * 4301, "the value of 'cat' is '9999"),
        ("sparse", 'A: "cat":5 ' + "(" * 9000, 'cannot read \'"cat":5 ((('),
        ("sparse", 'A: "' + "dog" * 9000 + '":x', "cannot read '\"dogdog"),
    ],
)
def test_numbers_and_names_of_any_length_are_unreadable_in_a_short_sentence(way, text, message):
    model = answering(ModelOutput.from_content("m", text))
    outcome = simulate(way, model)
    assert isinstance(outcome, Failed)
    assert message in outcome.reason
    assert len(outcome.reason) < 300
    assert len(model.requests) == 3


def test_a_fraction_is_its_value_whatever_its_first_digit_has_for_alternatives():
    text = "1: 0.9\n2: 7.5\n3: 1.5\n4: 2.0\n5: 3"
    found = expected_values(text, read_values(text, 5), reply(text).choices[0].logprobs.content)
    assert found == pytest.approx([0.9, 7.5, 1.5, 2.0, 3.0])


# What it costs


@pytest.fixture
def neurons(tmp_path):
    path = tmp_path / "neurons.jsonl"
    schema.write(path, [make_neuron("test/L0N0"), make_neuron("test/L0N1", neuron=1)])
    return str(path)


def run(neurons, way, simulator):
    roles = {"simulator": simulator.model, "embedder": fake_embedder(lambda t: [len(t), 1]).model}
    explainer = fake_explainer("the word cat").model
    task = formats.summary(neurons=neurons, simulation=way)
    (log,) = eval(task, model=explainer, model_roles=roles)
    assert log.status == "success", log.error
    return log


@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_unreadable_replies_cost_at_most_four_times_the_requests_of_good_ones(way, neurons):
    good = fake_simulator(lambda _, tokens: [float(t == " cat") for t in tokens])
    run(neurons, way, good)
    garbage = fake("garbage", lambda *_: ModelOutput.from_content("m", "I would rather not."))
    log = run(neurons, way, garbage)
    for sample in log.samples:
        score = sample.scores["simulation_correlation"]
        assert math.isnan(score.as_float())
        assert "3 unreadable replies, the last: " in score.metadata["failures"][0]
    assert 0 < len(garbage.requests) <= 4 * len(good.requests)


FRESH = itertools.count()

GOOD = {"chat": "1: 5", "sparse": 'A: "cat":5', "per_token": "5"}


def reply(text, wrong=None):
    """A reply of single characters with log-probabilities, in which those of digits are wrong."""

    def logprob(character):
        return -0.1 if wrong is None or not character.isdigit() else wrong

    output = ModelOutput.from_content("m", text)
    output.choices[0].logprobs = Logprobs(
        content=[
            Logprob(
                token=c,
                logprob=logprob(c),
                top_logprobs=[TopLogprob(token=c, logprob=logprob(c))],
            )
            for c in text
        ]
    )
    return output


def answering(*outputs):
    """A model that gives these replies, and the last of them for ever."""
    left = list(outputs)

    def respond(messages, config):
        return (left.pop(0) if len(left) > 1 else left[0]).model_copy(deep=True)

    return fake("unusable", respond)


def simulate(way, model, explanation=None):
    asker = Asker(model.model, named=True, reasoning=False)
    simulation = WAYS[way](asker, default_pack().simulation[way])
    one = Excerpt("top", 0, ActivationRecord((" cat",), (1.0,)))
    return anyio.run(simulation, explanation or f"cats {next(FRESH)}", [one])[0]
