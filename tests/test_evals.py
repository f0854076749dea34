"""Whole evals through Inspect, with fakes that state their answers."""

import math
import re

import pytest
from inspect_ai import eval, eval_set, score
from inspect_ai.event import ModelEvent
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score

from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.sources import schema
from neuron_eval.tasks import explain as explain_module
from neuron_eval.tasks import formats
from neuron_eval.testing import (
    fake,
    fake_embedder,
    fake_explainer,
    fake_simulator,
    make_neuron,
)
from neuron_eval.usage_error import UsageError

FORMATS = ("original", "summary", "highlight", "highlight_summary", "avhs")


@pytest.mark.parametrize("name", FORMATS)
def test_every_task_explains_simulates_and_scores(neurons, name):
    simulator = fake_simulator(knows)
    log = run(task(name, neurons=neurons), simulator=simulator)
    scores = by_id(log)
    right, wrong = scores["test/L0N0"], scores["test/L1N1"]
    assert right["simulation_correlation"].as_float() > 0.9
    assert abs(wrong["simulation_correlation"].as_float()) < 0.4
    assert right["adacs"].as_float() == pytest.approx(1)
    assert wrong["adacs"].as_float() < right["adacs"].as_float()
    assert right["simulation_correlation"].answer == "the word cat"
    # 10 held-out and 10 calibration excerpts per neuron, each asked for once
    assert len(simulator.requests) == 3 * 20
    assert metrics(log, "scored") == {
        "share": 1,
        "excerpts_failed": 0,
        "tokens_failed": 0,
        "explanations_cut_off": 0,
    }
    assert set(metrics(log, "simulation_correlation")) == {"mean", "stderr", "lower", "upper"}


def test_the_log_says_what_ran(neurons):
    log = run(task("summary", neurons=neurons))
    assert log.eval.metadata["task_format"] == "summary"
    assert log.eval.metadata["task_pack"] == "neuron_eval"
    assert len(log.eval.metadata["task_pack_sha256"]) == 64
    assert "neuron_eval" in log.eval.packages
    sample = log.samples[0]
    assert sample.metadata["splits"]["train"] == "top 0, 4, 8, 12, 16"
    assert sample.store["prompt"]["pack_sha256"] == log.eval.metadata["task_pack_sha256"]
    metadata = sample.scores["simulation_correlation"].metadata
    assert metadata["simulation"] == "chat"
    assert metadata["simulator"] == "neuron-fake/simulator"
    assert metadata["basis"] == "log-probabilities"
    assert metadata["simulator_is_explainer"] is False
    assert [e["excerpt"] for e in metadata["excerpts"]][:6] == [
        "top 2", "top 6", "top 10", "top 14", "top 18", "random 1",
    ]  # fmt: skip
    assert "\x1b[" in metadata["heat map"]
    assert {"simulator", "embedder"} <= set(log.stats.role_usage)


def test_the_explainer_is_asked_once_as_published(neurons):
    explainer = fake_explainer("the word cat")
    run(task("avhs", neurons=neurons), explainer=explainer)
    assert len(explainer.requests) == 3
    config = explainer.configs[0]
    assert (config.temperature, config.top_p, config.max_tokens) == (1.0, 1.0, 60)
    assert [m.role for m in explainer.requests[0]] == ["system", *["user", "assistant"] * 6, "user"]


def test_what_the_user_sets_beats_what_was_published(neurons):
    explainer = fake_explainer("the word cat")
    explainer.model.config = GenerateConfig(temperature=0.2, max_tokens=200)
    run(task("avhs", neurons=neurons), explainer=explainer)
    config = explainer.configs[0]
    assert (config.temperature, config.top_p, config.max_tokens) == (0.2, 1.0, 200)


def test_the_answer_is_cleaned_and_the_raw_one_kept(neurons):
    raw = '- "It responds to the word cat"'
    log = run(task("summary", neurons=neurons), explainer=raw)
    sample = log.samples[0]
    assert sample.output.completion == "the word cat"
    assert sample.messages[-1].text == raw
    events = [e for e in sample.events if isinstance(e, ModelEvent) and e.role is None]
    assert events[0].output.completion == raw


