"""Half a character (a lone surrogate) in whatever comes in from outside ends no eval."""

import json

import pytest
from completions_server import TOKENIZERS, CompletionsServer, replaced
from inspect_ai import eval
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    Logprob,
    Logprobs,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    StopDetails,
    TopLogprob,
    get_model,
)
from inspect_ai.tool import ToolCall
from scripted_server import Reply, ScriptedServer, embedded, said

from neuron_eval.models.edge import NoReplyError, guarded
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron
from neuron_eval.testing.replies import PromptReader

HALF = "\ud83d"
WORDS = (" cat", " quokka", " tree")
WRITTEN = [True, False]
"""Whether events are also written to the database of those who look on."""


@pytest.fixture
def neurons(tmp_path):
    made = [
        make_neuron(f"test/L{i}N{i}", word, layer=i, neuron=i, reference=f"the word{word}")
        for i, word in enumerate(WORDS)
    ]
    schema.write(tmp_path / "neurons.jsonl", made)
    return str(tmp_path / "neurons.jsonl")


def knows(explanation, tokens):
    return [9.0 if t.strip() == explanation.split()[-1] else 0.0 for t in tokens]


def simulated(body):
    """What a good simulator without log-probabilities says."""
    question = PromptReader(()).read(*(message["content"] for message in body["messages"]))
    values = [knows(question.explanation, tokens) for tokens in question.excerpts]
    lines = question.way.reply(question.excerpts, values)
    return "".join(p if isinstance(p, str) else str(round(p)) for line in lines for p in line)


def run(task, explainer=None, simulator=None, embedder=None, **options):
    """The log as it was read back."""
    roles = {
        "simulator": simulator or fake_simulator(knows).model,
        "embedder": embedder or fake_embedder(lambda text: [len(text), 1.0]).model,
    }
    explainer = explainer or fake_explainer("the word cat").model
    (log,) = eval(task, model=explainer, model_roles=roles, display="none", **options)
    assert log.status in ("success", "error"), log.error
    return read_eval_log(log.location)


def for_one(reply, others):
    """What a server answers that is wrong for the neuron of quokkas alone."""

    def answer(path, body):
        return reply(path, body) if " quokka" in json.dumps(body) else others(path, body)

    return answer


def model_of(server, name="model", provider="openai-api/test"):
    return get_model(f"{provider}/{name}", base_url=server.url, api_key="test key")


def is_whole(log):
    assert log.status == "success", log.error
    assert [sample.error for sample in log.samples] == [None] * len(log.samples)
    text = log.model_dump_json()
    assert "\ufffd" in text
    return {sample.id: sample for sample in log.samples}


