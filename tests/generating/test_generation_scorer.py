"""Whole evals with a writer and a subject that state their answers."""

import json
import math
from dataclasses import replace

import pytest
from inspect_ai import Task, eval, score
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import ModelOutput
from inspect_ai.solver import solver

from neuron_eval.comparison.plan import make_plan
from neuron_eval.dataset import dataset, neuron_set
from neuron_eval.logs.identity import identity
from neuron_eval.messages import InputError
from neuron_eval.reporting.collecting import collect
from neuron_eval.reporting.exports.layouts import _model
from neuron_eval.reporting.rendering import markdown
from neuron_eval.reporting.tables import all_tables
from neuron_eval.scorers.generation import generation
from neuron_eval.scorers.judging import judges
from neuron_eval.sources import schema
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.tasks.formats import summary
from neuron_eval.tasks.sanity import sanity
from neuron_eval.testing import fake_explainer, fake_subject, fake_writer, make_neuron
from neuron_eval.usage_error import UsageError

CATS = [f"There was a cat number {i}." for i in range(1, 6)]
DOGS = [f"There was a dog number {i}." for i in range(1, 6)]
TEXTS = {"cats": CATS, "dogs": DOGS}


@pytest.fixture
def neurons(tmp_path):
    def write(*made):
        path = tmp_path / "neurons.jsonl"
        schema.write(path, made or [make_neuron()])
        return str(path)

    return write


def cats(place, tokens):
    return [8.0 if token == " cat" else 0.0 for token in tokens]


def silent(place, tokens):
    return [0.0 for _ in tokens]


def writer(**more):
    return fake_writer(lambda explanation: TEXTS.get(explanation, []), **more)


@solver
def explains(text):
    async def solve(state, generate):
        state.output = ModelOutput.from_content("m", text)
        return state

    return solve


def tried(source, text="cats", *, subject=None, asked=None, scorer=None, **choice):
    subject, asked = subject or fake_subject(cats), asked or writer()
    task = Task(
        dataset(neuron_set(parse_choice(source), **choice)),
        solver=explains(text),
        scorer=scorer or generation(),
    )
    roles = {"simulator": asked.model, "subject": subject.model}
    (log,) = eval(task, model=asked.model, model_roles=roles)
    return log


def of(log):
    return log.samples[0].scores["generation"]


def test_texts_of_the_right_explanation_are_above_every_random_excerpt(neurons):
    asked, subject = writer(), fake_subject(cats)
    got = of(tried(neurons(), asked=asked, subject=subject))
    assert got.value == 1.0
    about = got.metadata
    assert about["auroc_same_length"] == 1.0
    assert (about["auroc_near"], about["share_above_cutoff"], about["cutoff"]) == (1.0, 1.0, 0.5)
    assert (about["texts_missing"], about["near_texts_missing"], about["failures"]) == (0, 0, [])
    assert about["simulator"] == "neuron-fake/writer"
    assert about["simulator_is_explainer"] is True
    assert about["subject"] == "neuron-fake-subject/subject"
    assert [text["kind"] for text in about["texts"]] == ["fits"] * 5 + ["near"] * 5
    first = about["texts"][0]
    assert "".join(first["tokens"]) == first["text"] == CATS[0]
    assert max(first["activations"]) == first["peak"] == 8.0
    assert [len(asked.requests), len(subject.requests)] == [2, 1]
    assert len(subject.requests[0]) == 1 + 10


def test_what_people_see_of_it(neurons):
    got = of(tried(neurons(), asked=writer(near=lambda _: DOGS[:4])))
    assert got.explanation.startswith(
        "AUROC 1.000; at equal length 1.000; against near misses 1.000; 100% of the texts above "
        "the cutoff of 0.5; 5 texts, 10 random excerpts. Chance: 0.5.\n\n"
        "Near misses missing: 1 (3 unreadable replies, the last: 4 of 5 texts can be used).\n\n"
        "| text | peak | |\n|---|---|---|\n| fits 1 | 8 | There was a cat number 1. |\n"
    )
    assert "| near 4 | 0 | There was a dog number 4. |" in got.explanation
    shown = got.metadata["heat map"] + got.metadata["further texts"]
    assert "\x1b[1;38;2;20;20;20;48;2;255;255;255mfits 1\x1b[22m  peak 8" in shown
    assert list(got.metadata)[:2] == ["heat map", "further texts"]


def test_the_writer_of_fitting_texts_sees_nothing_of_the_neuron(neurons):
    asked = writer()
    tried(neurons(), asked=asked)
    words = "\n".join(message.text for request in asked.requests for message in request)
    assert "of test/L0N0" not in words
    assert CATS[0] not in "\n".join(message.text for message in asked.requests[0])


