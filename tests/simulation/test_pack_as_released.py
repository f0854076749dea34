"""The published simulators' prompts from a pack: docs/packs.md against a builder of its own."""

import math
import re
from copy import deepcopy
from pathlib import Path

import anyio
import pytest
import yaml
from completions_server import CompletionsServer
from hypothesis import given, settings
from hypothesis import strategies as st
from test_all_at_once import over_http

from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.all_at_once import all_at_once_prompt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.per_token import PerTokenSimulation, per_token_prompt

MARK = "<|endofprompt|>"

TEXTS = st.text(max_size=8) | st.sampled_from(
    ["{number}", "{explanation}", "\t", "\n", "<start>\n", MARK, "unknown", " {activation}"]
)

LEVELS = st.sampled_from([0.0, -1.5, 1e-30, 0.99, 10.0]) | st.floats(-1e3, 1e3)

RECORDS = st.lists(st.tuples(TEXTS, LEVELS), min_size=1, max_size=5)


@st.composite
def neurons(draw):
    """Few-shot neurons as the published code has them."""
    made = []
    for _ in range(draw(st.integers(0, 3))):
        excerpts = draw(st.lists(RECORDS, min_size=1, max_size=3))
        revealed = [draw(st.integers(0, len(excerpt) - 1)) for excerpt in excerpts]
        made.append({"explanation": draw(TEXTS), "excerpts": excerpts, "revealed_from": revealed})
    return made


EXPLANATIONS = st.text(min_size=1, max_size=9) | st.sampled_from(["{number} of", "{explanation}"])

TOKENS = st.lists(TEXTS, min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(shown=neurons(), explanation=EXPLANATIONS, tokens=TOKENS, marks=st.booleans())
def test_the_published_prompt_of_all_tokens_at_once_is_equal_byte_for_byte(
    tmp_path_factory, shown, explanation, tokens, marks
):
    pack = packed(tmp_path_factory.getbasetemp(), shown, marks=marks)
    parts = all_at_once_prompt(explanation, tokens, pack.simulation["all_at_once"], pack.few_shot)
    expected = joined(at_once(shown, explanation, tokens), MARK if marks else "")
    assert "".join(parts) == expected
    assert len(parts) == len(tokens) + 1


@settings(deadline=None, max_examples=60)
@given(
    shown=neurons(), record=RECORDS, explanation=EXPLANATIONS, tokens=TOKENS,
    layout=st.sampled_from(["messages", "text", "text with a mark"]), data=st.data(),
)  # fmt: skip
def test_the_published_prompt_of_one_token_is_equal_byte_for_byte(
    tmp_path_factory, shown, record, explanation, tokens, layout, data
):
    place = data.draw(st.integers(0, len(record) - 1))
    index = data.draw(st.integers(0, len(tokens) - 1))
    layout, _, marked = layout.partition(" ")
    pack = packed(
        tmp_path_factory.getbasetemp(), shown, (record, place), marks=bool(marked), layout=layout
    )
    found = per_token_prompt(explanation, tokens, index, pack.simulation["per_token"])
    expected = one_token(shown, (record, place), explanation, tokens, index)
    if layout == "text":
        expected = [("user", joined(expected, MARK if marked else ""))]
    assert [(message.role, message.text) for message in found] == expected


def test_the_sample_in_the_docs_is_a_pack_whose_words_can_be_seen(tmp_path):
    (tmp_path / "docs.yaml").write_text(SAMPLE, encoding="utf-8")
    pack = load_pack(str(tmp_path / "docs.yaml"))
    assert pack.simulation["per_token"].few_shot.neurons == pack.few_shot
    text = "".join(
        all_at_once_prompt("cats", ["a", " cat"], pack.simulation["all_at_once"], pack.few_shot)
    )
    assert "No\tunknown\n sign\tunknown\n of\t0\n a\t0\n gull\t4\n<end>\n\n\n\nUnit 2\n" in text
    assert text.endswith(
        "\n\n\n\nUnit 3\nUnit 3 responds to cats<|endofprompt|>\n"
        "Readings: \n<start>\na\tunknown\n cat\tunknown\n<end>\n"
    )
    assert text.count(MARK) == 1


def test_an_example_may_have_an_explanation_of_its_own(tmp_path):
    data = yaml.safe_load(SAMPLE)
    example = data["simulation"]["per_token"]["example"]
    example["explanation"] = "tools"
    del example["system"], example["closing"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data))
    pack = load_pack(str(tmp_path / "p.yaml"))
    (message,) = per_token_prompt("cats", ["a", " cat"], 1, pack.simulation["per_token"])
    assert message.text.count("responds to tools") == message.text.count("responds to cats") == 1
    assert "Next comes" not in message.text
    assert message.text.count(MARK) == 2


