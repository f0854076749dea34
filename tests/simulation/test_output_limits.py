"""How many output tokens are asked for: what a reply may need, and what user and server allow."""

import itertools

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.event import LoggerEvent
from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from scripted_server import Reply, ScriptedServer, embedded, said, simulated

from neuron_eval.formats.base import letter
from neuron_eval.models.edge import guarded
from neuron_eval.models.server_errors import ModelError
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Failed, Simulated, chat, sparse
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.per_token import NoLogprobsError, PerTokenSimulation
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake, fake_simulator, make_neuron

WAYS = {"chat": ChatSimulation, "sparse": SparseSimulation}
WAY = pytest.mark.parametrize("way", WAYS)
CAP = 4096
"""What many servers give."""

FRESH = itertools.count()
TEXTS = st.lists(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=70), min_size=1)


def test_all_defaults_stay_far_below_a_common_cap():
    excerpts = [[f" word{i}" for i in range(64)]] * 10
    assert ChatSimulation.room(excerpts[: chat.EXCERPTS_PER_CALL]) < 2700
    assert SparseSimulation.room(excerpts[: sparse.EXCERPTS_PER_CALL]) < 1500
    assert SparseSimulation.room([["a", "cat"]]) < 150


@given(TEXTS)
def test_a_chat_reply_has_room_for_every_line_if_every_character_were_a_token(excerpts):
    lines = [
        f"Excerpt {letter(e)}:\n" + "".join(f"{i}: 10\n" for i in range(1, len(tokens) + 1))
        for e, tokens in enumerate(excerpts)
    ]
    assert ChatSimulation.room(excerpts) >= len("".join(lines))


@given(st.integers(1, 300), st.integers(1, 9))
def test_a_good_reply_holds_no_end_and_one_number_too_many_is_still_read(count, excerpts):
    counts = [count] * excerpts
    one = "".join(f"{i}: 0\n" for i in range(1, count + 1))
    reply = "".join(f"{letter(e)}\n{one}" for e in range(excerpts)) if excerpts > 1 else one
    ends = chat.reply_ends(counts)
    assert not any(end in reply for end in ends)
    assert not any(end in f"{reply}{count + 1}: 0\n" for end in ends)
    assert any(end in f"{reply}{count + 1}: 0\n{count + 2}: 0\n" for end in ends)


# Packs, with fakes


def excerpts_of(*texts):
    return [
        Excerpt("top", i, ActivationRecord(tuple(t), (0.0,) * len(t))) for i, t in enumerate(texts)
    ]


def simulate(way, model, *texts, size=4, named=True, explanation=None):
    asker = Asker(model, named=named, reasoning=False)
    simulation = WAYS[way](asker, default_pack().simulation[way], size)
    made = excerpts_of(*texts)
    return anyio.run(simulation, explanation or f"cats {next(FRESH)}", made)


def ones(explanation, tokens):
    return [1] * len(tokens)


FOUR = (["a", " b"], ["c", " d"], ["e", " f"], ["g", " h"])


def of_at_most(most, otherwise="I would rather not.", stop="stop"):
    """A simulator that can answer about so many excerpts at once."""
    good = fake_simulator(ones, logprobs=False)

    def respond(messages, config):
        user = next(m.text for m in messages if m.role == "user")
        if max(user.count("Tokens of excerpt"), user.count("</")) > most:
            return ModelOutput.from_content("m", otherwise, stop_reason=stop)
        return good.model.api._respond(messages, config)

    return fake(f"limited-{next(FRESH)}", respond)


@WAY
def test_a_pack_of_which_nothing_can_be_read_is_asked_for_in_halves(way):
    model = of_at_most(2)
    explanation = f"cats {next(FRESH)}"
    assert all(isinstance(o, Simulated) for o in simulate(way, model.model, *FOUR))
    assert len(model.requests) == 4
    simulate(way, model.model, *FOUR, explanation=explanation)
    asked = len(model.requests)
    simulate(way, model.model, *FOUR, explanation=explanation)
    assert len(model.requests) == asked, "all of it is in the cache"


