"""Whole evals with judges that know the truth, guess, say yes, or cannot be read."""

import json
import math
from random import Random

import pytest
from inspect_ai import Task, eval, score
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import ModelOutput
from inspect_ai.solver import solver

from neuron_eval.dataset import dataset, neuron_set
from neuron_eval.judging.asking import marked
from neuron_eval.judging.choosing import fuzzing_cases, held_out
from neuron_eval.records.splits import from_metadata, to_text
from neuron_eval.reporting.collecting import collect
from neuron_eval.reporting.rendering import markdown
from neuron_eval.reporting.tables import all_tables
from neuron_eval.scorers.judging import detection, fuzzing, intruder, judges
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.tasks.given import given
from neuron_eval.testing import fake_embedder, fake_judge

FEW = 3
BOTH = "fuzzing,intruder"
MARK = "<<{token}>>"


def samples(limit=FEW):
    return dataset(neuron_set(parse_choice("puzzles", limit=limit)))


def right_texts(data):
    """Every excerpt that fires, and every one with right marks, as a judge reads them."""
    texts = set()
    for sample in data:
        neuron = held_out(from_metadata(sample.metadata, sample.id))
        texts |= {excerpt.record.text for excerpt in neuron.firing}
        cases = [case for cases in fuzzing_cases(neuron) for case in cases if case.right]
        texts |= {marked(case.excerpt.record, case.marks, MARK) for case in cases}
    return texts


@solver
def explains(text="something of the kind"):
    async def solve(state, generate):
        state.output = ModelOutput.from_content("m", text)
        return state

    return solve


def judged(judge, data=None, scorers=None, text="something of the kind", **roles):
    task = Task(
        samples() if data is None else data,
        solver=explains(text),
        scorer=scorers or [detection(), fuzzing(), intruder()],
    )
    (log,) = eval(task, model=judge.model, model_roles={"simulator": judge.model, **roles})
    return log


def means(log):
    return {s.name: s.metrics["mean"].value for s in log.results.scores}


@pytest.mark.parametrize("logprobs", [True, False])
def test_a_judge_that_knows_the_truth_gets_the_maximum(logprobs):
    data = samples()
    right = right_texts(data)
    judge = fake_judge(lambda _, text: text in right, logprobs=logprobs)
    log = judged(judge, data)
    assert means(log) == {"detection": 1.0, "fuzzing": 1.0, "intruder": 1.0}
    assert len(judge.requests) == FEW * (3 + 4 + 3)
    about = log.samples[0].scores["detection"].metadata
    basis = ("log-probabilities", 1.0) if logprobs else ("answers", None)
    assert (about["basis"], about["auroc"]) == basis
    assert about["excerpts_scored"] == len(about["excerpts"]) == 12
    assert {entry["answer"] == entry["right"] for entry in about["excerpts"]} == {True}


def test_a_judge_that_says_yes_to_everything_gets_one_half():
    got = means(judged(fake_judge(lambda _, text: 1.0), scorers=[detection(), fuzzing()]))
    assert got == {"detection": 0.5, "fuzzing": 0.5}


def test_a_judge_that_guesses_gets_chance_within_its_interval():
    log = judged(fake_judge(lambda _, text: Random(f"a guess: {text}").random()), samples(None))
    for result, chance in zip(log.results.scores, (0.5, 0.5, 0.2), strict=True):
        ends = [result.metrics[name].value for name in ("lower", "upper")]
        assert ends[0] <= chance <= ends[1], (result.name, ends)


def test_what_cannot_be_read_is_counted_and_is_never_a_no():
    right = right_texts(samples(1))
    judge = fake_judge(lambda _, text: text in right, faults=["missing"] * 3)
    log = judged(judge, samples(1), [detection(excerpts_per_call=12)])
    got = log.samples[0].scores["detection"]
    assert got.value == 1.0
    assert (got.metadata["excerpts_scored"], got.metadata["excerpts_failed"]) == (11, 1)
    assert got.metadata["failures"] == [
        "excerpt further 1: 3 unreadable replies, the last: there is no line for L"
    ]
    assert "1 without an answer that can be read" in got.explanation
    assert [len(request) for request in judge.requests] == [2, 4, 6]
    assert judge.requests[1][-1].text.startswith(
        "That answer cannot be used: there is no line for L. Answer again, from the beginning: one "
        "line each for A, B, C,"
    )


def test_where_nothing_can_be_read_nothing_is_measured():
    judge = fake_judge(lambda _, text: 1.0, faults=["garbage", "empty"] * 50)
    log = judged(judge, samples(1))
    for name, result in log.samples[0].scores.items():
        assert math.isnan(result.as_float()), name
        assert "read" in result.reason
        assert result.metadata["excerpts_failed"] > 0 == result.metadata["excerpts_scored"]
        assert result.explanation.startswith("Not scored: ")


