"""Whole evals of the task `rate`, with raters that state what they think."""

import json
import math
from statistics import fmean

import pytest
from inspect_ai import eval, eval_retry, score
from inspect_ai.log import read_eval_log
from inspect_ai.model import GenerateConfig

from neuron_eval.rating import asking
from neuron_eval.records.splits import from_metadata
from neuron_eval.reporting.collecting import collect
from neuron_eval.scorers.rating import rating
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.given import given as given_task
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import (
    fake,
    fake_embedder,
    fake_explainer,
    fake_rater,
    make_neuron,
    question_in,
)
from neuron_eval.usage_error import UsageError


def test_a_file_is_rated_and_the_numbers_are_those_worked_out_by_hand(neurons, file):
    rater = fake_rater(like)
    log = run(rate(explanations=file, neurons=neurons), rater)
    found = metrics(log)
    # cat: a and c 5, b 3; dog: a 4, b 3, c 1; tree: a 2, b and c 4
    assert found["a rating"] == pytest.approx(11 / 3)
    assert found["b rating"] == pytest.approx(10 / 3)
    assert found["c rating"] == pytest.approx(10 / 3)
    assert found["a chosen"] == pytest.approx(2 / 3)
    assert found["b chosen"] == pytest.approx(1 / 3)
    assert found["c chosen"] == pytest.approx(2 / 3)
    assert found["a lower"] < found["a rating"] < found["a upper"]
    assert not [name for name in found if name.startswith(("place", "repeated", "planted"))]
    assert len(rater.requests) == 3
    cat = scores(log)["test/L0N0"]
    assert cat.metadata["ratings"] == {"a": 5, "b": 3, "c": 5}
    assert cat.metadata["best"] == {"a": 1, "b": 0, "c": 1}
    assert cat.metadata["shared"] == [["a", "c"]]
    assert cat.as_float() == pytest.approx(13 / 3)
    assert log.eval.metadata["rated_columns"] == ["a", "b", "c"]
    assert log.eval.metadata["explanations"] == ["said.jsonl"]
    assert log.eval.metadata["neurons_left_out"] == 1


def test_a_sample_holds_what_a_report_joins_by(neurons, file):
    log = run(rate(explanations=file, neurons=neurons))
    (sample,) = (sample for sample in log.samples if sample.id == "test/L1N1")
    about = sample.metadata
    assert (sample.id, about["layer"], about["neuron"], about["group"]) == ("test/L1N1", 1, 1, "")
    assert about["explanations"] == {"a": "the word dog", "b": "pets", "c": "barking"}
    assert from_metadata(about, sample.id).neuron.id == "test/L1N1"


