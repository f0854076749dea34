"""``all_at_once`` against a completions server with a tokenizer of its own."""

import math
import unicodedata
from dataclasses import fields
from itertools import takewhile
from types import SimpleNamespace

import anyio
import pytest
import yaml
from completions_server import (
    APART,
    JOINED,
    SPELLINGS,
    SPLIT,
    TOKENIZERS,
    CompletionsServer,
    hashed,
    predicting,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.event import ModelEvent
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.model._openai import parse_completion_logprobs, parse_vllm_prompt_logprobs_raw
from inspect_ai.scorer import Score, mean, scorer
from test_alignment import odd_text

from neuron_eval.models.server_errors import ModelError
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import FewShotNeuron, PackError, Wording
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Failed, Simulated
from neuron_eval.simulation.all_at_once import (
    AllAtOnceSimulation,
    AllAtOnceWording,
    all_at_once_prompt,
)
from neuron_eval.simulation.prompt_logprobs import PromptLogprobsUnsupportedError
from neuron_eval.stats import pearson
from neuron_eval.testing import fake

# The prompt


def test_the_prompt_is_the_published_layout_with_every_string_from_the_pack():
    wording = AllAtOnceWording(
        system="SYS", neuron="\nN{number} is {explanation}\n", start="<\n", separator="\t",
        unknown="??", line_end="\n", end=">\n",
    )  # fmt: skip
    shown = ActivationRecord(("a", " b", "\n", "d"), (0.0, 2.0, 1.0, 4.0))
    left_out = ActivationRecord(("z",), (8.0,))
    few_shot = (
        FewShotNeuron("X", (shown, left_out), (2, None)),
        FewShotNeuron("Y", (shown,), (0,)),
    )
    parts = all_at_once_prompt("{number} E", ("p", "\tq"), wording, few_shot)
    assert parts == [
        "SYS"
        "\nN1 is X\n<\na\t??\n b\t??\n\n\t1\nd\t5\n>\n"
        "\nN2 is Y\n<\na\t0\n b\t5\n\n\t2\nd\t10\n>\n"
        "\nN3 is {number} E\n<\np\t",
        "??\n\tq\t",
        "??\n>\n",
    ]


def test_what_is_the_same_for_all_neurons_stands_first_then_what_is_the_same_for_all_excerpts():
    def common(*pairs):
        prompts = [
            "".join(all_at_once_prompt(e, tokens, PACK.simulation["all_at_once"], PACK.few_shot))
            for e, tokens in pairs
        ]
        same = takewhile(lambda chars: len(set(chars)) == 1, zip(*prompts, strict=False))
        return "".join(chars[0] for chars in same)

    between_neurons = common(("x", ("a",)), ("y", ("a",)))
    assert all(neuron.explanation in between_neurons for neuron in PACK.few_shot)
    assert common(("x", ("a",)), ("x", ("b",))).endswith("responds to x\nActivations:\n<start>\n")


def test_the_bundled_pack_costs_less_than_the_published_way():
    from neuron_eval.models.tokencount import counter

    count = counter("cl100k_base")
    prompt = "".join(
        all_at_once_prompt("x", (" the",) * 64, PACK.simulation["all_at_once"], PACK.few_shot)
    )
    assert count.count_text(prompt) < (1087 if count.exact else 1400)


def test_the_bundled_pack_hides_some_activations_and_shows_others_of_every_few_shot_neuron():
    parts = all_at_once_prompt("x", ("a",), PACK.simulation["all_at_once"], PACK.few_shot)
    neurons = parts[0].split("\nNeuron ")[1:-1]
    assert len(neurons) == len(PACK.few_shot) == 6
    for text in neurons:
        shown = [line.rpartition("\t")[2] for line in text.split("\n") if "\t" in line]
        hidden = shown.count("unknown")
        assert 5 <= hidden < len(shown) - 5
        assert shown[:hidden] == ["unknown"] * hidden
        assert any(int(value) > 6 for value in shown[hidden:])


def pack_file(tmp_path, wording=None, **neuron):
    rows = ["a", ["b", 4], "c", ["d", 8], "e"]
    neuron = {"explanation": "x", "excerpts": [rows, rows[:3]], **neuron}
    names = ("system", "neuron", "start", "separator", "unknown", "line_end", "end")
    strings = {name: name for name in names} | {"neuron": "{explanation}"} | (wording or {})
    data = {
        "name": "p",
        "formats": {"original": {f.name: "" for f in fields(Wording)}},
        "few_shot": [neuron],
        "simulation": {"all_at_once": strings},
    }
    path = tmp_path / "pack.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


def test_a_pack_says_from_where_on_activations_are_shown_or_half_of_them_are_hidden(tmp_path):
    (neuron,) = load_pack(pack_file(tmp_path, revealed_from=[0, None])).few_shot
    assert neuron.revealed_from == (0, None)
    (neuron,) = load_pack(pack_file(tmp_path)).few_shot
    assert neuron.revealed_from == (2, 1)


@pytest.mark.parametrize(
    ("neuron", "wording", "message"),
    [
        ({"revealed_from": 2}, {}, r"few_shot\[0\].revealed_from: expected a list of 2, .* got 2"),
        ({"revealed_from": [1]}, {}, r"expected a list of 2, one per excerpt, got \[1\]"),
        ({"revealed_from": [1, 3]}, {}, r"revealed_from\[1\]: .* index from 0 to 2, .* got 3"),
        ({"revealed_from": [True, 0]}, {}, r"revealed_from\[0\]: .* from 0 to 4, .* got True"),
        ({}, {"unknown": ""}, r"simulation.all_at_once.unknown: .* visible ASCII .* got ''"),
        ({}, {"unknown": "0"}, r"all_at_once.unknown: .* other than a digit, got '0'"),
        ({}, {"unknown": " ?"}, r"all_at_once.unknown: .* got ' \?'"),
        ({}, {"unknown": 1}, r"simulation.all_at_once.unknown: expected a string, got 1"),
        ({}, {"tab": "x"}, r"simulation.all_at_once: unknown key\(s\) tab"),
    ],
)
def test_a_pack_that_cannot_be_simulated_with_is_refused(tmp_path, neuron, wording, message):
    with pytest.raises(PackError, match=message):
        load_pack(pack_file(tmp_path, wording, **neuron))


# The whole path


@pytest.mark.parametrize("dialect", ["prompt_logprobs", "echo"])
@pytest.mark.parametrize(
    ("tokenizer", "spelling"),
    [(name, "replaced") for name in TOKENIZERS] + [("greedy", name) for name in SPELLINGS],
)
def test_values_are_exact_whatever_the_tokenizer_and_however_tokens_are_written(
    tokenizer, spelling, dialect
):
    server = CompletionsServer(tokenizer=TOKENIZERS[tokenizer], spelling=SPELLINGS[spelling])
    server.prompt_logprobs = "given" if dialect == "prompt_logprobs" else "ignored"
    model = without_http(server, f"{dialect}-{tokenizer}-{spelling}")
    (found,) = simulate(model, few_shot=PACK.few_shot[:1])
    true = truths("cats", ODD, few_shot=PACK.few_shot[:1])
    assert found == Simulated(near(true), "log-probabilities")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(odd_text.filter(bool), min_size=1, max_size=12),
    odd_text,
    st.sampled_from(sorted(TOKENIZERS)),
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(["given", "ignored"]),
    st.booleans(),
)
def test_a_simulator_that_knows_the_truth_is_read_exactly_for_any_tokens(
    tokens, explanation, known, spelling, prompt_logprobs, composes
):
    server = CompletionsServer(tokenizer=TOKENIZERS[known], spelling=SPELLINGS[spelling])
    server.prompt_logprobs, server.composes = prompt_logprobs, composes
    name = f"any-{known}-{spelling}-{prompt_logprobs}-{composes}"
    model = without_http(server, name)
    (found,) = simulate(model, explanation, excerpt(tokens), few_shot=())
    true = truths(explanation, tokens, composes=composes, few_shot=())
    assert found == Simulated(near(true), "log-probabilities")
    correlation = pearson(true, found.values)
    assert correlation is None or correlation == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("provider", ["openai-api-completions/test", "vllm-completions"])