REPLIES = {
    "text": said(f"the word{HALF} quokka"),
    "reasoning": said("the word quokka", reasoning_content=f"hm{HALF}"),
    "refusal": said(None, refusal=f"no{HALF}"),
    "field": {**said("the word quokka"), "system_fingerprint": HALF, "odd": {"a": [HALF]}},
    "log-probabilities": said(
        f"the word{HALF} quokka",
        logprobs={
            "content": [
                {
                    "token": HALF,
                    "logprob": -1.0,
                    "bytes": [0xED, 0xA0, 0xBD],
                    "top_logprobs": [{"token": HALF, "logprob": -1.0, "bytes": None}],
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("realtime", WRITTEN)
@pytest.mark.parametrize("reply", REPLIES)
def test_an_explainers_reply_is_logged_whatever_part_of_it_is_broken(neurons, reply, realtime):
    answer = for_one(lambda path, body: REPLIES[reply], lambda path, body: said("the word cat"))
    with ScriptedServer(answer) as server:
        log = run(
            formats.summary(neurons=neurons, simulation="none"),
            explainer=model_of(server),
            log_realtime=realtime,
        )
    samples = is_whole(log)
    expected = {"text": "the word\ufffd quokka", "refusal": "no\ufffd"}.get(reply)
    if expected is not None:
        assert samples["test/L1N1"].output.completion == expected
    assert samples["test/L0N0"].scores["adacs"].value == pytest.approx(1)


def halved(piece):
    """Parts of characters become lone surrogates."""
    return piece.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("realtime", WRITTEN)
def test_tokens_of_a_prompt_that_are_parts_of_characters_are_read_as_if_replaced(
    tmp_path, realtime
):
    schema.write(tmp_path / "n.jsonl", [make_neuron(word=" 日本")])
    values = []
    for spelling in (replaced, halved):
        with CompletionsServer(tokenizer=TOKENIZERS["bytes"], spelling=spelling) as server:
            log = run(
                formats.summary(neurons=str(tmp_path / "n.jsonl"), simulation="all_at_once"),
                simulator=model_of(server, provider="openai-api-completions/test"),
                log_realtime=realtime,
            )
        assert log.status == "success", log.error
        values.append(log.samples[0].scores["simulation_correlation"].value)
    assert values[0] == values[1]


@pytest.mark.parametrize("realtime", WRITTEN)
@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("chat", f"1: {HALF}"),
        ("sparse", f'A: "{HALF}":x'),
        ("sparse", f'A: "cat":{HALF}'),
    ],
)
def test_a_simulators_reply_leaves_one_neuron_unscored_and_the_others_as_they_are(
    neurons, way, text, realtime
):
    def answer(path, body):
        return said(text if "the word quokka" in json.dumps(body) else simulated(body))

    explainer = fake_explainer(
        lambda text: "the word quokka" if " quokka" in text else "the word cat"
    )
    with ScriptedServer(answer) as server:
        log = run(
            formats.summary(neurons=neurons, simulation=way, calibration="none"),
            explainer=explainer.model,
            simulator=model_of(server),
            log_realtime=realtime,
        )
    scores = {id: s.scores["simulation_correlation"] for id, s in is_whole(log).items()}
    assert len(scores["test/L1N1"].metadata["failures"]) == 10
    assert scores["test/L0N0"].value > 0.9


@pytest.mark.parametrize("realtime", WRITTEN)
@pytest.mark.parametrize("role", ["explainer", "simulator", "embedder"])
def test_a_servers_error_is_logged(neurons, role, realtime):
    """Neither in the message, nor in what Inspect keeps of the call, nor in the traceback."""
    refused = Reply({"error": {"message": f"no{HALF}", "code": HALF}}, status=400)
    with ScriptedServer(for_one(lambda *_: refused, lambda *_: refused)) as server:
        embedder = get_model("embed-openai/m", base_url=server.url, api_key="test key")
        models = {"explainer": model_of(server), "simulator": model_of(server)}
        log = run(
            formats.summary(neurons=neurons, simulation="chat"),
            **{role: {**models, "embedder": embedder}[role]},
            log_realtime=realtime,
            fail_on_error=False,
        )
    assert log.status == "success", log.error
    for sample in log.samples:
        assert "no\ufffd" in sample.error.message


@pytest.mark.parametrize("realtime", WRITTEN)
def test_an_embedders_reply_is_logged(neurons, realtime):
    answer = lambda path, body: {**embedded(body), "model": HALF, "note": HALF}  # noqa: E731
    with ScriptedServer(answer) as server:
        embedder = get_model("embed-openai/m", base_url=server.url, api_key="test key")
        log = run(
            formats.summary(neurons=neurons, simulation="none"),
            embedder=embedder,
            log_realtime=realtime,
        )
    assert log.status == "success", log.error
    assert all(sample.scores["adacs"].value is not None for sample in log.samples)


@pytest.mark.parametrize("realtime", WRITTEN)
@pytest.mark.parametrize("comment", [HALF, r"\ud83d"])
def test_a_raters_comment_is_logged(neurons, tmp_path, comment, realtime):
    text = '{"ratings": {"A": 5}, "best": "A", "comment": "so' + comment + '"}'
    file = tmp_path / "said.jsonl"
    file.write_text(json.dumps({"id": "test/L0N0", "a": "the word cat"}) + "\n")
    with ScriptedServer(lambda *_: said(text)) as server:
        log = run(
            rate(explanations=str(file), neurons=neurons),
            explainer=model_of(server),
            log_realtime=realtime,
        )
    (sample,) = is_whole(log).values()
    assert sample.scores["rating"].value == 5
    assert sample.scores["rating"].metadata["comment"] == "so\ufffd"
    assert len(log.samples[0].store["rating"]["turns"]) == 1


class Spoilt(ModelAPI):
    """A provider whose reply, call and errors are broken in every text."""

    def __init__(self, result):
        super().__init__("spoilt")
        self.result = result

    async def generate(self, input, tools, tool_choice, config):
        if isinstance(self.result, Exception):
            raise RuntimeError(f"outer{HALF}") from self.result
        return self.result


def everywhere():
    output = ModelOutput.from_content("m", HALF, stop_details=StopDetails(explanation=HALF))
    (choice,) = output.choices
    call = ToolCall(id=HALF, function=HALF, arguments={HALF: [HALF, (HALF,)]})
    choice.message = ChatMessageAssistant(
        content=[ContentText(text=HALF), ContentReasoning(reasoning=HALF, signature=HALF)],
        tool_calls=[call],
        metadata={"a": HALF},
    )
    spelled = [0x41, 0xED, 0xA0, 0xBD]
    top = TopLogprob(token=f"A{HALF}", logprob=-1, bytes=list(spelled))
    token = Logprob(token=f"A{HALF}", logprob=-1, bytes=list(spelled), top_logprobs=[top])
    choice.logprobs, choice.prompt_logprobs = Logprobs(content=[token]), Logprobs(content=[token])
    output.metadata, output.error = {"a": {HALF: HALF}}, HALF
    return output, ModelCall.create({"a": HALF}, {"choices": [HALF, {"b": HALF}]})


async def call(result):
    model = guarded(Model(Spoilt(result), None))
    assert guarded(model) is model
    return await model.api.generate([], [], "none", None)


@pytest.mark.anyio
async def test_no_part_of_a_reply_is_left_out_and_tokens_keep_their_length():
    output, made = await call(everywhere())
    assert "\\ud83d" not in repr((output, made, vars(output.choices[0].message.tool_calls[0])))
    (token,) = output.choices[0].logprobs.content
    for one in (token, token.top_logprobs[0]):
        assert one.token == "A\ufffd"
        assert bytes(one.bytes).decode() == one.token
    output.model_dump_json()
    made.model_dump_json()


@pytest.mark.anyio
async def test_what_is_whole_is_handed_on_as_it_is():
    output = ModelOutput.from_content("m", "日本語 \U0001f600 \ufffd")
    assert await call((output, None)) == (output, None)
    assert (await call(output)) is output


@pytest.mark.anyio
async def test_errors_are_mended_with_those_that_they_come_from():
    inner = json.JSONDecodeError(f"bad{HALF}", HALF, 0)
    with pytest.raises(RuntimeError) as caught:
        await call(inner)
    assert str(caught.value) == "outer\ufffd"
    assert caught.value.__cause__ is inner
    f"{inner} {inner.doc} {inner.msg}".encode()
    returned, _made = await call((ValueError(HALF, {"a": [HALF]}), None))
    assert returned.args == ("\ufffd", {"a": ["\ufffd"]})


@pytest.mark.anyio
async def test_a_reply_without_choices_is_an_error():
    with pytest.raises(NoReplyError):
        await call(ModelOutput(model="m"))
