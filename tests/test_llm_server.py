"""A real language model behind a real server: what it says is poor, what passes must be right."""

import math
import os
import subprocess
import sys
from dataclasses import dataclass, field

import llm_server
import pytest
from inspect_ai import eval
from inspect_ai.log import list_eval_logs, read_eval_log
from inspect_ai.model import GenerateConfig, get_model

from neuron_eval.records import ActivationRecord, NeuronRecord, Reference
from neuron_eval.simulation.per_token import QUESTION
from neuron_eval.sources import schema
from neuron_eval.tasks.formats import summary
from neuron_eval.testing import fake_explainer

pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(bool(llm_server.missing()), reason=llm_server.missing()),
]

TOKENS = 6
"""Of every excerpt, so that one grammar fits all replies; few, as every reply takes seconds."""

HELD_OUT = 2
"""One top and one random excerpt."""


@dataclass(frozen=True)
class Way:
    """One way to simulate and how a reply is held to a form that can be read."""

    name: str
    """What stands after ``simulation=``."""

    grammar: str
    """llama.cpp's rule for a whole reply; ``level`` is a rule of its own."""

    before: str
    """A pattern for what stands in a reply before a value."""

    requests: int
    """How many simulate the held-out excerpts if no reply is bad."""

    options: dict = field(default_factory=dict)
    """Further parameters of the task."""


def lines(count):
    return ' "\\n" '.join(f'"{i}: " level' for i in range(1, count + 1))


LINE = r"(^|\n)\d+: "

TWO_LISTS = rf'"A\n" {lines(TOKENS)} "\nB\n" {lines(TOKENS)}'

NAMES = r'"A: \"café\":" level ", \"🙂\":" level "\nB: \"quay\":" level'

WAYS = {
    "chat": Way("chat", lines(TOKENS), LINE, HELD_OUT, {"excerpts_per_call": 1}),
    "chat, packed": Way("chat", TWO_LISTS, LINE, 1, {"excerpts_per_call": HELD_OUT}),
    "sparse": Way("sparse", NAMES, '":', 1),
    "per_token": Way("per_token", "level", "^", HELD_OUT * TOKENS),
}