@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({}, {"prompt_logprobs": 15, "max_tokens": 1}),
        ({"prompt_logprobs": "ignored"}, {"logprobs": 15, "echo": True, "max_tokens": 0}),
    ],
    ids=["vLLM's shape", "OpenAI's shape"],
)
def test_all_tokens_of_several_excerpts_are_simulated_over_http(provider, options, request_):
    fires = predicting(lambda explanation, tokens: [7.25 * (explanation == t[1:]) for t in tokens])
    excerpts = [excerpt((" a", " cat", "\n"), 0), excerpt((" cat", "s"), 1), excerpt((" dog",), 2)]
    with CompletionsServer(fires, **options) as server:
        model = over_http(server, f"whole-{len(options)}", provider)
        found = simulate(model, "cat", *excerpts)
    assert found == [
        Simulated(near((0, 7.25, 0)), "log-probabilities"),
        Simulated(near((7.25, 0)), "log-probabilities"),
        Simulated(near((0,)), "log-probabilities"),
    ]
    *_, one, two, three = server.requests
    assert len({body["prompt"] for body in (one, two, three)}) == 3
    for body in (one, two, three):
        assert {key: body.get(key) for key in request_} == request_
        assert body["temperature"] == 0


def test_service_and_key_may_come_from_the_environment(monkeypatch):
    with CompletionsServer(tokenizer=APART) as server:
        monkeypatch.setenv("TEST_BASE_URL", server.url)
        monkeypatch.setenv("TEST_API_KEY", "x")
        model = get_model("openai-api-completions/test/by-environment", memoize=False)
        (found,) = simulate(model)
    assert found.values == near(truths("cats", ODD))


