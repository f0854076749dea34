"""Scorers by themselves, on samples made up here; whole evals are in test_evals."""

import asyncio
import math

import pytest
from inspect_ai.model import ModelName, ModelOutput
from inspect_ai.scorer import Score, Target
from inspect_ai.solver import TaskState

from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.scorers.adacs import adacs
from neuron_eval.scorers.simulation_correlation import _simulated, scored
from neuron_eval.simulation import Simulated
from neuron_eval.testing import fake_embedder, make_neuron


@pytest.mark.parametrize(("used", "failed", "value"), [(9, 1, 0.9), (10, 0, 1), (1, 3, 0.25)])
def test_the_share_is_that_of_the_excerpts_that_were_simulated(used, failed, value):
    metadata = {"excerpts_scored": used, "excerpts_failed": failed, "tokens_failed": 3}
    score = share(Score(value=0.5, explanation="r = 0.5", metadata=metadata))
    assert score.metadata == metadata | {
        "share": pytest.approx(value),
        "explanation_cut_off": False,
    }
    assert score.explanation is None


def test_a_bad_explanation_is_a_whole_measurement_without_excerpts():
    score = share(Score(value=0.0, reason="refusal"))
    assert score.metadata == {
        "share": 1,
        "excerpts_scored": 0,
        "excerpts_failed": 0,
        "tokens_failed": 0,
        "explanation_cut_off": False,
    }


def test_an_unscored_sample_has_no_share_whatever_was_simulated_and_says_why():
    metadata = {"excerpts_scored": 3, "excerpts_failed": 1}
    score = share(Score.unscored(reason="constant", explanation="All 0.", metadata=metadata))
    assert score.metadata["share"] == 0
    assert score.explanation == "All 0."


@pytest.mark.parametrize("scores", [None, {}, {"adacs": Score(value=1.0)}])
def test_without_a_simulation_there_is_no_share(scores):
    score = result(scored(), sample(scores=scores))
    assert math.isnan(score.as_float())
    assert score.reason == "simulation_correlation did not run"


def test_adacs_and_its_level_are_cosines(embedder):
    score = result(adacs(), sample(unrelated_references=["near", "far"]), "own")
    assert score.as_float() == pytest.approx(0.8)
    assert score.metadata["unrelated_mean"] == pytest.approx(0.44)
    assert score.explanation == (
        "cosine with the reference 0.800; other neurons' references reach 0.440."
    )


def test_without_other_references_adacs_has_no_level(embedder):
    score = result(adacs(), sample(), "own")
    assert score.as_float() == pytest.approx(0.8)
    assert score.metadata["unrelated_mean"] is None
    assert score.explanation == "cosine with the reference 0.800."


def test_without_a_reference_adacs_keeps_the_explanation_and_says_why():
    score = result(adacs(), sample())
    assert math.isnan(score.as_float())
    assert (score.reason, score.answer) == ("no reference explanation", "an answer")
    assert score.explanation == "Not scored: the neuron has no reference explanation."


def excerpts(*names):
    return tuple(
        Excerpt("top", i, ActivationRecord((name, "."), (float(i), 1.0)))
        for i, name in enumerate(names)
    )


@pytest.mark.parametrize("short", ["valid", "calibration"])
def test_a_simulation_that_answers_for_too_few_excerpts_is_broken(short):
    dealt = DealtNeuron(make_neuron(), (), excerpts("a", "b"), excerpts("c", "d"))
    lost = getattr(dealt, short)

    async def simulate(explanation, asked):
        answers = [Simulated((1.0, 2.0), "values") for _ in asked]
        return answers[:-1] if asked is lost else answers

    with pytest.raises(ValueError, match="shorter"):
        asyncio.run(_simulated(simulate, "cats", dealt, "linear"))


VECTORS = {"an answer": [1.0, 0.0], "own": [0.8, 0.6], "near": [0.6, 0.8], "far": [0.28, 0.96]}


def sample(answer="an answer", scores=None, **metadata):
    return TaskState(
        model=ModelName("neuron-fake/explainer"),
        sample_id="m/L0N0",
        epoch=1,
        input="",
        messages=[],
        output=ModelOutput.from_content("neuron-fake/explainer", answer),
        metadata=metadata,
        scores=scores,
    )


def result(scorer, state, target=""):
    return asyncio.run(scorer(state, Target(target)))


def share(of):
    return result(scored(), sample(scores={"simulation_correlation": of}))


@pytest.fixture
def embedder(monkeypatch):
    model = fake_embedder(VECTORS.__getitem__).model
    monkeypatch.setattr("neuron_eval.scorers.adacs.resolve_embedder", lambda: model)