def test_no_message_says_which_column_an_explanation_is_from(neurons, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("layer,neuron,ZEBRA,YAK\n0,0,cats.,dogs.\n", encoding="utf-8")
    rater = fake_rater(like)
    run(rate(explanations=str(path), neurons=neurons, planted=False), rater)
    (messages,) = rater.requests
    told = json.dumps([message.model_dump() for message in messages])
    assert "cats." in told
    assert "ZEBRA" not in told
    assert "YAK" not in told


def test_logs_are_rated_one_column_a_log_with_the_neurons_that_they_hold(neurons, tmp_path):
    for name in ("summary", "avhs"):
        eval(
            getattr(formats, name)(neurons=neurons, simulation="none", excerpts=2),
            model=fake_explainer(f"{name} words", name=name).model,
            model_roles={"embedder": fake_embedder(lambda text: [1.0, len(text)]).model},
            log_dir=str(tmp_path / "explained"),
        )
    rater = fake_rater(lambda question, text: 5 if text == "avhs words" else 2)
    log = run(rate(explanations=str(tmp_path / "explained")), rater)
    found = metrics(log)
    assert (found["avhs rating"], found["avhs chosen"]) == (5, 1)
    assert (found["summary rating"], found["summary chosen"]) == (2, 0)
    assert log.eval.metadata["rated_columns"] == ["summary", "avhs"]
    shown = question_in(rater.requests[0])
    assert [one.name for one in shown.excerpts] == ["top 0", "top 4"]
    collected = collect([str(tmp_path / "explained"), str(log.location)])
    assert [run.format for run in collected.runs] == ["summary", "avhs"]
    (said,) = collected.raters
    assert (said.name, said.columns) == ("neuron-fake/rater", ("summary", "avhs"))
    assert all(one.ratings == {"summary": 2, "avhs": 5} for one in said.judgements)


def test_a_neuron_that_one_log_does_not_explain_is_left_out_and_counted(neurons, tmp_path):
    def silent_on_dogs(text):
        return "" if " dog" in text.rpartition("Excerpts and activations:")[2] else "words"

    for name, answer in (("summary", silent_on_dogs), ("avhs", "more words")):
        eval(
            getattr(formats, name)(neurons=neurons, simulation="none"),
            model=fake_explainer(answer, name=name).model,
            model_roles={"embedder": fake_embedder(lambda text: [1.0]).model},
            log_dir=str(tmp_path / "explained"),
        )
    log = run(rate(explanations=str(tmp_path / "explained")))
    assert {sample.id for sample in log.samples} == {"test/L0N0", "test/L2N2"}
    assert log.eval.metadata["neurons_left_out"] == 1


@pytest.mark.parametrize("fault", ["garbage", "truncated", "missing", "off-scale", "empty"])
def test_a_bad_answer_is_asked_for_again_with_what_was_wrong(neurons, file, fault):
    clean = metrics(run(rate(explanations=file, neurons=neurons)))
    rater = fake_rater(like, faults=[fault] * 2)
    log = run(rate(explanations=file, neurons=neurons), rater, max_samples=1)
    assert len(rater.requests) == 3 + 2
    assert metrics(log) == clean
    roles = [message.role for message in rater.requests[2]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert rater.requests[2][-1].text.startswith("That answer cannot be used: ")


def test_three_bad_answers_leave_a_neuron_unscored_with_the_reason(neurons, file):
    rater = fake_rater(like, faults=["off-scale"] * 3)
    log = run(rate(explanations=file, neurons=neurons), rater, max_samples=1)
    first = scores(log)["test/L0N0"]
    assert math.isnan(first.as_float())
    assert first.reason == "unreadable answer"
    assert "the rating of A is 6, not a whole number from 1 to 5" in first.explanation
    (result,) = log.results.scores
    assert (result.scored_samples, result.unscored_samples) == (2, 1)
    assert metrics(log)["a rating"] == 3
    assert len(rater.requests) == 5


def test_a_skipped_neuron_is_unscored_and_not_asked_about_again(neurons, file):
    rater = fake_rater(like, faults=["skip"])
    log = run(rate(explanations=file, neurons=neurons), rater, max_samples=1)
    first = scores(log)["test/L0N0"]
    assert (first.reason, first.explanation) == ("skipped", "Skipped: I cannot tell")
    assert len(rater.requests) == 3


def test_an_eval_in_which_nobody_answers_has_no_numbers(neurons, file):
    log = run(rate(explanations=file, neurons=neurons), fake_rater(like, faults=["empty"] * 9))
    assert all(math.isnan(value) for value in metrics(log).values())


def test_a_person_is_asked_once_and_in_one_order(neurons, file, monkeypatch):
    monkeypatch.setattr(asking, "PERSON", "neuron-fake/")
    rater = fake_rater(like, faults=["missing"])
    log = run(rate(explanations=file, neurons=neurons, orders=4), rater, max_samples=1)
    assert len(rater.requests) == 3
    assert rater.configs[0].temperature is None
    assert scores(log)["test/L0N0"].reason == "unreadable answer"


def test_a_language_model_is_asked_at_temperature_0_unless_the_user_says_otherwise(neurons, file):
    rater = fake_rater(like)
    run(rate(explanations=file, neurons=neurons), rater)
    assert (rater.configs[0].temperature, rater.configs[0].max_tokens) == (0, asking.MAX_TOKENS)
    rater.model.config = GenerateConfig(temperature=0.7, max_tokens=50)
    run(rate(explanations=file, neurons=neurons), rater)
    assert (rater.configs[-1].temperature, rater.configs[-1].max_tokens) == (0.7, 50)


def test_the_answer_is_wanted_by_schema_where_the_provider_takes_one(neurons, file, monkeypatch):
    rater = fake_rater(like)
    run(rate(explanations=file, neurons=neurons), rater)
    assert rater.configs[0].response_schema is None
    monkeypatch.setattr(asking, "BY_SCHEMA", frozenset(["neuron-fake"]))
    run(rate(explanations=file, neurons=neurons), rater)
    assert rater.configs[-1].response_schema.name == "rating"


def test_a_server_that_refuses_the_schema_is_asked_without(neurons, file, monkeypatch):
    monkeypatch.setattr(asking, "BY_SCHEMA", frozenset(["neuron-fake"]))
    honest = fake_rater(like, name="honest")

    def respond(messages, config):
        if config.response_schema is not None:
            raise ValueError("400: response_format of type json_schema is not supported")
        return honest.model.api._respond(messages, config)

    rater = fake("refuses", respond)
    log = run(rate(explanations=file, neurons=neurons), rater, max_samples=1)
    assert metrics(log)["a rating"] == pytest.approx(11 / 3)
    assert len(rater.requests) == 3 + 1


def test_several_orders_are_averaged_and_show_the_bias_of_places(neurons, file):
    def first_is_best(question, explanation):
        return 5 if question.options[0].explanation == explanation else 3

    rater = fake_rater(first_is_best)
    log = run(rate(explanations=file, neurons=neurons, orders=6), rater)
    assert len(rater.requests) == 3 * 6
    found = metrics(log)
    options = [
        len(turn["ratings"]) for one in scores(log).values() for turn in one.metadata["places"]
    ]
    assert len(options) == 3 * 6
    means = [3 + 2 / n for n in options]
    assert found["place 1 rating"] == pytest.approx(5 - fmean(means))
    assert found["place 2 rating"] == pytest.approx(3 - fmean(means))
    assert found["place 1 chosen"] == pytest.approx(1 - fmean(1 / n for n in options))
    assert found["place 2 chosen"] == pytest.approx(-fmean(1 / n for n in options))
    # Six orders show two, or three, explanations equally often first.
    dog = scores(log)["test/L1N1"].metadata
    assert dog["ratings"] == pytest.approx(dict.fromkeys("abc", 11 / 3))
    assert dog["best"] == pytest.approx(dict.fromkeys("abc", 1 / 3))
    assert [place["best"] for place in dog["places"]] == [1] * 6


def test_an_order_without_an_answer_is_left_out(neurons, file):
    rater = fake_rater(like, faults=["garbage"] * 3)
    log = run(rate(explanations=file, neurons=neurons, orders=2), rater, max_samples=1)
    first = scores(log)["test/L0N0"]
    assert first.metadata["ratings"] == {"a": 5, "b": 3, "c": 5}
    assert len(first.metadata["places"]) == 1
    assert len(first.metadata["failures"]) == 1


def test_neurons_shown_twice_measure_the_rater_and_do_not_count_twice(neurons, file):
    def fickle(question, explanation):
        return 5 if question.id.endswith("#2") else like(question, explanation)

    once = metrics(run(rate(explanations=file, neurons=neurons)))
    log = run(rate(explanations=file, neurons=neurons, repeat=3), fake_rater(fickle))
    found = metrics(log)
    assert {name: found[name] for name in once} == once
    # To 5 are missing 0, 2, 0; 1, 2, 4; 3, 1, 1.
    assert found["repeated difference"] == pytest.approx(14 / 9)
    ids = {sample.id for sample in log.samples}
    assert ids == {f"test/L{i}N{i}{again}" for i in range(3) for again in ("", "#2")}
    titles = {question_in(sample.messages).title for sample in log.samples}
    assert titles == {f"neuron {i} in layer {i} of test" for i in range(3)}


def test_a_planted_explanation_is_among_the_options_and_credited_to_nobody(neurons, file):
    rater = fake_rater(like)
    log = run(rate(explanations=file, neurons=neurons, planted=True), rater)
    for sample in log.samples:
        planted = sample.metadata["planted"]
        assert planted["neuron"] != sample.id
        assert planted["explanation"] not in sample.metadata["explanations"].values()
        options = [one.explanation for one in question_in(sample.messages).options]
        assert planted["explanation"].strip() in options
        assert set(sample.scores["rating"].metadata["ratings"]) == {"a", "b", "c"}
    assert {"planted rating", "planted lowest", "planted chosen"} <= set(metrics(log))


def test_the_order_is_the_raters_own(neurons, file):
    def orders(name):
        rater = fake_rater(like, name=name)
        run(rate(explanations=file, neurons=neurons), rater, max_samples=1)
        return [[o.explanation for o in question_in(r).options] for r in rater.requests]

    assert orders("alice") == orders("alice")
    assert len({json.dumps(orders(f"rater {i}")) for i in range(5)}) > 1


def test_limit_draws_by_the_seed(neurons, file):
    def drawn(seed):
        task = rate(explanations=file, neurons=neurons, limit=1, seed=seed)
        return [sample.id for sample in task.dataset]

    assert drawn(0) == drawn(0)
    assert {id_ for seed in range(20) for id_ in drawn(seed)} > set(drawn(0))


def test_scoring_again_gives_the_same_scores(neurons, file):
    log = run(rate(explanations=file, neurons=neurons, orders=2, planted=True))
    again = score(log, rating(), action="overwrite")
    assert [s.scores["rating"].value for s in again.samples] == [
        s.scores["rating"].value for s in log.samples
    ]
    assert metrics(again) == metrics(log)


def test_a_retried_eval_asks_only_what_was_not_answered(neurons, file):
    left = ["", "broken"]

    def fails_once(question, explanation):
        if question.id == "test/L1N1" and left:
            left.clear()
            raise RuntimeError("the rater broke")
        return like(question, explanation)

    rater = fake_rater(fails_once, name="breaks once")
    (log,) = eval(rate(explanations=file, neurons=neurons), model=rater.model, max_samples=1)
    assert log.status == "error"
    (again,) = eval_retry(log, max_samples=1)
    assert again.status == "success"
    assert len(rater.requests) == 2 + 2
    assert metrics(read_eval_log(again.location))["a rating"] == pytest.approx(11 / 3)


def test_explanations_without_activations_cannot_be_shown(neurons, file, tmp_path):
    references = tmp_path / "references.csv"
    references.write_text("layer,neuron,explanation\n0,0,cats\n", encoding="utf-8")
    eval(
        given_task(explanations=file, column="a", references=str(references)),
        model=fake_explainer("x").model,
        model_roles={"embedder": fake_embedder(lambda text: [1.0]).model},
        log_dir=str(tmp_path / "given"),
    )
    with pytest.raises(UsageError, match=r"sample given/L\dN\d: metadata holds no 'record'"):
        rate(explanations=str(tmp_path / "given"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"explanations": ""}, "explanations='': expected logs, or one file that ends in .csv"),
        ({"explanations": "FILE"}, "a file holds no activations; name neurons too"),
        ({"explanations": ["FILE", "x.csv"]}, "expected one file, or logs only"),
        ({"explanations": "nowhere", "neurons": "NEURONS"}, "logs hold their neurons"),
        ({"explanations": "nowhere"}, "nowhere: there is no such log file or folder"),
        ({"explanations": "FOLDER"}, "no log of explanations: no log files"),
        ({"explanations": "nowhere.csv", "neurons": "NEURONS"}, "nowhere.csv: No such file"),
        ({"explanations": "FILE", "neurons": "puzzles"}, "said.jsonl explains none of them"),
        ({"excerpts": 5}, "excerpts=5: allowed are train, valid"),
        ({"orders": 0}, "orders=0: expected a whole number of at least 1"),
        ({"repeat": -1}, "repeat=-1: expected a whole number of at least 0"),
        ({"repeat": 4}, "repeat=4: there are only 3 neurons"),
        ({"planted": "yes"}, "planted='yes': allowed are true, false"),
        ({"limit": 0}, "limit=0: expected a whole number of at least 1"),
        ({"pack": "nowhere.yaml"}, "prompt pack nowhere.yaml: No such file"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(neurons, file, tmp_path, parameters, message):
    (tmp_path / "empty").mkdir()
    named = {"FILE": file, "NEURONS": neurons, "FOLDER": str(tmp_path / "empty")}
    whole = parameters if "explanations" in parameters else {
        "explanations": "FILE", "neurons": "NEURONS", **parameters
    }  # fmt: skip
    given = {
        name: [named.get(one, one) for one in value]
        if isinstance(value, list)
        else named.get(value, value)
        for name, value in whole.items()
    }
    with pytest.raises(UsageError) as error:
        rate(**given)
    assert message in str(error.value)


def test_the_explanations_of_a_folder_are_read_while_a_rater_logs_into_it(neurons, file, tmp_path):
    log = run(rate(explanations=file, neurons=neurons), log_dir=str(tmp_path / "logs"))
    with pytest.raises(UsageError, match="holds ratings"):
        rate(explanations=str(log.location))


WORDS = (" cat", " dog", " tree")

SAID = {
    "a": ["the word cat", "the word dog", "the word tree"],
    "b": ["pets", "pets", "plants"],
    "c": ["the word cat ", "barking", "plants"],
}

LIKED = {"the word cat": 5, "the word dog": 4, "the word tree": 2, "pets": 3, "plants": 4}


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
    """Explanations of all three neurons in all three columns, and of one that is in no source."""
    rows = [{"layer": i, "neuron": i} | {c: SAID[c][i] for c in SAID} for i in range(3)]
    rows.append({"layer": 9, "neuron": 9, "a": "x", "b": "y", "c": "z"})
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def like(question, explanation):
    return LIKED.get(explanation, 1)


def run(task, rater=None, **options):
    (log,) = eval(task, model=(rater or fake_rater(like)).model, **options)
    assert log.status == "success", log.error
    return log


def metrics(log):
    (found,) = log.results.scores
    return {name: metric.value for name, metric in found.metrics.items()}


def scores(log):
    return {sample.id: sample.scores["rating"] for sample in log.samples}
