"""Logs of ratings, made by whole evals, as a report reads them."""

import json
from statistics import fmean

import pytest
from inspect_ai import eval
from inspect_ai.log import write_eval_log

from neuron_eval.logs.files import headers
from neuron_eval.reporting.collecting import collect
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake_embedder, fake_explainer, fake_rater, make_neuron

WORDS = (" cat", " dog", " tree")


@pytest.fixture
def neurons(tmp_path):
    made = [
        make_neuron(f"test/L{i}N{i}", word, layer=i, neuron=i, reference=f"the word{word}")
        for i, word in enumerate(WORDS)
    ]
    schema.write(tmp_path / "neurons.jsonl", made)
    return str(tmp_path / "neurons.jsonl")


@pytest.fixture
def file(tmp_path):
    rows = [{"layer": i, "neuron": i, "Long": f"long{WORDS[i]}", "Short": "s"} for i in range(3)]
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rating(task, rate, name="rater", **options):
    (log,) = eval(task, model=fake_rater(rate, name=name).model, **options)
    assert log.status == "success", log.error
    return log


def long_is_good(question, explanation):
    return 5 if explanation.startswith("long") else 2


def explained(neurons, folder, name="summary", **parameters):
    (log,) = eval(
        getattr(formats, name)(neurons=neurons, simulation="none", **parameters),
        model=fake_explainer(f"{name} words", name=name).model,
        model_roles={"embedder": fake_embedder(lambda text: [1.0, len(text)]).model},
        log_dir=str(folder),
    )
    assert log.status == "success", log.error
    return log


def test_a_log_of_ratings_is_read_with_what_was_skipped_and_what_was_shown_twice(neurons, file):
    rater = fake_rater(long_is_good, faults=["skip"])
    task = rate(explanations=file, neurons=neurons, repeat=3, planted=True)
    (log,) = eval(task, model=rater.model, max_samples=1)
    (found,) = collect([log.location]).raters
    assert (found.name, found.columns, found.excerpts) == (
        "neuron-fake/rater", ("Long", "Short"), "train",
    )  # fmt: skip
    assert not found.person
    assert len(found.neurons) == 3
    (unrated,) = [one for one in found.neurons if one.judgement is None]
    assert unrated.reason == "Skipped: I cannot tell"
    assert unrated.planted == ()
    for one in found.judgements:
        assert one.ratings == {"Long": 5, "Short": 2}
        assert one.best == {"Long": 1, "Short": 0}
    assert all(one.again == one.judgement for one in found.neurons if one.judgement)
    assert all(len(one.planted) == 1 for one in found.neurons if one.judgement)


def test_the_epochs_of_a_rating_are_averaged_in_the_log_and_in_the_report(neurons, file):
    counted = []

    def changing(question, explanation):
        counted.append(question.id)
        return 5 if explanation == "s" and counted.count(question.id) > 2 else 3

    task = rate(explanations=file, neurons=neurons)
    log = rating(task, changing, epochs=2, max_samples=1)
    (found,) = collect([log.location]).raters
    assert [one.ratings["Short"] for one in found.judgements] == [4, 4, 4]
    metrics = {name: metric.value for name, metric in log.results.scores[0].metrics.items()}
    assert (metrics["Short rating"], metrics["Long rating"]) == (4, 3)
    assert metrics["Short chosen"] == fmean(one.best["Short"] for one in found.judgements)


def test_an_epoch_without_an_answer_loses_nothing_but_itself(neurons, file):
    rater = fake_rater(long_is_good, faults=["garbage"] * 3)
    (log,) = eval(rate(explanations=file, neurons=neurons), model=rater.model, epochs=2,
                  max_samples=1)  # fmt: skip
    assert log.status == "success"
    metrics = {name: metric.value for name, metric in log.results.scores[0].metrics.items()}
    assert (metrics["Long rating"], metrics["Short rating"]) == (5, 2)
    (found,) = collect([log.location]).raters
    assert len(found.judgements) == 3