def test_a_pack_without_the_published_keys_words_its_prompts_as_before():
    pack = default_pack()
    assert pack.simulation["per_token"].few_shot is pack.simulation["per_token"].example is None
    system, user = per_token_prompt("cats", ["a", " cat"], 1, pack.simulation["per_token"])
    assert (system.role, user.role) == ("system", "user")
    assert user.text == (
        "Explanation of the neuron: it responds to cats\n\nText:\na cat\n\n"
        'Last token of the text: " cat"\n\n'
        "Which number from 0 to 10 is its activation? Write only the number."
    )
    assert "".join(all_at_once_prompt("cats", ["a"], pack.simulation["all_at_once"], ())).endswith(
        "\n\nNeuron 1\nExplanation: it responds to cats\nActivations:\n<start>\na\tunknown\n<end>\n"
    )


def test_the_marks_for_caches_stand_before_the_few_shot_neurons_and_after_the_explanation(
    tmp_path,
):
    pack = packed(tmp_path, example=([("a", 1.0)], 0), layout="messages")
    prompt = per_token_prompt("cats", ["x"], 0, pack.simulation["per_token"], "openai/gpt-4o")
    assert [m.role for m in prompt] == ["system", "system", "user", "assistant", "user"]
    assert prompt[0].content[0].cache_breakpoint
    assert prompt[-1].content[0].text == "\nUnit 2\nUnit 2 responds to cats\n"
    assert prompt[-1].content[0].cache_breakpoint


def test_a_completions_server_is_asked_one_token_at_a_time(tmp_path):
    def handle(body):
        asked.append(body["prompt"])
        reply = whole(body)
        reply[1]["choices"][0]["text"] = "7"
        reply[1]["choices"][0]["logprobs"] |= {
            "tokens": ["7"], "token_logprobs": [-0.1], "top_logprobs": [{"7": -0.1, "5": -3.0}],
            "text_offset": [0],
        }  # fmt: skip
        return reply

    (tmp_path / "docs.yaml").write_text(SAMPLE, encoding="utf-8")
    pack = load_pack(str(tmp_path / "docs.yaml"))
    asked, tokens = [], ("a", " cat")
    record = ActivationRecord(tokens, (0.0, 1.0))
    with CompletionsServer() as server:
        whole, server.handle = server.handle, handle
        asker = Asker(over_http(server, "one-token"), named=True, reasoning=False)
        simulation = PerTokenSimulation(asker, pack.simulation["per_token"])
        (found,) = anyio.run(simulation, "cats", [Excerpt("top", 0, record)])
    assert isinstance(found, Simulated), found
    level = (7 * math.exp(-0.1) + 5 * math.exp(-3)) / (math.exp(-0.1) + math.exp(-3))
    assert found.values == pytest.approx((level, level))
    built = [
        per_token_prompt("cats", tokens, i, pack.simulation["per_token"])[0].text for i in range(2)
    ]
    assert asked == built


def changed(path, value):
    """The sample with another value at a path of keys; None takes the key away."""
    data = yaml.safe_load(SAMPLE)
    *way, last = path.split(".")
    inside = data["simulation"]
    for key in way:
        inside = inside[key]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("all_at_once.last_neuron", "x", "all_at_once.last_neuron: must hold {explanation}"),
        ("all_at_once.neuron_end", 3, "all_at_once.neuron_end: expected a string, got 3"),
        ("per_token.token_as", "raw", "per_token.token_as: allowed are json, text, got 'raw'"),
        ("per_token.layout", "chat", "per_token.layout: allowed are messages, text, got 'chat'"),
        ("per_token.layout", [1], "per_token.layout: expected a string, got [1]"),
        ("per_token.few_shot", "x", "per_token.few_shot: expected keys and values, got str"),
        ("per_token.few_shot.neurons", "x", "few_shot.neurons: expected a list (it may be empty)"),
        (
            "per_token.few_shot.neurons",
            [{"explanation": "x", "excerpts": [[["a", "b"]]]}],
            "few_shot.neurons[0].excerpts[0][0]: expected a token or [token, activation]",
        ),
        ("per_token.few_shot.neurons", None, "per_token.few_shot: missing key(s) neurons"),
        ("per_token.few_shot.end", None, "per_token.few_shot: missing key(s) end"),
        ("per_token.few_shot.neuron", "x", "few_shot.neuron: must hold {explanation}, got 'x'"),
        ("per_token.few_shot.colour", "x", "per_token.few_shot: unknown key(s) colour"),
        (
            "per_token.example.token",
            4,
            "example.token: expected a token's index from 0 to 3, got 4",
        ),
        ("per_token.example.token", True, "example.token: expected a token's index from 0 to 3"),
        ("per_token.example.excerpt", [], "example.excerpt: expected a list of tokens, got []"),
        ("per_token.example.excerpt", None, "per_token.example: missing key(s) excerpt"),
        ("per_token.example.answer", None, "per_token.example: missing key(s) answer"),
        ("per_token.example.answer", "9", "per_token.example.answer: must hold {activation}"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(tmp_path, path, value, message):
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(changed(path, value)))
    with pytest.raises(PackError, match=re.escape(message)) as error:
        load_pack(str(tmp_path / "p.yaml"))
    assert str(error.value).startswith(f"prompt pack {tmp_path / 'p.yaml'}: simulation.")