def test_texts_of_another_word_do_not_reach_the_random_excerpts(neurons):
    got = of(tried(neurons(), "dogs"))
    assert got.value == 0.0  # what is noise in the excerpts is silence in the texts
    assert got.metadata["share_above_cutoff"] == 0.0
    assert got.metadata["auroc_near"] == 0.5


def test_of_a_neuron_that_fires_on_no_text_written_for_another_word_it_is_chance(neurons):
    plain = make_neuron()
    quiet = tuple(replace(r, activations=tuple(0.0 for _ in r.activations)) for r in plain.random)
    got = of(tried(neurons(replace(plain, random=quiet)), "dogs"))
    assert got.value == 0.5


def test_a_dead_neuron_is_no_measurement(neurons):
    plain = make_neuron()
    dead = {
        name: tuple(
            replace(r, activations=tuple(0.0 for _ in r.activations)) for r in getattr(plain, name)
        )
        for name in ("top", "random")
    }
    log = tried(neurons(replace(plain, **dead)), subject=fake_subject(silent), on_dead="keep")
    got = of(log)
    assert math.isnan(got.as_float())
    assert got.reason == "the neuron fires on no text"
    assert got.explanation.startswith("Not scored: the neuron fires on no text (5 texts, 10")
    assert got.metadata["texts"]
    assert math.isnan(log.results.scores[0].metrics["mean"].value)


def test_missing_texts_are_counted_and_the_rest_is_measured(neurons):
    few = fake_writer(lambda _: [*CATS[:2], CATS[1], "Cats!", CATS[2]], near=lambda _: [])
    got = of(tried(neurons(), asked=few, scorer=generation(texts=4)))
    assert got.value == 1.0  # of three: the repeated one and the explanation are no texts
    assert got.metadata["texts_missing"] == 1
    assert got.metadata["near_texts_missing"] == 3
    assert got.metadata["auroc_near"] is None
    assert "against near misses undefined" in got.explanation
    assert len(few.requests) == 6


def test_texts_of_several_replies_count_together(neurons):
    asked = writer(faults=["garbage", "missing", ""])
    got = of(tried(neurons(), asked=asked))
    assert (got.value, got.metadata["texts_missing"]) == (1.0, 0)
    assert asked.requests[1][-1].text.startswith(
        "That answer cannot be used: it holds no numbered line with a new text. Answer again, "
        "with 5 different texts"
    )
    assert "4 of 5 texts can be used" in asked.requests[2][-1].text


@pytest.mark.parametrize("fault", ["garbage", "empty"])
def test_where_no_text_can_be_read_nothing_is_measured(neurons, fault):
    subject = fake_subject(cats)
    got = of(tried(neurons(), asked=writer(faults=[fault] * 9), subject=subject))
    assert math.isnan(got.as_float())
    assert got.reason == "0 of 5 fitting texts could be read; 2 are the least"
    assert got.explanation.startswith("Not scored: 0 of 5")
    assert got.metadata["texts_missing"] == 5
    assert not subject.requests


def test_an_empty_explanation_gets_chance_and_nobody_is_asked(neurons):
    asked, subject = writer(), fake_subject(cats)
    got = of(tried(neurons(), "", asked=asked, subject=subject))
    assert (got.value, got.reason) == (0.5, "no_response")
    assert not asked.requests + subject.requests


def test_a_neuron_of_another_model_is_refused_before_anything_is_written(neurons):
    asked = writer()
    log = tried(neurons(), asked=asked, subject=fake_subject(cats, model="other"))
    assert log.status == "error"
    assert "neuron test/L0N0: is of test; the subject is other" in log.error.message
    assert not asked.requests


def test_without_a_subject_nothing_is_written(neurons):
    asked = writer()
    task = Task(
        dataset(neuron_set(parse_choice(neurons()))), solver=explains("cats"), scorer=generation()
    )
    (log,) = eval(task, model=asked.model)
    assert "no subject: name the model that has the neurons" in log.error.message
    assert not asked.requests


def test_puzzles_are_no_part_of_a_network(neurons):
    asked = writer()
    got = of(tried("puzzles", asked=asked))
    assert math.isnan(got.as_float())
    assert got.reason.endswith("is not part of a network, so no subject can be asked about it")
    assert not asked.requests


