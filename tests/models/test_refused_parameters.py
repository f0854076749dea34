"""Parameters that a model's server refuses: left out, once a model, and said in the log."""

import anyio
import pytest
from inspect_ai import eval
from inspect_ai.event import LoggerEvent
from inspect_ai.model import GenerateConfig, get_model
from scripted_server import Reply, ScriptedServer, embedded, said, simulated

from neuron_eval.models.edge import guarded
from neuron_eval.models.refused_parameters import limits_model, refused_parameter, room_given
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake_simulator, make_neuron


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
        ),
        (
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default "
            "(1) value is supported.",
            "temperature",
        ),
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("Unsupported parameter: 'stop' is not supported with this model.", "stop_seqs"),
        (
            "`temperature` and `top_p` cannot both be specified for this model. Please use only "
            "one.",
            "top_p",
        ),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("invalid temperature: only 1 is allowed for this model", "temperature"),
        ("Input validation error: `temperature` must be strictly positive", "temperature"),
        ("Unrecognized request argument supplied: top_p", "top_p"),
        ("temperature and max_tokens are not supported", "temperature"),
        ("Unrecognized request argument supplied: stop", "stop_seqs"),
        ("Unsupported parameters: foo, stop, bar", "stop_seqs"),
        ("Model grok-4 does not support parameter stop.", "stop_seqs"),
        ("Unsupported: please stop", None),
        (
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            "temperature",
        ),
        (
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
            "top_p",
        ),
        ("logprobs are not supported", None),
        ("Invalid 'temperature': expected a value <= 2, but got 3 instead.", None),
        ("max_tokens is too large: 60. This model supports at most 40 completion tokens.", None),
        ("The model stopped: unsupported stop reason", None),
        ("oh no", None),
    ],
)
def test_a_refusal_is_known_by_the_parameter_that_it_names(message, parameter):
    assert refused_parameter(Refused(message), EVERYTHING) == parameter


def test_only_what_was_sent_can_be_refused_and_the_servers_own_field_counts_first():
    both = "Unsupported parameter: top_p, temperature are not supported"
    assert refused_parameter(Refused(both, param="temperature"), EVERYTHING) == "temperature"
    assert refused_parameter(Refused(both), GenerateConfig(temperature=1.0)) == "temperature"
    assert refused_parameter(Refused(both), GenerateConfig()) is None
    assert refused_parameter(Refused(both, status_code=500), EVERYTHING) is None
    one = "Unsupported parameter: 'max_tokens'"
    assert refused_parameter(Refused(one), GenerateConfig(max_tokens=1)) is None


@pytest.mark.parametrize(
    ("message", "asked", "given"),
    [
        (
            "max_tokens is too large: 5184. This model supports at most 4096 completion tokens, "
            "whereas you provided 5184.",
            5184,
            4096,
        ),
        ("Error code: 400 - max_tokens is too large: 5184. At most 256 are given.", 5184, 256),
        ("`max_tokens` must be less than or equal to `4,096`", 5184, 4096),
        ("max_tokens for `llama-3.1-8b-instant` must be less than or equal to 2", 5184, 2),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 4096]", 5184, 4096),
        (
            "max_tokens: 5184 > 4096, which is the maximum allowed number of output tokens for "
            "claude-3-haiku-20240307",
            5184,
            4096,
        ),
        (
            "The parameter `max_completion_tokens` specified in the request are not valid: integer "
            "above maximum value, expected a value <= 4096, but got 5184 instead.",
            5184,
            4096,
        ),
        ("max_tokens (5184) exceeds model's maximum output tokens (4096) for m:0731", 5184, 4096),
        ("The maximum tokens you requested exceeds the model limit of 4096", 5184, 4096),
        ("Requests with max_tokens > 4096 must have stream=true", 5184, 4096),
        ("max_tokens is too large", 5184, 2592),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 6184 "
            "tokens (1000 in the messages, 5184 in the completion).",
            5184,
            2592,
        ),
        (
            "This model's maximum context length is 4096 tokens. However, your messages resulted "
            "in 5000 tokens.",
            5184,
            None,
        ),
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", 5184, None),
        ("the prompt is too large", 5184, None),
    ],
)
def test_a_refusal_of_too_many_output_tokens_says_how_many_there_are(message, asked, given):
    assert room_given(Refused(message), asked) == given
    assert room_given(Refused(message, status_code=429), asked) is None


def test_what_one_prompt_leaves_is_no_limit_of_the_model():
    left = Refused(
        "'max_tokens' or 'max_completion_tokens' is too large: 5184. This model's maximum context "
        "length is 8192 tokens and your request has 3500 input tokens (5184 > 8192 - 3500). None"
    )
    assert room_given(left, 5184) == 3500
    assert not limits_model(left, 5184)
    assert not limits_model(Refused("max_tokens is too large"), 5184)
    assert limits_model(Refused("max_tokens must be less than or equal to 4096"), 5184)
    groq = "`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` "
    assert limits_model(Refused(groq + "is less than the `context_window` for this model"), 5184)


# Over HTTP


REFUSED = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support {} with this model. Only the "
    "default (1) value is supported.",
    "top_p": "Unsupported parameter: 'top_p' is not supported with this model.",
    "stop": "Unsupported parameter: 'stop' is not supported with this model.",
}


def picky(answer, refused=tuple(REFUSED)):
    """A server like OpenAI's for a model that takes none of some parameters."""

    def respond(path, body):
        if path == "embeddings":
            return embedded(body)
        for name in refused:
            if name in body and not (name == "temperature" and body[name] == 1):
                message = REFUSED[name].format(body[name])
                return Reply({"error": {"message": message, "param": name}}, 400)
        return said(answer(body))

    return ScriptedServer(respond)