# Which servers can do it


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ({}, "prompt_logprobs with 15 alternatives, max_tokens=1"),
        ({"most": 10}, "prompt_logprobs with 5 alternatives, max_tokens=1"),
        ({"prompt_logprobs": "refused"}, "echo with 15 alternatives, max_tokens=0"),
        ({"prompt_logprobs": "ignored"}, "echo with 15 alternatives, max_tokens=0"),
        ({"prompt_logprobs": "ignored", "most": 5}, "echo with 5 alternatives, max_tokens=0"),
        ({"prompt_logprobs": "ignored", "eager": True}, "echo with 15 alternatives, max_tokens=0"),
        ({"echo": "ignored", "eager": True}, "prompt_logprobs with 15 alternatives, max_tokens=1"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_the_first_way_to_ask_that_works_is_kept(options, printed):
    options = {"truth": lambda before: len(before) % 11, **options}
    with CompletionsServer(**options) as server:
        model = over_http(server, f"way-{printed}")
        assert str(anyio.run(bound(model).check)) == printed
        tried = len(server.requests)
        (found,) = simulate(model)
        assert len(server.requests) == tried + 1
    assert found.values == near(truths("cats", ODD, lambda before: len(before) % 11))


def test_several_samples_at_once_find_out_once():
    with CompletionsServer(prompt_logprobs="refused") as server:
        model = over_http(server, "at-once")
        found = []

        async def sample(i):
            found.extend(await bound(model)(f"cats {i}", [excerpt()]))

        async def samples():
            async with anyio.create_task_group() as tasks:
                for i in range(5):
                    tasks.start_soon(sample, i)

        anyio.run(samples)
        asked = [("echo" in body, len(body["prompt"])) for body in server.requests]
    assert len(found) == 5
    assert all(isinstance(outcome, Simulated) for outcome in found)
    short = min(length for _, length in asked)
    assert asked[:3] == [(False, short), (False, short), (True, short)]
    assert len(asked) == 3 + 5


def test_a_model_that_cannot_do_it_is_refused_with_all_that_was_tried():
    with CompletionsServer(prompt_logprobs="ignored", echo="refused") as server:
        with pytest.raises(PromptLogprobsUnsupportedError) as error:
            simulate(over_http(server, "cannot"))
        (short,) = {body["prompt"] for body in server.requests}
    assert len(short) < 700
    message = str(error.value)
    assert message.startswith("openai-api-completions/test/cannot gives no log-probabilities")
    assert "vllm-completions/MODEL" in message
    assert message.count("the reply holds no log-probabilities of the prompt") == 1
    assert message.count("unrecognized request argument: echo") == 4


def test_a_chat_model_is_refused():
    chatty = fake("chatty", lambda messages, config: ModelOutput.from_content("chatty", "Hello!"))
    with pytest.raises(PromptLogprobsUnsupportedError, match=r"neuron-fake/chatty gives no log-p"):
        simulate(chatty.model)


def test_a_chat_model_that_stumbles_over_the_second_question_is_refused_and_not_broken():
    def respond(messages, config):
        if config.max_tokens == 0:
            raise ValueError("a reply needs room")
        return ModelOutput.from_content("stumbling", "Hello!")

    with pytest.raises(PromptLogprobsUnsupportedError, match="a reply needs room"):
        simulate(fake("stumbling", respond).model)


def test_a_server_that_nothing_reaches_is_no_server_that_cannot_do_it():
    def respond(messages, config):
        raise PermissionError("401: wrong key")

    with pytest.raises(ModelError, match=r"neuron-fake/locked gave no usable reply: .*wrong key"):
        simulate(fake("locked", respond).model)


# What goes wrong with single excerpts


def test_a_busy_server_is_asked_again():
    with CompletionsServer(busy=2) as server:
        (found,) = simulate(over_http(server, "busy"))
    assert found.values == near(truths("cats", ODD))
    assert len(server.requests) == 4


def test_a_token_for_which_no_number_is_likely_has_no_value_and_the_others_keep_theirs():
    mute = CompletionsServer(mute=lambda b: b.endswith((" dog\t", " cow\t")), tokenizer=JOINED)
    words = [(" a", " cat"), (" a", " dog"), (" a", " dog", " cow", " cat"), (" dog", " cow")]
    with mute as server:
        model = over_http(server, "mute")
        excerpts = [excerpt(tokens, i) for i, tokens in enumerate(words)]
        cats, dogs, both, nothing = simulate(model, "x", *excerpts)
        again = simulate(model, "x", excerpts[2])
    assert cats.unread == 0
    assert (dogs.unread, both.unread) == (1, 2)
    assert [math.isnan(value) for value in both.values] == [False, True, True, False]
    assert both.values[::3] == near(truths("x", words[2])[::3])
    assert both.problem == (
        "no value for 2 of 4 tokens: none of the simulator's up to 15 alternatives for the "
        "activation of token 2 (' dog') is a number from 0 to 10"
    )
    assert str(again) == str([both])
    assert len(server.requests) == 5  # a request to find the dialect; the last is from the cache
    assert nothing == Failed(
        "excerpt top 3: no value for 2 of 2 tokens: none of the simulator's 6 alternatives for "
        "the activation of token 1 (' dog'), which its tokenizer joins to '\\t', is a number from "
        "0 to 10"
    )


def test_an_excerpt_that_the_server_refuses_or_answers_without_logprobs_fails_alone():
    with CompletionsServer() as server:
        proper = server.handle

        def handle(body):
            status, reply = proper(body)
            if " dog\t" in body["prompt"]:
                return 400, {"error": {"message": "longer than the maximum context length"}}
            if " cow\t" in body["prompt"]:
                reply["choices"][0]["prompt_logprobs"] = None
            if " pig\t" in body["prompt"]:
                del reply["choices"][0]["prompt_logprobs"][-6]
            return status, reply

        server.handle = handle
        words = (" hen", " dog", " cow", " pig")
        found = simulate(
            over_http(server, "refusing"), "x", *(excerpt((w,), i) for i, w in enumerate(words))
        )
    assert isinstance(found[0], Simulated)
    reasons = [outcome.reason for outcome in found[1:]]
    assert reasons[0].startswith("excerpt top 1: the server refuses: ")
    assert "maximum context length" in reasons[0]
    assert reasons[1] == "excerpt top 2: the reply holds no log-probabilities of the prompt"
    assert reasons[2].startswith("excerpt top 3: the tokens that the server gives for the prompt (")


def test_nothing_is_asked_for_no_excerpts():
    server = CompletionsServer()
    assert anyio.run(bound(without_http(server, "nothing")), "cats", []) == []
    assert server.requests == []


# Inspect


def test_the_same_question_is_never_asked_twice():
    with CompletionsServer() as server:
        first = simulate(over_http(server, "cached"))
        asked = len(server.requests)
        again = simulate(over_http(server, "cached"))
        assert simulate(over_http(server, "cached"), "dogs") != first
    assert again == first
    assert asked == 2
    assert len(server.requests) == 3


@scorer(metrics=[mean()])
def simulated_mean():
    async def score(state, target):
        (found,) = await bound(get_model(role="simulator"))("cats", [excerpt((" cat",) * 64)])
        return Score(value=sum(found.values) / len(found.values))

    return score


@pytest.mark.parametrize("prompt_logprobs", ["given", "ignored"])
def test_the_log_keeps_none_of_the_log_probabilities(prompt_logprobs):
    with CompletionsServer(prompt_logprobs=prompt_logprobs, tokenizer=SPLIT) as server:
        roles = {"simulator": over_http(server, f"logged-{prompt_logprobs}")}
        task = Task(dataset=[Sample(input="x", target="x")], solver=[], scorer=simulated_mean())
        (log,) = eval(task, model="none", model_roles=roles, log_model_api=True)
    assert log.status == "success", log.error
    (sample,) = log.samples
    events = [event for event in sample.events if isinstance(event, ModelEvent)]
    assert len(events) >= 2
    for event in events:
        for choice in event.output.choices:
            assert choice.logprobs is None
            assert choice.prompt_logprobs is None
        assert event.call.request["prompt"]
        for choice in event.call.response.get("choices", []):
            assert not {"logprobs", "prompt_logprobs"} & choice.keys()
    assert len(events[-1].output.metadata["expected"]) == 64
    assert len(sample.model_dump_json()) < 60_000
    assert sample.role_usage["simulator"].input_tokens > 0


PACK = default_pack()

ODD = ("\t", "\n", " cat", "unknown", "\tunknown\n", "🙏️", "10", "e\u0301", " the", "<end>\n")


def excerpt(tokens=ODD, index=0):
    return Excerpt("top", index, ActivationRecord(tuple(tokens), (0.0,) * len(tokens)))


def bound(model, few_shot=PACK.few_shot):
    return AllAtOnceSimulation(model, PACK.simulation["all_at_once"], few_shot)


def simulate(model, explanation="cats", *excerpts, few_shot=PACK.few_shot):
    return anyio.run(bound(model, few_shot), explanation, excerpts or [excerpt()])


def truths(explanation, tokens, truth=hashed, composes=False, few_shot=PACK.few_shot):
    """What a server holds true at each place, found with nothing but the prompt's own parts."""
    parts = all_at_once_prompt(explanation, tokens, PACK.simulation["all_at_once"], few_shot)
    before = ["".join(parts[: i + 1]) for i in range(len(tokens))]
    return [truth(unicodedata.normalize("NFC", b) if composes else b) for b in before]


def near(values):
    return pytest.approx(values, rel=1e-9, abs=1e-9)


def over_http(server, name, provider="openai-api-completions/test"):
    return get_model(f"{provider}/{name}", base_url=server.url, api_key="x", memoize=False)


def without_http(server, name):
    """The server's replies, read as Inspect's providers read them."""

    def respond(messages, config):
        (message,) = messages
        body = {"model": name, "prompt": message.text, "max_tokens": config.max_tokens}
        body |= config.extra_body or {}
        body |= {"prompt_logprobs": config.prompt_logprobs} if config.prompt_logprobs else {}
        body |= {"logprobs": config.top_logprobs} if config.logprobs else {}
        _, reply = server.handle(body)
        (choice,) = reply["choices"]
        output = ModelOutput.from_content(name, choice["text"])
        if echoed := choice["logprobs"]:
            output.choices[0].logprobs = parse_completion_logprobs(SimpleNamespace(**echoed))
        if raw := choice.get("prompt_logprobs"):
            output.choices[0].prompt_logprobs = parse_vllm_prompt_logprobs_raw(raw)
        return output

    return fake(name, respond).model