PAGE = (Path(__file__).parents[2] / "docs" / "packs.md").read_text(encoding="utf-8")

(SAMPLE,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def packed(folder, shown=(), example=None, marks=True, layout="text"):
    """The sample pack with other neurons and another example."""
    data = deepcopy(yaml.safe_load(SAMPLE if marks else SAMPLE.replace(MARK, "")))
    neurons = [
        {**one, "excerpts": [[list(pair) for pair in e] for e in one["excerpts"]]} for one in shown
    ]
    data["few_shot"] = data["simulation"]["per_token"]["few_shot"]["neurons"] = neurons
    if example is not None:
        record, token = example
        data["simulation"]["per_token"]["example"]["excerpt"] = [list(pair) for pair in record]
        data["simulation"]["per_token"]["example"]["token"] = token
    data["simulation"]["per_token"]["layout"] = layout
    (folder / "p.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return load_pack(str(folder / "p.yaml"))


# The published prompts, from their description and in the sample's words: messages, which are
# joined for completion models, the mark behind the last message of the user.


def peak(*records):
    return max([0.0, *(value for record in records for _, value in record)])


def level(value, highest):
    return 0 if highest <= 0 else min(10, math.floor(10 * max(value, 0.0) / highest))


def block(records, hidden):
    highest = peak(*records)
    text = "\n"
    for record, first in zip(records, hidden, strict=True):
        shown = [str(level(v, highest)) if i >= first else "unknown" for i, (_, v) in
                 enumerate(record)]  # fmt: skip
        rows = "\n".join(f"{t}\t{v}" for (t, _), v in zip(record, shown, strict=True))
        text += f"<start>\n{rows}\n<end>\n"
    return text


def at_once(shown, explanation, tokens):
    said = "Units read a text. A line is a token and a reading from 0 to 10, or unknown.\n"
    messages = [("system", said)]
    for i, one in enumerate(shown, start=1):
        named = f"\n\nUnit {i}\nUnit {i} responds to {one['explanation']}"
        readings = block(one["excerpts"], one["revealed_from"])
        messages += [("user", named), ("assistant", f"\nReadings: {readings}\n")]
    i = len(shown) + 1
    hidden = block([[(token, 0.0) for token in tokens]], [len(tokens)])
    return [
        *messages,
        ("user", f"\n\nUnit {i}\nUnit {i} responds to {explanation}"),
        ("assistant", f"\nReadings: {hidden}"),
    ]


def one_token(shown, example, explanation, tokens, index):
    def question(number, text):
        return (
            f"\nUnit {number}\nUnit {number} responds to {explanation}\nText:\n{''.join(text)}\n\n"
            f"Its last token:\n{text[-1]}\n\nReading on it:\n"
        )

    messages = [
        ("system", "Units read a text. Say the reading of a unit on a token, from 0 to 10.\n\n")
    ]
    for i, one in enumerate(shown, start=1):
        readings = block(one["excerpts"], [0] * len(one["excerpts"]))
        messages += [
            ("user", f"Unit {i}\nUnit {i} responds to {one['explanation']}\n"),
            ("assistant", f"Readings: {readings}\n\n"),
        ]
    record, place = example
    last = len(shown) + 1
    answer = f"{level(record[place][1], peak(record))}\n\n"
    return [
        *messages,
        ("system", "Next comes a single token of another unit."),
        ("user", question(last, [token for token, _ in record[: place + 1]])),
        ("assistant", answer),
        ("user", question(last + 1, tokens[: index + 1])),
    ]


def joined(messages, mark):
    """One text; the mark stands behind the last message of the user."""
    last = max(i for i, (role, _) in enumerate(messages) if role == "user")
    return "".join(text + mark * (i == last) for i, (_, text) in enumerate(messages))