@pytest.mark.parametrize(
    ("explainer", "reason"),
    [
        (fake_explainer(" \n"), "no_response"),
        (fake_explainer("I can't help with that", stop_reason="content_filter"), "refusal"),
    ],
)
def test_no_explanation_scores_as_a_bad_one_with_the_reason(neurons, explainer, reason):
    simulator = fake_simulator(knows)
    log = run(task("summary", neurons=neurons), explainer=explainer, simulator=simulator)
    for scores in by_id(log).values():
        for name in ("simulation_correlation", "adacs"):
            assert (scores[name].value, scores[name].reason) == (0, reason)
    assert simulator.requests == []


def test_without_log_probabilities_values_are_read(neurons):
    log = run(task("summary", neurons=neurons), simulator=fake_simulator(knows, logprobs=False))
    metadata = by_id(log)["test/L0N0"]["simulation_correlation"].metadata
    assert metadata["basis"] == "values"


@pytest.mark.parametrize("fault", ["garbage", "truncated", "missing", "empty", "rate-limit"])
def test_a_fault_is_asked_for_again(neurons, fault):
    clean = run(task("summary", neurons=neurons), simulator=fake_simulator(knows, name="good"))
    simulator = fake_simulator(knows, faults=[fault] * 2, name=f"bad-{fault}")
    log = run(task("summary", neurons=neurons), simulator=simulator)
    assert len(simulator.requests) == 3 * 20 + 2
    assert metrics(log, "scored") == {
        "share": 1,
        "excerpts_failed": 0,
        "tokens_failed": 0,
        "explanations_cut_off": 0,
    }
    assert metrics(log, "simulation_correlation") == metrics(clean, "simulation_correlation")


def test_three_bad_replies_leave_the_excerpt_unscored_and_counted(neurons):
    def mute_on(explanation, tokens):
        # this excerpt never gets as many values as it has tokens
        return knows(explanation, tokens)[: -1 if "top2" in tokens else None]

    simulator = fake_simulator(mute_on)
    log = run(task("summary", neurons=neurons), simulator=simulator, max_samples=1)
    score = by_id(log)["test/L0N0"]["simulation_correlation"]
    assert score.metadata["excerpts_failed"] == 1
    assert score.metadata["excerpts_scored"] == 9
    assert "excerpt top 2: 3 unreadable replies, the last: index" in score.metadata["failures"][0]
    assert "excerpt top 2" in score.explanation
    assert metrics(log, "scored") == {
        "share": 1,
        "excerpts_failed": 3,
        "tokens_failed": 0,
        "explanations_cut_off": 0,
    }
    assert len(simulator.requests) == 3 * 20 + 3 * 2


def test_a_simulator_that_never_answers_measures_nothing(neurons):
    simulator = fake_simulator(knows, faults=["garbage"] * 1000)
    log = run(task("summary", neurons=neurons), simulator=simulator)
    for scores in by_id(log).values():
        score = scores["simulation_correlation"]
        assert math.isnan(score.as_float())
        assert score.reason == "no held-out excerpt was simulated"
    assert math.isnan(metrics(log, "simulation_correlation")["mean"])
    assert metrics(log, "scored") == {
        "share": 0,
        "excerpts_failed": 30,
        "tokens_failed": 0,
        "explanations_cut_off": 0,
    }
    (result,) = [s for s in log.results.scores if s.name == "simulation_correlation"]
    assert (result.scored_samples, result.unscored_samples) == (0, 3)


def test_a_constant_simulation_is_no_measurement(neurons):
    simulator = fake_simulator(lambda explanation, tokens: [0] * len(tokens))
    log = run(task("summary", neurons=neurons), simulator=simulator)
    score = by_id(log)["test/L0N0"]["simulation_correlation"]
    assert math.isnan(score.as_float())
    assert "all 0" in score.reason
    assert score.answer == "the word cat"
    assert "all 0" in score.explanation
    assert score.metadata["excerpts_scored"] == 10


def test_broken_machinery_raises(neurons):
    def broken(messages, config):
        raise ConnectionError("no server there")

    roles = {"simulator": fake("broken", broken).model, "embedder": fake_embedder(letters).model}
    explainer = fake_explainer("the word cat").model
    (log,) = eval(task("summary", neurons=neurons), model=explainer, model_roles=roles)
    assert log.status == "error"
    assert "no server there" in log.error.message


