"""A refusal is told by what the provider says of it; no explanation, simulation or rating."""

import json
import math

import pytest
from inspect_ai import eval
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    StopDetails,
    get_model,
)
from scripted_server import ScriptedServer, embedded, said

from neuron_eval.embedding.embedder import EmbeddingError, take_vectors
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.models.replies import SHOWN, refusal
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.per_token import read_reply
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake, fake_embedder, fake_explainer, make_neuron

WORDS = "I'm sorry, but I can't help with that."


def output(content, stop_reason="stop", **details):
    message = ChatMessageAssistant(content=content, source="generate")
    stop_details = StopDetails(**details) if details else None
    choice = ChatCompletionChoice(
        message=message, stop_reason=stop_reason, stop_details=stop_details
    )
    return ModelOutput(model="test/model", choices=[choice])


def marked(text):
    return [ContentText(text=text, refusal=True)]


SHAPES = {
    "OpenAI's chat": output(marked(WORDS), type="refusal", explanation=WORDS),
    "OpenAI's chat, streamed": output(WORDS, type="refusal", explanation=WORDS),
    "OpenAI's chat, with reasoning": output(
        [ContentReasoning(reasoning="hm"), *marked(WORDS)], type="refusal", explanation=WORDS
    ),
    "OpenAI's Responses": output([ContentText(text="Well. "), *marked(WORDS)], type="refusal"),
    "a filter before OpenAI": output(WORDS, "content_filter", type="refusal", explanation=WORDS),
    "Anthropic": output(WORDS, "content_filter"),
    "Anthropic, with a category": output("", "content_filter", type="refusal", explanation=WORDS),
    "Google": output("", "content_filter", type="SAFETY", explanation=WORDS),
    "Bedrock": output(WORDS, "content_filter", type="guardrail_intervened"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_providers_shape_of_a_refusal_is_known(shape):
    assert WORDS in refusal(SHAPES[shape])
    score = bad_explanation(SHAPES[shape])
    assert (score.value, score.reason) == (0, "refusal")


@pytest.mark.parametrize(
    "reply",
    [
        output(WORDS),
        output([ContentText(text=WORDS)]),
        output("the word cat", type="STOP", explanation="rated harmless"),
        output("", "max_tokens"),
        ModelOutput(model="test/model"),
    ],
)
def test_a_refusal_in_plain_words_and_other_ends_are_none(reply):
    assert refusal(reply) is None


def test_what_was_said_is_one_short_line_and_never_empty():
    assert refusal(output(marked("No.\n \nNever. " + "x" * 1000))).startswith("No. Never. xxx")
    assert len(refusal(output(marked("x" * 1000)))) == SHOWN
    assert refusal(output("", "content_filter")) == "stop reason content_filter"


def test_a_reply_without_choices_is_unscored_and_not_0():
    score = bad_explanation(ModelOutput(model="test/model"))
    assert score.reason == "no reply"
    assert math.isnan(score.value)


def test_an_embedder_that_refuses_raises():
    with pytest.raises(EmbeddingError, match="refused to embed: I'm sorry"):
        take_vectors(SHAPES["OpenAI's chat"], 1)


def test_a_refused_explanation_scores_0_and_nothing_is_simulated_or_embedded(neurons):
    def answer(path, body):
        return embedded(body) if path == "embeddings" else said(None, refusal=WORDS)

    with ScriptedServer(answer) as server:
        address = {"base_url": server.url, "api_key": "test key"}
        (log,) = eval(
            formats.summary(neurons=neurons, simulation="sparse"),
            model=get_model("openai-api/test/explainer", **address),
            model_roles={
                "simulator": get_model("openai-api/test/simulator", **address),
                "embedder": get_model("embed-openai/embedder", **address),
            },
        )
    assert log.status == "success", log.error
    for name in ("simulation_correlation", "adacs"):
        score = log.samples[0].scores[name]
        assert (score.value, score.reason, score.answer) == (0, "refusal", WORDS)
    assert [body["model"] for _, body in server.requests] == ["explainer"]


def test_a_refused_simulation_is_unscored_with_the_reason(neurons):
    embedder = fake_embedder(lambda _: [1]).model
    with ScriptedServer(lambda path, body: said(None, refusal="3: 4 is all I say")) as server:
        simulator = get_model("openai-api/test/simulator", base_url=server.url, api_key="test key")
        for way in ("chat", "sparse"):
            (log,) = eval(
                formats.summary(neurons=neurons, simulation=way, calibration="none"),
                model=fake_explainer("the word cat").model,
                model_roles={"simulator": simulator, "embedder": embedder},
            )
            assert log.status == "success", log.error
            score = log.samples[0].scores["simulation_correlation"]
            assert math.isnan(score.value)
            assert "the simulator refused: 3: 4 is all I say" in score.metadata["failures"][0]
    assert server.requests


def test_a_refusal_is_no_value_of_a_token():
    with pytest.raises(UnreadableReplyError, match="the simulator refused: I'm sorry"):
        read_reply(SHAPES["OpenAI's chat"], "test/model")


def test_a_refused_rating_is_unscored_even_if_it_holds_an_answer(neurons, tmp_path):
    rating = json.dumps({"ratings": {"A": 5}, "best": "A", "comment": ""})
    asked = []

    def respond(messages, config):
        asked.append(messages)
        return output(marked(rating), type="refusal", explanation=rating)

    file = tmp_path / "said.jsonl"
    file.write_text(json.dumps({"id": "test/L0N0", "a": "the word cat"}) + "\n")
    (log,) = eval(
        rate(explanations=str(file), neurons=neurons), model=fake("refusing", respond).model
    )
    assert log.status == "success", log.error
    score = log.samples[0].scores["rating"]
    assert math.isnan(score.value)
    assert "the rater refused" in score.explanation
    assert len(asked) == 3


@pytest.fixture
def neurons(tmp_path):
    schema.write(tmp_path / "neurons.jsonl", [make_neuron(reference="the word cat")])
    return str(tmp_path / "neurons.jsonl")