def at(server, name, provider="openai-api/test", **config):
    return get_model(
        f"{provider}/{name}",
        base_url=server.url,
        api_key="x",
        memoize=False,
        config=GenerateConfig(**config),
    )


def warned(log):
    return [
        event.message.message
        for sample in log.samples
        for event in sample.events
        if isinstance(event, LoggerEvent) and "refuses" in event.message.message
    ]


@pytest.fixture
def neurons(tmp_path):
    made = [make_neuron(f"test/L0N{i}", neuron=i, reference="the word cat") for i in range(2)]
    schema.write(tmp_path / "neurons.jsonl", made)
    return str(tmp_path / "neurons.jsonl")


def test_explainer_probe_and_simulator_go_on_without_what_their_server_refuses(neurons):
    def answer(body):
        return "the word cat" if body["model"] == "explainer" else simulated(body)

    with picky(answer) as server:
        (log,) = eval(
            formats.summary(neurons=neurons),
            model=at(server, "explainer"),
            model_roles={
                "simulator": at(server, "simulator"),
                "embedder": at(server, "embedder", "embed-openai"),
            },
            max_samples=1,
        )
        asked = server.to("chat/completions")
    assert log.status == "success", log.error
    for sample in log.samples:
        assert sample.scores["simulation_correlation"].as_float() > 0.9
    explained = [set(body) & set(REFUSED) for body in asked if body["model"] == "explainer"]
    assert len(explained) == 3 + 1, "refused twice, then two neurons"
    assert explained[2:] == [{"temperature"}] * 2
    for role, setting in (
        ("explainer", "max_tokens=60"),
        ("explainer", "top_p=1.0"),
        ("simulator", "temperature=0.0"),
        ("simulator", "stop_seqs="),
    ):
        start = f"openai-api/test/{role} at {server.url} refuses {setting}"
        assert sum(start in text for text in warned(log)) == 1, start
    last = [body for body in asked if body["model"] == "simulator"][-1]
    assert not set(last) & set(REFUSED)


def test_a_rater_goes_on_without_what_its_server_refuses(neurons, tmp_path):
    file = tmp_path / "said.jsonl"
    file.write_text('{"id": "test/L0N0", "a": "the word cat", "b": "dogs"}\n')
    rated = '{"ratings": {"A": 4, "B": 2}, "best": "A"}'
    with picky(lambda body: rated) as server:
        task = rate(explanations=str(file), neurons=neurons, orders=1)
        (log,) = eval(task, model=at(server, "rater"))
    assert log.status == "success", log.error
    assert log.samples[0].scores["rating"].as_float() > 0
    assert len(warned(log)) == 2


@pytest.mark.parametrize("way", ["auto", "per_token", "sparse"])
def test_the_roles_own_settings_win_in_the_probe_too(neurons, way):
    simulator = fake_simulator(lambda _, tokens: [9.0 * (t == " cat") for t in tokens])
    simulator.model.config = GenerateConfig(temperature=0.7, max_tokens=500)
    with picky(lambda body: "the word cat", refused=()) as server:
        (log,) = eval(
            formats.summary(neurons=neurons, simulation=way, calibration="none", limit=1),
            model=at(server, "explainer"),
            model_roles={
                "simulator": simulator.model,
                "embedder": at(server, "embedder", "embed-openai"),
            },
        )
    assert log.status == "success", log.error
    assert {config.temperature for config in simulator.configs} == {0.7}
    assert {config.max_tokens for config in simulator.configs} <= {500, 1, 0}


def ask(model, **config):
    async def generate():
        return await model.generate("hello", config=GenerateConfig(**config))

    return anyio.run(generate)


def test_what_is_refused_all_the_same_is_an_error_and_changes_no_later_request(caplog):
    answers = [Reply({"error": {"message": "temperature is not supported"}}, 400)] * 2
    with ScriptedServer(lambda path, body: answers.pop() if answers else said("hi")) as server:
        model = guarded(at(server, "moody"))
        with pytest.raises(RuntimeError, match="temperature is not supported"):
            ask(model, temperature=0.5)
        assert ask(model, temperature=0.5).completion == "hi"
        asked = [body.get("temperature") for body in server.to("chat/completions")]
    assert asked == [0.5, None, 0.5]
    assert "refuses" not in caplog.text


def test_what_a_server_refused_is_known_to_another_client_of_it_but_not_elsewhere():
    with picky(lambda body: "hi") as server, picky(lambda body: "hi") as other:
        for model in (at(server, "one"), at(server, "one"), at(other, "one"), at(server, "two")):
            ask(guarded(model), top_p=0.5)
        assert [("top_p" in body) for body in server.to("chat/completions")] == [
            True, False, False, True, False,
        ]  # fmt: skip
        assert ["top_p" in body for body in other.to("chat/completions")] == [True, False]


def test_only_one_of_two_that_exclude_each_other_is_left_out():
    refusal = "temperature and top_p cannot both be specified for this model. Please use only one."

    def respond(path, body):
        if {"temperature", "top_p"} <= set(body):
            return Reply({"error": {"message": refusal, "param": ""}}, 400)
        return said("hi")

    with ScriptedServer(respond) as server:
        ask(guarded(at(server, "either")), temperature=0.2, top_p=1.0)
        last = server.to("chat/completions")[-1]
    assert last["temperature"] == 0.2
    assert "top_p" not in last


EVERYTHING = GenerateConfig(temperature=0.0, top_p=1.0, max_tokens=60, stop_seqs=["\nB:"])


class Refused(Exception):
    """What a provider raises."""

    def __init__(self, message, param=None, status_code=400):
        super().__init__(message)
        self.body, self.status_code = {"message": message, "param": param}, status_code