def test_a_server_that_refuses_log_probabilities_is_asked_without(neurons):
    inner = fake_simulator(knows, logprobs=False)

    def picky(messages, config):
        if config.logprobs:
            raise ValueError("400: logprobs are not supported by this model")
        return inner.model.api._respond(messages, config)

    log = run(task("summary", neurons=neurons), simulator=fake("picky", picky))
    metadata = by_id(log)["test/L0N0"]["simulation_correlation"].metadata
    assert metadata["basis"] == "values"


def test_without_a_simulator_the_explainer_simulates_at_temperature_zero(neurons):
    simulator = fake_simulator(knows)
    configs = []

    def both(messages, config):
        if "predict" in messages[0].text:
            configs.append(config)
            return simulator.model.api._respond(messages, config)
        return fake_explainer("the word cat").model.api._respond(messages, config)

    explainer = fake("both", both)
    explainer.model.config = GenerateConfig(temperature=0.9)
    roles = {"embedder": fake_embedder(letters).model}
    (log,) = eval(task("summary", neurons=neurons), model=explainer.model, model_roles=roles)
    assert log.status == "success"
    assert {config.temperature for config in configs} == {0.0}
    metadata = log.samples[0].scores["simulation_correlation"].metadata
    assert metadata["simulator_is_explainer"] is True
    assert log.stats.role_usage["simulator"].input_tokens > 0


def test_nothing_is_simulated_twice_in_epochs_or_later_evals(neurons):
    simulator = fake_simulator(knows)
    run(task("summary", neurons=neurons), simulator=simulator, epochs=2)
    run(task("original", neurons=neurons), simulator=simulator)
    assert len(simulator.requests) == 3 * 20


def test_calibration_none_halves_the_requests(neurons):
    simulator = fake_simulator(knows)
    log = run(task("summary", neurons=neurons, calibration="none"), simulator=simulator)
    assert len(simulator.requests) == 3 * 10
    assert log.samples[0].scores["simulation_correlation"].metadata["calibration"] is None


def test_embedding_simulation_is_the_cosine_of_token_and_explanation(neurons):
    embedder = fake_embedder(letters)
    log = run(task("summary", neurons=neurons, simulation="embedding"), embedder=embedder)
    metadata = by_id(log)["test/L0N0"]["simulation_correlation"].metadata
    assert metadata["simulation"] == "embedding"
    assert metadata["simulator"] == "neuron-fake/embedder"
    a, b = letters("the word cat"), letters(" cat")
    norm = math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / norm
    assert max(metadata["excerpts"][0]["expected"]) == pytest.approx(cosine, abs=1e-6)


def test_every_text_is_embedded_once_and_a_failing_embedder_asked_again(neurons):
    embedder = fake_embedder(letters, failures=2)
    log = run(task("summary", neurons=neurons), embedder=embedder)
    texts = [message.text for request in embedder.requests[2:] for message in request]
    assert len(texts) >= 3
    successful = texts[-4:]
    assert len(set(successful)) == len(successful)
    assert by_id(log)["test/L0N0"]["adacs"].metadata["embedder"] == "neuron-fake/embedder"


def test_adacs_states_the_level_of_unrelated_references(neurons):
    log = run(task("summary", neurons=neurons))
    metadata = by_id(log)["test/L0N0"]["adacs"].metadata
    assert metadata["unrelated_references"] == 2
    assert 0 < metadata["unrelated_mean"] < 1
    assert metadata["reference"] == "the word cat"


def test_the_level_of_unrelated_references_is_the_mean_of_their_cosines(tmp_path):
    vectors = {
        "said": [1.0, 0.0],
        "own": [0.8, 0.6],
        "near": [0.6, 0.8],
        "far": [0.0, 1.0],
        "against": [-0.28, 0.96],
    }
    path = tmp_path / "n.jsonl"
    made = [
        make_neuron(f"test/L0N{i}", f" word{i}", neuron=i, reference=reference)
        for i, reference in enumerate(("own", "near", "far", "against"))
    ]
    schema.write(path, made)
    embedder = fake_embedder(vectors.__getitem__)
    log = run(task("summary", neurons=str(path), simulation="none"), "said", embedder=embedder)
    score = by_id(log)["test/L0N0"]["adacs"]
    assert score.as_float() == pytest.approx(0.8)
    # Cosines of .6, 0 and -.28: neither the largest nor the one in the middle.
    assert score.metadata["unrelated_mean"] == pytest.approx(0.32 / 3)
    assert score.metadata["unrelated_references"] == 3