@pytest.mark.parametrize("text", ["", "I'm sorry, but I can't help with that."])
def test_an_empty_or_refused_explanation_gets_chance_and_no_judge_is_asked(text):
    judge = fake_judge(lambda _, text: 1.0)
    log = judged(judge, scorers=[detection(), fuzzing()], text=text)
    if text:  # words that refuse are no refusal unless the model's server says that it is one
        assert judge.requests
    else:
        assert means(log) == {"detection": 0.5, "fuzzing": 0.5}
        assert not judge.requests
        assert log.samples[0].scores["detection"].reason == "no_response"


def test_a_shared_excerpt_is_refused():
    data = samples(1)
    neuron = from_metadata(data[0].metadata, data[0].id)
    record = json.loads(to_text(neuron))
    text = f"{neuron.train[0].record.text} "
    record["valid"][0][2:] = [text, [len(text)], [0.0]]
    data[0].metadata["record"] = json.dumps(record)
    log = judged(fake_judge(lambda _, text: 1.0), data)
    assert log.status == "error"
    assert "which the explainer sees" in log.error.message


def test_too_few_excerpts_are_no_measurement():
    data = samples(1)
    record = json.loads(data[0].metadata["record"])
    record["calibration"] = []
    record["valid"] = record["valid"][:3]
    data[0].metadata["record"] = json.dumps(record)
    judge = fake_judge(lambda _, text: 1.0)
    scores = judged(judge, data).samples[0].scores
    for result in scores.values():
        assert math.isnan(result.as_float())
        assert result.reason == "1 of 3 held-out excerpts are silent; 2 are the least"
    assert not judge.requests


def test_a_finished_log_is_judged_without_explaining_again():
    judge = fake_judge(lambda _, text: 1.0)
    log = judged(judge, scorers=[detection()])
    asked_before = len(judge.requests)
    scored = score(log, fuzzing(), action="append", model_roles={"simulator": judge.model})
    assert means(scored) == {"detection": 0.5, "fuzzing": 0.5}
    assert len(judge.requests) == asked_before + FEW * 4


def test_hard_negatives_are_found_with_the_embedder():
    right = right_texts(samples(1))
    embedder = fake_embedder(lambda text: [1.0, float(len(text))])
    judge = fake_judge(lambda _, text: text in right)
    log = judged(judge, samples(1), [detection(negatives="hard")], embedder=embedder.model)
    (sample,) = log.samples
    assert sample.scores["detection"].value == 1.0
    assert sample.scores["detection"].metadata["excerpts_scored"] == 9 + 2
    assert embedder.requests


def test_parameters_that_there_are_not_are_refused():
    with pytest.raises(PrerequisiteError, match="negatives='near': allowed are random, hard"):
        detection(negatives="near")
    with pytest.raises(
        PrerequisiteError, match="excerpts=1: expected a whole number of at least 2"
    ):
        fuzzing(excerpts=1)
    with pytest.raises(PrerequisiteError, match=r"has no section judging\.intruder"):
        intruder(pack="neuron_eval-2")
    with pytest.raises(
        ValueError, match="judge='detect': allowed are detection, fuzzing, intruder"
    ):
        judges("detect", None)
    assert len(judges("detection,fuzzing,detection", None)) == 2
    assert judges(None, None) == []


def test_a_model_that_cannot_judge_is_refused_in_a_sentence():
    task = Task(samples(1), solver=explains(), scorer=detection())
    (log,) = eval(task, model="none")
    assert "no model judges: --model is none; name a judge with --model-role" in log.error.message


def test_judgements_stand_in_a_task_and_in_its_report():
    right = right_texts(samples())
    judge = fake_judge(lambda _, text: text in right)
    embedder = fake_embedder(lambda text: [1.0, float(len(text))])
    (log,) = eval(
        given(
            "reference", neurons="puzzles", limit=FEW, simulation="none", judge="fuzzing,intruder"
        ),
        model="none",
        model_roles={"simulator": judge.model, "embedder": embedder.model},
    )
    assert log.status == "success", log.error
    collected = collect([log.location])
    (run,) = collected.runs
    assert run.judge == str(judge.model)
    assert {name for r in run.results.values() for name in r.scores} == {
        "adacs", "fuzzing", "intruder"
    }  # fmt: skip
    text = "\n".join(map(markdown, all_tables(collected)))
    assert "fuzzing: a judge says of right and random marks" in text
    assert "intruder: a judge finds the silent one of five" in text
