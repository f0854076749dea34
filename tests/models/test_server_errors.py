"""What a server does wrong is one sentence: who was asked, where, about what, and what came."""

import json

import anyio
import pytest
import tenacity
from inspect_ai import eval
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelRefusalError,
    get_model,
)
from inspect_ai.model._model import ModelGenerateError
from inspect_ai.util import LimitExceededError
from scripted_server import Reply, ScriptedServer, embedded, said

from neuron_eval.models.server_errors import (
    SHOWN,
    ModelError,
    about_neuron,
    address_of,
    model_errors,
    one_line,
)
from neuron_eval.sources import schema
from neuron_eval.task import format_task
from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron
from neuron_eval.usage_error import UsageError

KEY = "sk-planted-in-the-test"

FAULTS = {
    "no choices": ({**said(""), "choices": []}, "holds no choices"),
    "an error with 200": ({"error": {"message": "overloaded"}}, "overloaded"),
    "HTML": (Reply(b"<html>\x1b[31mGateway", kind="text/html"), r"<html>\x1b[31mGateway"),
    "HTML as JSON": (Reply(b"<html>Gateway"), "its reply is no JSON: <html>Gateway"),
    "nothing": (Reply(b""), "its reply is empty"),
    "cut off": (Reply(b'{"choices": [{"ind'), 'its reply is no JSON: {"choices": [{"ind'),
    "another type": ({**said(""), "choices": "none"}, "none"),
    "no message": ({**said(""), "choices": [{"index": 0, "message": None}]}, '"index": 0'),
    "unknown model": (Reply({"error": {"message": "no model m"}}, 404), "status 404: "),
    "bad key": (Reply({"error": {"message": f"bad key {KEY}"}}, 401), "bad key [key]"),
    "server error": (Reply({"error": {"message": "boom"}}, 500), "status 500: "),
    "reset": (Reply(None), "APIConnectionError"),
}

VECTORS = {
    "too few": (lambda body: {**embedded(body), "data": embedded(body)["data"][1:]}, "vectors for"),
    "not a number": (lambda body: embedded(body, lambda _: [float("nan")]), "not finite"),
    "a null": (lambda body: embedded(body, lambda _: None), "shape [1] for 1 texts"),
    "a string": (lambda body: embedded(body, lambda _: "AAAA"), "returned vectors that are not"),
    "zeros": (lambda body: embedded(body, lambda _: [0.0, 0.0]), "zero vector"),
    "other dimensions": (
        lambda body: embedded(body, lambda text: [1.0] * len(text)),
        "returned vectors of 12 dimensions, but of 4 for other texts",
    ),
    "no data": (lambda body: {"object": "list", "note": "odd"}, '"note":"odd"'),
}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("role", ["explainer", "simulator", "rater"])
def test_a_servers_fault_is_a_sentence(neurons, role, fault):
    reply, expected = FAULTS[fault]
    message = sentence(neurons, role, lambda path, body: reply)
    assert expected in message
    assert len(message) < 800
    assert ("after 2 attempts" in message) == (fault in ("HTML", "server error", "reset"))


EMBEDDERS = [name for name in FAULTS if name not in ("no choices", "another type", "no message")]


@pytest.mark.parametrize("fault", EMBEDDERS)
def test_an_embedding_servers_fault_is_a_sentence(neurons, fault):
    reply, expected = FAULTS[fault]
    message = sentence(neurons, "embedder", lambda path, body: reply)
    assert expected in message


@pytest.mark.parametrize("fault", VECTORS)
def test_vectors_that_are_none_are_a_sentence(neurons, fault):
    make, expected = VECTORS[fault]
    assert expected in sentence(neurons, "embedder", lambda path, body: make(body))


def nobody(**attributes):
    api = ModelAPI.__new__(type("Api", (ModelAPI,), {"generate": None}))
    vars(api).update({"model_name": "m", "base_url": None, "api_key": None, **attributes})
    model = Model.__new__(Model)
    model.api = api
    return model


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, ""),
        ("http://user:pw@host:8000/v1?key=secret#x", "http://host:8000/v1"),
        ("https://[::1]:8/v1", "https://[::1]:8/v1"),
        ("http://[bad", ""),
    ],
)
def test_an_address_is_shown_without_what_is_secret(url, shown):
    assert address_of(nobody(base_url=url)) == shown