def test_a_neuron_without_a_reference_is_unscored_not_zero(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron(reference=None)])
    log = run(task("summary", neurons=str(path)))
    score = log.samples[0].scores["adacs"]
    assert math.isnan(score.as_float())
    assert score.reason == "no reference explanation"
    assert math.isnan(metrics(log, "adacs")["mean"])


def test_scores_are_stated_by_layer_on_request(neurons):
    log = run(task("summary", neurons=neurons, by_layer=True))
    found = metrics(log, "simulation_correlation")
    assert {"0", "1", "mean"} <= set(found)
    scores = by_id(log)
    first = [scores[i]["simulation_correlation"].as_float() for i in ("test/L0N0", "test/L1N1")]
    assert found["0"] == pytest.approx(sum(first) / 2)
    assert metrics(log, "scored") == {
        "share": 1,
        "excerpts_failed": 0,
        "tokens_failed": 0,
        "explanations_cut_off": 0,
    }


def test_short_neurons_are_refused_or_skipped_and_counted(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron(), make_neuron("test/L0N1", excerpts=9)])
    with pytest.raises(ValueError, match=r"test/L0N1: field 'top' holds 9 .*on_short=skip"):
        task("summary", neurons=str(path))
    log = run(task("summary", neurons=str(path), on_short="skip"))
    assert log.eval.metadata["neurons_skipped"] == 1
    assert "test/L0N1" in log.eval.metadata["skipped"][0]
    assert len(log.samples) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "sumary"}, "allowed are original, summary"),
        (
            {"simulation": "psychic"},
            "simulation='psychic': allowed are auto, all_at_once, chat, sparse",
        ),
        ({"calibration": "cubic"}, "allowed are linear, percentiles, none"),
        ({"headline": "f1_top"}, "headline='f1_top': allowed are pearson, spearman, cosine, auprc"),
        ({"excerpts": 0}, "excerpts=0: expected a whole number of at least 1"),
        ({"excerpts": "five"}, "excerpts='five'"),
        ({"cutoff_quantile": -1}, "cutoff_quantile=-1"),
        ({"on_short": "drop"}, "on_short='drop': allowed are error, skip"),
        ({"by_layer": "maybe"}, "by_layer='maybe': allowed are true, false"),
        ({"pack": "nowhere.yaml"}, "prompt pack nowhere.yaml"),
        ({"neurons": "gpt5"}, "neurons=gpt5: there is no such file, folder or bundled set"),
        ({"neurons": "nowhere.jsonl"}, "neurons=nowhere.jsonl: there is no such file"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(neurons, arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        explain_module.explain(**{"neurons": neurons, **arguments})


def test_the_general_task_runs_any_format(neurons):
    log = run(explain_module.explain(format="highlight", neurons=neurons))
    assert log.eval.metadata["task_format"] == "highlight"
    assert "[ cat]" in log.samples[0].messages[-2].text


def test_any_solver_runs_on_any_task(neurons):
    from neuron_eval.explain.solvers import avhs

    log = run(task("summary", neurons=neurons), solver=avhs())
    assert log.samples[0].store["prompt"]["format"] == "avhs"


def test_an_overlong_prompt_fails_with_a_clear_error(neurons):
    explainer = fake_explainer("too long", stop_reason="model_length")
    (log,) = eval(task("original", neurons=neurons), model=explainer.model)
    assert log.status == "error"
    assert "does not fit into the context window of neuron-fake/explainer" in log.error.message
    assert "-T excerpts" in log.error.message


def test_a_model_that_reasons_in_secret_gets_more_room(neurons):
    asked = []

    def thinker(messages, config):
        asked.append(config.max_tokens)
        ready = config.max_tokens is None
        answer = fake_explainer("the word cat" if ready else "", "stop" if ready else "max_tokens")
        return answer.model.api._respond(messages, config)

    log = run(task("summary", neurons=neurons), explainer=fake("thinker", thinker), limit=1)
    assert asked == [60, None]
    assert log.samples[0].output.completion == "the word cat"
    assert len(log.samples[0].messages) == 15


def test_an_eval_can_be_scored_again_by_another_simulator(neurons):
    log = run(task("summary", neurons=neurons))
    assert isinstance(log.samples[0].scores["adacs"], Score)
    again = score(log, simulation_correlation(simulation="embedding"), action="append")
    names = {s.name for s in again.results.scores}
    assert "simulation_correlation" in names
    metadata = [
        s.metadata
        for s in again.samples[0].scores.values()
        if s.metadata and "simulation" in s.metadata
    ]
    assert {m["simulation"] for m in metadata} == {"chat", "embedding"}


def test_an_eval_set_of_five_tasks_and_two_models_gives_ten_logs(neurons, tmp_path):
    tasks = [task(name, neurons=neurons) for name in FORMATS]
    models = [fake_explainer("the word cat", name=name).model for name in ("one", "two")]
    roles = {"simulator": fake_simulator(knows).model, "embedder": fake_embedder(letters).model}
    success, logs = eval_set(
        tasks, str(tmp_path / "set"), model=models, model_roles=roles, retry_attempts=0
    )
    assert success
    assert len(logs) == 10
    assert len({(log.eval.task, log.eval.model) for log in logs}) == 10


@pytest.mark.parametrize("name", FORMATS)
def test_the_baseline_reads_every_format(neurons, name):
    roles = {"embedder": fake_embedder(letters).model}
    made = task(name, neurons=neurons, simulation="auto")
    logs = [eval(made, model="neuron-baseline/lexical", model_roles=roles)[0] for _ in range(2)]
    assert [log.status for log in logs] == ["success"] * 2
    answers = [[sample.output.completion for sample in log.samples] for log in logs]
    assert answers[0] == answers[1] == ['the word "cat".', 'the word "dog".', 'the word "tree".']
    assert logs[0].samples[0].output.usage.input_tokens > 300
    metadata = logs[0].samples[0].scores["simulation_correlation"].metadata
    assert metadata["simulation"] == "embedding"


def test_the_baseline_cannot_simulate(neurons):
    made = task("summary", neurons=neurons)
    (log,) = eval(made, model="neuron-baseline/lexical")
    assert log.status == "error"
    assert "neuron-baseline/lexical cannot simulate" in log.error.message


def test_the_baseline_has_one_model():
    with pytest.raises(ValueError, match="the only model is 'lexical'"):
        get_model("neuron-baseline/semantic")


def test_metrics_of_nothing_are_not_numbers(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron()])
    log = run(task("summary", neurons=str(path)))
    found = metrics(log, "simulation_correlation")
    assert found["mean"] > 0.9
    assert all(math.isnan(found[name]) for name in ("stderr", "lower", "upper"))


@pytest.mark.parametrize("way", ["chat", "sparse", "per_token"])
def test_no_log_probabilities_stay_in_the_log(neurons, way):
    log = run(task("summary", neurons=neurons, simulation=way, calibration="none"))
    events = [e for s in log.samples for e in s.events if isinstance(e, ModelEvent)]
    asked = [e for e in events if e.role == "simulator"]
    assert len(asked) > 3
    assert all(event.config.top_logprobs == 15 for event in asked)
    for event in asked:
        assert '"logprob":' not in event.model_dump_json()


WORDS = [" cat", " dog", " tree"]


@pytest.fixture
def neurons(tmp_path):
    path = tmp_path / "neurons.jsonl"
    made = [
        make_neuron(f"test/L{i}N{i}", word, layer=i // 2, neuron=i, reference=f"the word{word}")
        for i, word in enumerate(WORDS)
    ]
    schema.write(path, made)
    return str(path)


def knows(explanation, tokens):
    """Fires on the words that the explanation names."""
    named = set(explanation.split()) - {"the", "word"}
    return [9.5 if t.strip() in named else 0.25 * (i % 2) for i, t in enumerate(tokens)]


def letters(text):
    return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]


def task(name, **parameters):
    """A task whose simulator is asked for one excerpt at a time."""
    given = {"simulation": "chat", "excerpts_per_call": 1, "calibration": "linear", **parameters}
    return getattr(formats, name)(**given)


def run(task, explainer="the word cat", simulator=None, embedder=None, **options):
    explainer = fake_explainer(explainer) if isinstance(explainer, str) else explainer
    simulator = simulator or fake_simulator(knows)
    embedder = embedder or fake_embedder(letters)
    roles = {"simulator": simulator.model, "embedder": embedder.model}
    (log,) = eval(task, model=explainer.model, model_roles=roles, **options)
    assert log.status == "success", log.error
    return log


def metrics(log, scorer):
    (found,) = [s for s in log.results.scores if s.name == scorer]
    return {name: metric.value for name, metric in found.metrics.items()}


def by_id(log):
    return {sample.id: sample.scores for sample in log.samples}