@WAY
@pytest.mark.parametrize("stop", ["stop", "max_tokens"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_whatever_is_unreadable_costs_at_most_four_replies_a_pack(way, stop, size):
    model = of_at_most(-1, stop=stop)
    outcomes = simulate(way, model.model, *FOUR[:size])
    assert all(isinstance(outcome, Failed) for outcome in outcomes)
    assert len(model.requests) <= 4
    assert all("3 unreadable replies" in outcome.reason for outcome in outcomes)


CUT = {"chat": "A\n1: 3\n2: 4\nB\n1: 5\n2: 5\nC\n1: ", "sparse": 'A: none\nB: none\nC: "e'}


@WAY
def test_what_a_cut_off_reply_leaves_unread_is_asked_for_apart_and_at_once(way):
    model = of_at_most(2, CUT[way], "max_tokens")
    assert all(isinstance(o, Simulated) for o in simulate(way, model.model, *FOUR))
    _, second = model.requests
    assert len(second) == 2, "no word about what was wrong with the first"
    assert " h" in second[1].text
    assert '" b"' not in second[1].text


@WAY
def test_the_limit_that_the_user_set_makes_the_packs(way):
    for named in (True, False):
        simulator = fake_simulator(ones)
        simulator.model.config = GenerateConfig(max_tokens=200)
        many = [[f"a{i}", *["b", "c", "d", "e", "f"]] for i in range(4)]
        outcomes = simulate(way, simulator.model, *many, named=named)
        assert all(isinstance(outcome, Simulated) for outcome in outcomes)
        assert len(simulator.requests) > 1
        assert all(0 < config.max_tokens <= 200 for config in simulator.configs)


@WAY
def test_an_excerpt_that_needs_more_than_the_user_allows_is_tried_and_says_so(way):
    cut = fake("cut", lambda *_: ModelOutput.from_content("m", "1", stop_reason="max_tokens"))
    cut.model.config = GenerateConfig(max_tokens=20)
    (outcome,) = simulate(way, cut.model, [" b"] * 30)
    assert "(a reply may have 20 output tokens, and this excerpt may need " in outcome.reason


@WAY
@pytest.mark.parametrize("text", ["", "<think>\nOkay, so"])
def test_a_simulator_that_reasons_unasked_gets_room_for_it(way, text):
    good = fake_simulator(ones)

    def respond(messages, config):
        if config.max_tokens is not None:
            return ModelOutput.from_content("m", text, stop_reason="max_tokens")
        return good.model.api._respond(messages, config)

    model = fake(f"thinks-{next(FRESH)}", respond)
    assert all(isinstance(o, Simulated) for o in simulate(way, model.model, *FOUR))
    first, second = model.configs
    assert (first.stop_seqs is None, second.stop_seqs) == (False, None)
    assert len(model.requests[1]) == 2


def test_the_users_own_stop_sequences_stay():
    simulator = fake_simulator(ones)
    simulator.model.config = GenerateConfig(stop_seqs=["END"])
    simulate("sparse", simulator.model, *FOUR)
    assert [config.stop_seqs for config in simulator.configs] == [["END"]]


# Whole evals, over HTTP


def limited(most, wording="max_tokens is too large: {}. This model supports at most {} completion "
            "tokens, whereas you provided {}."):  # fmt: skip
    """A server that gives so many output tokens, and refuses whoever asks for more."""

    def respond(path, body):
        if path == "embeddings":
            return embedded(body)
        if body.get("max_tokens", 0) > most:
            message = wording.format(body["max_tokens"], most, body["max_tokens"])
            return Reply({"error": {"message": message, "param": "max_tokens"}}, 400)
        if "neuron" in body["messages"][0]["content"] and "predict" in str(body["messages"][0]):
            return said(simulated(body))
        return said("the word cat")

    return ScriptedServer(respond)


@pytest.fixture
def neurons(tmp_path):
    schema.write(tmp_path / "neurons.jsonl", [make_neuron(reference="the word cat")])
    return str(tmp_path / "neurons.jsonl")


def run(neurons, server, way, **settings):
    def at(name, provider="openai-api/test"):
        return get_model(f"{provider}/{name}", base_url=server.url, api_key="x", memoize=False)

    (log,) = eval(
        formats.summary(neurons=neurons, simulation=way, calibration="none"),
        model=at("both"),
        model_roles={"embedder": at("embedder", "embed-openai")},
        **settings,
    )
    return log


@WAY
def test_a_servers_limit_halves_the_packs_and_is_said_once(neurons, way):
    with limited(300) as server:
        log = run(neurons, server, way)
        asked = [body for body in server.to("chat/completions") if "stop" in body]
    assert log.status == "success", log.error
    score = log.samples[0].scores["simulation_correlation"]
    assert score.as_float() > 0.9
    assert score.metadata["excerpts_failed"] == 0
    allowed = [body["max_tokens"] for body in asked if body["max_tokens"] <= 300]
    assert len(asked) > len(allowed) > 2
    warned = [
        event.message.message
        for event in log.samples[0].events
        if isinstance(event, LoggerEvent) and "output tokens" in event.message.message
    ]
    assert len(warned) == 1
    assert "gives at most 300 output tokens a reply" in warned[0]


@WAY
def test_max_tokens_is_the_most_that_an_explainer_is_asked_for_when_it_simulates(neurons, way):
    with limited(CAP) as server:
        log = run(neurons, server, way, max_tokens=250)
        asked = [body["max_tokens"] for body in server.to("chat/completions")]
    assert log.status == "success", log.error
    assert log.samples[0].scores["simulation_correlation"].as_float() > 0.9
    assert asked[0] == 250, "the explainer"
    assert 0 < max(asked[1:]) <= 250


def over_http(server):
    model = get_model(
        f"openai-api/test/m{next(FRESH)}", base_url=server.url, api_key="x", memoize=False
    )
    return guarded(model)


@WAY
def test_one_excerpt_gets_what_the_server_gives_and_fails_in_a_sentence_if_that_is_nothing(way):
    with limited(90) as server:
        (outcome,) = simulate(way, over_http(server), [" cat"] * 8)
        assert isinstance(outcome, Simulated)
        assert server.to("chat/completions")[-1]["max_tokens"] == 90
    with limited(5) as server, pytest.raises(ModelError) as caught:
        simulate(way, over_http(server), *FOUR)
    assert "gave no usable reply: status 400: " in str(caught.value)
    assert "supports at most 5 completion tokens" in str(caught.value)


@WAY
def test_what_a_prompt_leaves_of_a_small_context_is_no_limit_for_other_prompts(way):
    wording = (
        "'max_tokens' or 'max_completion_tokens' is too large: {}. This model's maximum context "
        "length is {} tokens"
    )
    with limited(120, wording) as server:
        model = over_http(server)
        outcomes = simulate(way, model, *FOUR)
        assert all(isinstance(outcome, Simulated) for outcome in outcomes)
        assert Asker(model, named=True, reasoning=False).most is None


@pytest.mark.parametrize("size", [1, 4])
def test_more_output_tokens_than_the_server_gives_set_by_the_user_become_what_it_gives(size):
    with limited(CAP) as server:
        model = over_http(server)
        model.config = GenerateConfig(max_tokens=9000)
        outcomes = simulate("chat", model, *FOUR, size=size)
        asked = [body["max_tokens"] for body in server.to("chat/completions")]
        per_token = PerTokenSimulation(
            Asker(model, named=True, reasoning=False), default_pack().simulation["per_token"]
        )
        with pytest.raises(NoLogprobsError):
            anyio.run(per_token.check)
    assert all(isinstance(outcome, Simulated) for outcome in outcomes)
    assert [n for n in asked if n <= CAP] == [CAP] * (4 // size), "no pack is halved that fits"


CONTEXT = (
    "This model's maximum context length is 4096 tokens. However, you requested {} tokens (1000 in "
    "the messages, {} in the completion). Please reduce the length of the messages or completion.",
    "This model's maximum context length is 4096 tokens. However, you requested {} output tokens "
    "and your prompt contains at least 3900 input tokens, for a total of at least {} tokens. "
    "Please reduce the length of the input prompt or the number of requested output tokens.",
)


@pytest.mark.parametrize("wording", CONTEXT)
def test_a_context_too_small_for_the_reply_halves_the_packs_and_is_said_once(wording, caplog):
    with limited(200, wording) as server:
        outcomes = simulate("chat", over_http(server), *[[" cat"] * 12] * 4)
    assert all(isinstance(outcome, Simulated) for outcome in outcomes)
    assert caplog.text.count("where a server refuses so many, fewer excerpts share a request") == 1


@WAY
def test_a_complaint_that_no_longer_fits_costs_no_more_than_four_replies_a_pack(way):
    def respond(path, body):
        if len(body["messages"]) > 2:
            return Reply({"error": {"message": CONTEXT[0].format(4999, body["max_tokens"])}}, 400)
        return said("I would rather not.")

    with ScriptedServer(respond) as server:
        outcomes = simulate(way, over_http(server), *FOUR)
        asked = [body for body in server.to("chat/completions") if len(body["messages"]) == 2]
    assert all(isinstance(outcome, Failed) for outcome in outcomes)
    assert len(asked) <= 4


def test_a_server_that_refuses_every_limit_that_it_names_is_soon_given_up():
    def respond(path, body):
        message = f"max_tokens must be less than or equal to {body['max_tokens'] - 1}"
        return Reply({"error": {"message": message}}, 400)

    with ScriptedServer(respond) as server:
        with pytest.raises(ModelError, match="must be less than or equal to"):
            simulate("chat", over_http(server), [" cat"] * 64)
        assert len(server.to("chat/completions")) < 12