@pytest.mark.parametrize(
    "error",
    [
        PrerequisiteError("no key"),
        UsageError("bad"),
        LimitExceededError("token", value=2, limit=1, message="enough"),
        ModelRefusalError(ModelOutput(model="m"), "m"),
        ModelError("said already"),
    ],
)
def test_what_steers_inspect_stays_as_it_is(error):
    with pytest.raises(type(error)) as caught, model_errors("rater", fake_explainer("x").model):
        raise error
    assert caught.value is error


def test_cancelling_is_no_error():
    async def main():
        with anyio.move_on_after(0) as scope:
            with model_errors("rater", fake_explainer("x").model):
                await anyio.sleep_forever()
        return scope.cancelled_caught

    assert anyio.run(main)


def test_groups_and_what_inspect_wraps_are_taken_apart_and_kept_as_the_cause():
    wrapped = ModelGenerateError(
        "\nRequest:\n" + "x" * 9999, status_code=400, provider_message="no"
    )
    group = ExceptionGroup("several", [ExceptionGroup("inner", [wrapped]), ValueError("other")])
    with (
        pytest.raises(ModelError) as caught,
        about_neuron("a/b"),
        model_errors("rater", fake_explainer("x").model),
    ):
        raise group
    who = "The rater neuron-fake/explainer, asked about neuron a/b, gave no usable reply"
    assert str(caught.value) == f"{who}: status 400: no"
    assert caught.value.__cause__ is group


def test_what_came_is_short_and_visible():
    assert one_line("a\n\x1b[0m\u202e\ufffd日") == "a\\n\\x1b[0m\\u202e\ufffd日"
    assert len(one_line("\n" * 10**7)) == SHOWN


def test_a_parameter_that_no_log_can_hold_is_refused():
    for name in ("neurons", "pack", "layers"):
        with pytest.raises(UsageError, match=rf"{name}=.*udcff.*written as UTF-8"):
            format_task("summary", {name: ["x\udcff"] if name == "layers" else "x\udcff"})


@pytest.fixture
def neurons(tmp_path):
    made = [make_neuron(f"test/L{i}N{i}", layer=i, neuron=i, reference=f"cat{i}") for i in range(3)]
    schema.write(tmp_path / "neurons.jsonl", made)
    return str(tmp_path / "neurons.jsonl")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(
        "inspect_ai.model._model.ModelAPI.retry_wait", lambda _: tenacity.wait_none()
    )


def knows(explanation, tokens):
    return [9.0 if token == " cat" else 0.0 for token in tokens]


def sentence(neurons, role, answer):
    """The error of the first neuron's sample, where one role has a server."""
    with ScriptedServer(answer) as server:
        address = server.url.replace("//", "//user:password@")
        provider = "embed-openai" if role == "embedder" else "openai-api/test"
        config = GenerateConfig(max_retries=1)
        model = get_model(f"{provider}/m", base_url=address, api_key=KEY, config=config)
        roles = {
            "explainer": fake_explainer("the word cat").model,
            "simulator": fake_simulator(knows).model,
            "embedder": fake_embedder(lambda text: [len(text), 1.0]).model,
            role: model,
        }
        if role == "rater":
            task = rate(explanations=explained(neurons), neurons=neurons, limit=1)
            explainer = model
        else:
            task = formats.summary(neurons=neurons, simulation="chat", limit=1)
            explainer = roles["explainer"]
        roles = {name: roles[name] for name in ("simulator", "embedder")}
        (log,) = eval(task, model=explainer, model_roles=roles, fail_on_error=False, max_retries=1)
        assert log.status == "success", log.error
        (sample,) = log.samples
        assert not sample.scores or role not in ("explainer", "rater")
        message = sample.error.message
        wanted = f"The {role} {provider}/m at {server.url}, asked about neuron test/L0N0, gave no "
    for secret in (KEY, "password"):
        assert secret not in message
    assert "\x1b" not in message
    assert wanted in message
    return message


def explained(neurons):
    path = neurons.replace("neurons.jsonl", "said.jsonl")
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps({"id": "test/L0N0", "a": "the word cat"}))
    return path
