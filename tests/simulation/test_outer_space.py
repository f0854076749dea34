"""Space around an explanation: the simulator is not told it, AdaCS compares it, as published."""

import csv

import pytest
from completions_server import CompletionsServer
from inspect_ai import eval
from inspect_ai.log import read_eval_log
from test_all_at_once import over_http

from neuron_eval.given.origin import given
from neuron_eval.rescore import rescore
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

# What a reply of a model, a cell of a file and a released reference look like.
OUTER = "  words about animals\n\n"
TOLD = "words about animals"
NO_CLAIM = "it responds to   words about animals\n\n"


@pytest.fixture
def neurons(tmp_path):
    schema.write(tmp_path / "n.jsonl", [make_neuron(reference=OUTER)])
    return str(tmp_path / "n.jsonl")


@pytest.fixture
def embedder():
    return fake_embedder(lambda text: [text.count(c) + 0.1 for c in " \nabcdeimnorst"])


def run(neurons, embedder, simulation, solver, model="none", **roles):
    (log,) = eval(
        formats.summary(neurons=neurons, excerpts=1, simulation=simulation, calibration="none"),
        model=model,
        model_roles={"embedder": embedder.model, **roles},
        solver=solver,
    )
    assert log.status == "success", log.error
    return log


def texts(fake):
    return [message.text for request in fake.requests for message in request]


def flat(explanation, tokens):
    return [float(token == " cat") * 9 for token in tokens]


@pytest.mark.parametrize("way", ["chat", "sparse", "per_token"])
def test_a_prompt_holds_the_explanation_without_its_outer_space(neurons, embedder, way):
    simulator = fake_simulator(flat)
    log = run(neurons, embedder, way, given("reference"), simulator=simulator.model)
    prompts = [text for text in texts(simulator) if TOLD in text]
    assert prompts
    assert all(f"it responds to {TOLD}\n" in text for text in prompts)
    assert not any(NO_CLAIM in text for text in prompts)
    assert log.samples[0].scores["simulation_correlation"].answer == OUTER


def test_the_published_prompt_holds_the_explanation_without_its_outer_space(neurons, embedder):
    with CompletionsServer() as server:
        simulator = over_http(server, "outer-space")
        run(neurons, embedder, "all_at_once", given("reference"), simulator=simulator)
        prompts = [body["prompt"] for body in server.requests if TOLD in body["prompt"]]
    assert len(prompts) == 2
    assert all(f"it responds to {TOLD}\n" in prompt for prompt in prompts)


@pytest.mark.parametrize("origin", ["explainer", "file", "reference"])
def test_wherever_an_explanation_comes_from_it_is_simulated_as_if_trimmed(
    tmp_path, neurons, embedder, origin
):
    if origin == "explainer":
        log = run(neurons, embedder, "embedding", None, model=fake_explainer(OUTER).model)
    else:
        source = {"explanations": origin}
        if origin == "file":
            source = {"explanations": str(tmp_path / "given.csv"), "column": "ours"}
            with (tmp_path / "given.csv").open("w", newline="") as out:
                csv.writer(out).writerows([["layer", "neuron", "ours"], [0, 0, OUTER]])
        log = run(neurons, embedder, "embedding", given(**source))
    asked = texts(embedder)
    assert TOLD in asked
    # AdaCS embeds reference and explanation as they are; what an explainer says was cleaned.
    assert OUTER in asked
    assert log.samples[0].scores["adacs"].metadata["reference"] == OUTER
    cosine = log.samples[0].scores["adacs"].value
    assert (cosine == pytest.approx(1, abs=1e-9)) is (origin != "explainer")


def test_a_log_that_is_scored_again_is_simulated_as_if_trimmed(neurons, embedder):
    simulator = fake_simulator(flat)
    log = run(neurons, embedder, "chat", given("reference"), simulator=simulator.model)
    del embedder.requests[:]
    again = rescore(
        read_eval_log(log.location), None, "again", simulation="embedding", calibration="none"
    )
    assert again.samples[0].scores["again"].answer == OUTER
    asked = texts(embedder)
    assert TOLD in asked
    assert OUTER not in asked