def test_of_two_logs_of_one_rater_asked_the_same_the_fuller_one_counts(neurons, file, tmp_path):
    task = rate(explanations=file, neurons=neurons)
    rating(task, long_is_good, log_dir=str(tmp_path / "r"))
    rating(task, long_is_good, log_dir=str(tmp_path / "r"), limit=2)
    rating(rate(explanations=file, neurons=neurons, excerpts="valid"), long_is_good,
           log_dir=str(tmp_path / "r"))  # fmt: skip
    found = collect([str(tmp_path / "r")])
    assert [(one.excerpts, len(one.neurons)) for one in found.raters] == [
        ("train", 3),
        ("valid", 3),
    ]
    (note,) = found.notes
    assert "left out: run again as" in note


def test_a_log_without_answers_yet_is_named_and_left_out(neurons, file, tmp_path):
    log = rating(rate(explanations=file, neurons=neurons), long_is_good, score=False)
    kept = rating(rate(explanations=file, neurons=neurons, seed=1), long_is_good)
    found = collect([log.location, kept.location])
    assert len(found.raters) == 1
    name = f"({log.eval.task})"
    assert found.notes[0].endswith(f"{name} waits for the answers of neuron-fake/rater")


def test_an_unfinished_log_of_ratings_is_named_and_left_out(neurons, file, tmp_path):
    log = rating(rate(explanations=file, neurons=neurons), long_is_good)
    log.status = "cancelled"
    write_eval_log(log, str(tmp_path / "cut.eval"))
    logs, notes = headers([str(tmp_path / "cut.eval")])
    assert logs == []
    assert notes == [f"cut.eval ({log.eval.task}) did not finish: its status is cancelled"]


def test_only_the_named_columns_are_rated(neurons, file):
    log = rating(rate(explanations=file, neurons=neurons, columns="short"), long_is_good)
    assert log.eval.metadata["rated_columns"] == ["Short"]
    both = rating(rate(explanations=file, neurons=neurons, columns=["Short", "Long"]), long_is_good)
    assert both.eval.metadata["rated_columns"] == ["Long", "Short"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("Longest", "columns=Longest: .*said.jsonl has Long, Short"),
        ("Long,", "columns='Long,': expected names of columns, separated by commas"),
        ([1], r"columns=\[1\]: expected names"),
    ],
)
def test_columns_that_are_not_there_are_refused(neurons, file, columns, message):
    with pytest.raises(ValueError, match=message):
        rate(explanations=file, neurons=neurons, columns=columns)


def test_formats_of_logs_are_chosen_by_name(neurons, tmp_path):
    for name in ("summary", "avhs"):
        explained(neurons, tmp_path / "explained", name, excerpts=2)
    log = rating(rate(explanations=str(tmp_path / "explained"), columns="AVHS"), long_is_good)
    assert log.eval.metadata["rated_columns"] == ["avhs"]
    with pytest.raises(ValueError, match=r"columns=original: .* has summary, avhs"):
        rate(explanations=str(tmp_path / "explained"), columns="original")


def test_logs_whose_explainers_saw_other_excerpts_are_rated_with_a_warning(
    neurons, tmp_path, caplog
):
    explained(neurons, tmp_path / "explained", "summary", excerpts=2)
    explained(neurons, tmp_path / "explained", "avhs", excerpts=1)
    task = rate(explanations=str(tmp_path / "explained"))
    (said,) = [one.getMessage() for one in caplog.records if one.name.startswith("neuron_eval")]
    assert said == (
        "The explainers of 3 neurons, test/L0N0 among them, saw other excerpts in some of the "
        "logs; the rater sees those of summary."
    )
    assert len(task.dataset) == 3


def test_a_person_is_asked_everything_at_once_and_a_model_is_not(neurons, file, tmp_path):
    parameters = {"explanations": file, "neurons": neurons}
    # score=False and no sample: nobody is asked, and the header says how it would have been.
    for model, expected in (("human/alice", 3), (fake_rater(long_is_good).model, None)):
        (log,) = eval(rate, task_args=parameters, model=model, sample_id=[], score=False)
        assert log.plan.config.max_connections == expected
    assert rate(file, neurons).config.max_connections is None