@pytest.mark.parametrize("name", ["chat", "sparse", "per_token"])
def test_the_command_line_explains_simulates_and_counts_what_it_could_not_read(
    name, wire, neurons, tmp_path
):
    way = WAYS[name]
    wire.longest = BABBLE
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [
        *("-m", "inspect_ai", "eval", "neuron_eval/summary", "--model", MODEL),
        *("--model-base-url", wire.url, "-T", f"neurons={neurons}", "-T", "excerpts=1"),
        *("-T", f"simulation={way.name}", "-T", "calibration=none"),
        # One excerpt a call and a fixed explanation bound what the model can babble.
        *("-T", "excerpts_per_call=1", "--seed", "1", "--limit", "1", "--log-dir", "logs"),
    ]
    # With the checkout itself on the path Inspect does not find tasks by the package's name.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=empty,
        env={**environment, "INSPECT_DISPLAY": "plain", "LOCAL_API_KEY": "none"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (info,) = list_eval_logs(str(empty / "logs"))
    log = read_eval_log(info)
    assert log.status == "success"
    (sample,) = log.samples
    assert sample.output.completion.strip()

    about = [r for r in wire.requests if r["messages"][-1]["content"] != QUESTION]
    assert len([request for request in about if not request.get("logprobs")]) == 1
    asked = wire.simulating()
    assert len(asked) >= way.requests
    assert all(request["top_logprobs"] >= 10 for request, _ in asked)
    assert any(llm_server.reply_logprobs(reply) for _, reply in asked)

    score = sample.scores["simulation_correlation"]
    metadata = score.metadata
    assert metadata["simulation"] == way.name
    assert metadata["simulator_is_explainer"] is True
    assert metadata["excerpts_scored"] + metadata["excerpts_failed"] == HELD_OUT
    assert len(metadata["excerpts"]) == metadata["excerpts_scored"]
    assert len(metadata["failures"]) == metadata["excerpts_failed"]
    assert all(reason.startswith("excerpt ") for reason in metadata["failures"])
    if not metadata["excerpts"]:
        assert math.isnan(score.value)
        assert "no held-out excerpt was simulated" in score.explanation


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("level", ["[0-9]", '"10"'], ids=["one digit", "ten"])
def test_expected_activations_are_what_the_servers_own_numbers_give_by_hand(
    way, level, wire, neurons
):
    log, _ = run(way.name, f"{way.grammar}\nlevel ::= {level}", wire, neurons, way.options)
    assert log.status == "success", log.error
    asked = wire.simulating()
    assert len(asked) == way.requests
    score = log.samples[0].scores["simulation_correlation"]
    assert score.metadata["failures"] == []
    assert score.metadata["basis"] == "log-probabilities"
    assert -1 <= score.as_float() <= 1
    values = [v for excerpt in score.metadata["excerpts"] for v in excerpt["expected"]]
    assert len(values) == HELD_OUT * TOKENS
    assert all(0 <= value <= 10 for value in values)
    given = [v for _, reply in asked for v in llm_server.by_hand(reply, way.before)]
    # Requests are answered in any order; what sparse does not name is exactly 0.
    assert sorted(v for v in values if v) == pytest.approx(sorted(given))


@pytest.mark.parametrize(
    ("simulation", "reply", "reason"),
    [
        ("chat", r'"1: " level "\n3: " level', "found index 3 where index 2 should be"),
        ("sparse", r'"A: \"zebra\" at " level', "cannot read"),
    ],
    ids=["chat", "sparse"],
)
def test_replies_held_to_a_bad_form_leave_their_excerpts_unscored(
    simulation, reply, reason, wire, neurons
):
    options = {"excerpts_per_call": 1}
    log, _ = run(simulation, f"{reply}\nlevel ::= [0-9]", wire, neurons, options)
    assert log.status == "success", log.error
    score = log.samples[0].scores["simulation_correlation"]
    assert math.isnan(score.value)
    assert (score.metadata["excerpts_scored"], score.metadata["excerpts_failed"]) == (0, HELD_OUT)
    assert all(reason in failure for failure in score.metadata["failures"])
    assert len(wire.simulating()) == 3 * HELD_OUT


def test_what_can_be_read_of_a_reply_is_scored_and_the_rest_counted(wire, neurons):
    half = rf'"A\n" {lines(TOKENS)} "\nB\n" {lines(TOKENS - 1)}'
    options = {"excerpts_per_call": HELD_OUT}
    log, _ = run("chat", f"{half}\nlevel ::= [0-9]", wire, neurons, options)
    assert log.status == "success", log.error
    metadata = log.samples[0].scores["simulation_correlation"].metadata
    assert [excerpt["excerpt"] for excerpt in metadata["excerpts"]] == ["top 2"]
    (failure,) = metadata["failures"]
    assert failure.startswith("excerpt random 1: ")
    (first, *_) = (llm_server.by_hand(reply, LINE) for _, reply in wire.simulating())
    assert metadata["excerpts"][0]["expected"] == pytest.approx(first[:TOKENS])


def test_auto_finds_out_that_the_server_gives_nothing_of_the_prompt(wire, neurons):
    log, _ = run("auto", f"{NAMES}\nlevel ::= [0-9]", wire, neurons, {})
    assert log.status == "success", log.error
    metadata = log.samples[0].scores["simulation_correlation"].metadata
    assert (metadata["simulation"], metadata["basis"]) == ("sparse", "log-probabilities")


def test_all_at_once_is_refused_before_anything_is_explained(wire, neurons):
    log, explainer = run("all_at_once", "level\nlevel ::= [0-9]", wire, neurons, {})
    assert log.status == "error"
    assert "log-probabilities of the prompt" in log.error.message
    assert explainer.requests == []


MODEL = "openai-api/local/smollm2"

BABBLE = 40
"""Tokens of a reply that nothing holds to a form; enough for a good one about an excerpt."""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with llm_server.running(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def wire(server):
    with llm_server.recorded(server) as wire:
        yield wire


@pytest.fixture
def neurons(tmp_path):
    """One neuron for " café", with characters of one to four bytes around it."""
    word, level = " café", 8.0
    endings = [" today", " again", " 🙂", "\n", " früh", "."]
    tops = [["We", " met", " at", word, " by", end] for end in endings]
    randoms = [["The", " boat", " left", " the", " quay", end] for end in endings]

    def records(texts):
        return tuple(
            ActivationRecord(tuple(t), tuple(level * (token == word) for token in t)) for t in texts
        )

    neuron = NeuronRecord(
        id="test/L0N0",
        model="test",
        layer=0,
        neuron=0,
        top=records(tops),
        random=records(randoms),
        quantile_boundaries=(1.0, 2.0, 3.0, 4.0, 5.0),
        reference=Reference("the word café", "made for a test"),
    )
    path = tmp_path / "neurons.jsonl"
    schema.write(path, [neuron])
    return str(path)


def run(simulation, grammar, wire, neurons, options):
    """Simulate with the real model, held to a grammar; the explanation is a fake's."""
    simulator = get_model(
        MODEL,
        base_url=wire.url,
        api_key="none",
        config=GenerateConfig(extra_body={"grammar": f"root ::= {grammar}"}),
        memoize=False,
    )
    explainer = fake_explainer("the word café")
    task = summary(
        neurons=neurons, excerpts=1, simulation=simulation, calibration="none", **options
    )
    # Without a bound Inspect would wait for a server that died for ever.
    (log,) = eval(task, model=explainer.model, model_roles={"simulator": simulator}, max_retries=3)
    return log, explainer