def test_a_neuron_without_random_excerpts_is_unscored(neurons):
    data = dataset(neuron_set(parse_choice(neurons())))
    record = json.loads(data[0].metadata["record"])
    for split in ("valid", "calibration"):
        record[split] = [entry for entry in record[split] if entry[0] != "random"]
    data[0].metadata["record"] = json.dumps(record)
    task = Task(data, solver=explains("cats"), scorer=generation())
    (log,) = eval(task, model=writer().model, model_roles={"subject": fake_subject(cats).model})
    assert of(log).reason == "fewer than 2 held-out random excerpts"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("error", "The subject neuron-fake-subject/subject, asked about neuron test/L0N0,"),
        ("nan", "gave an activation that is not finite"),
        ("tokens", "gave tokens that do not join to"),
        ("none", "gave no activations of 10 texts"),
    ],
)
def test_a_subject_that_fails_leaves_its_neuron_alone_unscored_with_the_reason(
    neurons, failure, message
):
    source = neurons(make_neuron(), make_neuron("test/L0N1", neuron=1))
    subject = fake_subject(cats, failures=[failure])
    task = Task(
        dataset(neuron_set(parse_choice(source))), solver=explains("cats"), scorer=generation()
    )
    roles = {"simulator": writer().model, "subject": subject.model}
    (log,) = eval(task, model="none", model_roles=roles, max_samples=1)
    failed, done = log.samples
    assert math.isnan(failed.scores["generation"].as_float())
    assert failed.scores["generation"].reason.startswith("the subject failed: ")
    assert message in failed.scores["generation"].reason
    assert done.scores["generation"].value == 1.0


def test_ignored_tokens_count_for_nothing(neurons):
    def commas(place, tokens):
        return [8.0 * (token in (" cat", ".")) for token in tokens]

    got = of(tried(neurons(), "dogs", subject=fake_subject(commas), ignore_tokens="."))
    assert got.metadata["texts"][0]["ignored"] == [6]
    assert got.metadata["texts"][0]["peak"] == 0.0


def test_a_task_scores_it_and_the_report_says_what_it_is(neurons, tmp_path):
    roles = {"simulator": writer().model, "subject": fake_subject(cats).model}
    task = summary(neurons=neurons(), simulation="none", judge="generation")
    (log,) = eval(
        task,
        model=fake_explainer("cats").model,
        model_roles={**roles},
        log_dir=str(tmp_path / "logs"),
        log_format="json",
    )
    assert of(log).value == 1.0
    runs = collect([log.location])
    (run,) = runs.runs
    assert run.writer == "neuron-fake/writer (subject neuron-fake-subject/subject)"
    text = "\n".join(map(markdown, all_tables(runs)))
    assert "generation" in text
    assert "a writer writes texts that fit the explanation" in text
    assert _model(run, "generation") == "writer"


def test_the_subject_is_a_setting_that_the_score_depends_on(neurons, tmp_path):
    source = neurons()
    identities = set()
    for name in ("one", "two", "one"):
        subject = fake_subject(cats, name=name)
        (log,) = eval(
            summary,
            task_args={"neurons": source, "simulation": "none", "judge": "generation"},
            model=fake_explainer("cats").model,
            model_roles={"simulator": writer().model, "subject": subject.model},
            log_dir=str(tmp_path / "logs"),
        )
        identities.add(identity(log))
    assert len(identities) == 2


def test_a_finished_log_can_be_scored(neurons, tmp_path):
    task = Task(dataset(neuron_set(parse_choice(neurons()))), solver=explains("cats"), scorer=[])
    (log,) = eval(task, model="none", log_dir=str(tmp_path))
    roles = {"simulator": writer().model, "subject": fake_subject(cats).model}
    assert of(score(log, generation(), model_roles=roles)).value == 1.0


def test_a_task_without_a_subject_is_refused_before_anything_is_asked(neurons):
    explainer = fake_explainer("cats")
    with pytest.raises(PrerequisiteError, match="no subject"):
        eval(
            summary,
            task_args={"neurons": neurons(), "simulation": "none", "judge": "generation"},
            model=explainer.model,
        )
    assert not explainer.requests


def test_a_task_refuses_neurons_of_another_model_before_anything_is_asked(neurons):
    explainer = fake_explainer("cats")
    subject = fake_subject(cats, model="other")
    with pytest.raises(PrerequisiteError, match="is of test; the subject is other"):
        eval(
            summary,
            task_args={"neurons": neurons(), "simulation": "none", "judge": "generation"},
            model=explainer.model,
            model_roles={"subject": subject.model},
        )
    assert not explainer.requests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": 1}, "texts=1: expected a whole number of at least 2"),
        ({"cutoff_quantile": -1}, "cutoff_quantile=-1"),
        ({"pack": "neuron_eval-2"}, "has no section generation"),
    ],
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(PrerequisiteError, match=message):
        generation(**arguments)


def test_it_is_one_of_the_judgements():
    assert len(judges("generation,detection", None)) == 2


def test_where_it_has_no_part_it_is_refused():
    with pytest.raises(UsageError, match="judge=generation: is not checked"):
        sanity(concept="rewritten", judge="generation", simulation="none")
    with pytest.raises(InputError, match="judge=generation: no comparison runs a subject"):
        make_plan(
            formats=["summary"], models=["openai/gpt-4.1"], simulator=None, embedder=None,
            epochs=1, parameters={"judge": ["detection", "generation"]},
        )  # fmt: skip
