"""Which way to simulate runs, decided from replies, refused early, and added later."""

import json
import re
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log
from inspect_ai.model import GenerateConfig, Model

from neuron_eval.cli.main import main
from neuron_eval.explain.solvers import avhs
from neuron_eval.models.requests import cache_policy
from neuron_eval.records.splits import from_metadata
from neuron_eval.reporting.summary import summaries
from neuron_eval.rescore import CannotScoreError, rescore, score_name
from neuron_eval.simulation.limits import refuses_logprobs
from neuron_eval.simulation.measure import measure
from neuron_eval.sources import schema
from neuron_eval.stats import fit_percentiles
from neuron_eval.tasks import formats
from neuron_eval.testing import (
    fake,
    fake_embedder,
    fake_explainer,
    fake_simulator,
    make_neuron,
)
from neuron_eval.usage_error import UsageError


@pytest.mark.parametrize("logprobs", [True, False])
def test_auto_takes_sparse_where_the_server_gives_nothing_of_the_prompt(neurons, logprobs):
    log = run(formats.summary(neurons=neurons), fake_simulator(knows, logprobs=logprobs))
    assert log.status == "success", log.error
    assert {m["simulation"] for m in simulated(log)} == {"sparse"}
    assert {m["simulation_why"] for m in simulated(log)} == {
        "its server gives no log-probabilities of the prompt; chat takes more tokens"
    }


def test_auto_does_not_ask_a_model_that_reasons_for_log_probabilities(neurons):
    simulator = fake_simulator(knows)
    simulator.model.config = GenerateConfig(reasoning_effort="low")
    log = run(formats.summary(neurons=neurons), simulator)
    assert {m["simulation"] for m in simulated(log)} == {"sparse"}
    assert all(config.logprobs is None for config in simulator.configs)
    assert all(config.temperature is None for config in simulator.configs)


@pytest.mark.parametrize(
    ("way", "question", "times"),
    [("auto", "animals", 2), ("per_token", "legs", 1)],  # two ways to ask for the prompt's
)
def test_the_decision_is_made_once_an_eval(neurons, way, question, times):
    simulator = fake_simulator(knows)
    run(formats.summary(neurons=neurons, simulation=way), simulator)
    asked = [m[-1].text for m in simulator.requests if question in m[-1].text]
    assert len(asked) == times


@pytest.mark.parametrize("way", ["all_at_once", "per_token"])
def test_a_way_that_the_simulator_cannot_do_is_refused_before_anything_is_explained(neurons, way):
    explainer = fake_explainer("a cat")
    simulator = fake_simulator(knows, logprobs=False)
    log = run(formats.summary(neurons=neurons, simulation=way), simulator, explainer)
    assert log.status == "error"
    assert "log-probabilities" in log.error.message
    assert way in log.error.message
    assert explainer.requests == []


@pytest.mark.parametrize("way", ["chat", "sparse", "per_token"])
def test_every_way_gives_the_truth_to_a_simulator_that_knows_it(neurons, way):
    def truth(explanation, tokens):
        return [(3 * len(t) + i) % 11 for i, t in enumerate(tokens)]

    records = {r.text: r for n in schema.read(Path(neurons)) for r in n.top + n.random}
    simulator = fake_simulator(truth, excerpts=[r.tokens for r in records.values()])
    log = run(formats.summary(neurons=neurons, simulation=way), simulator)
    assert log.status == "success", log.error
    for sample in log.samples:
        held_out = {e.name: e for e in from_metadata(sample.metadata, sample.id).valid}
        metadata = sample.scores["simulation_correlation"].metadata
        assert len(metadata["excerpts"]) == 10
        for excerpt in metadata["excerpts"]:
            record = held_out[excerpt["excerpt"]].record
            assert records[record.text] == record
            tokens = record.tokens
            # the first token is the excerpt's own name, whose length varies within a kind
            assert excerpt["expected"][1:] == pytest.approx(truth("", tokens)[1:], abs=1e-9)


@pytest.mark.parametrize("value", [0, -1, "two", True])
def test_a_bad_excerpts_per_call_is_refused(neurons, value):
    with pytest.raises(ValueError, match=re.escape(f"excerpts_per_call={value!r}")):
        formats.summary(neurons=neurons, excerpts_per_call=value)


def test_excerpts_per_call_sets_the_number_of_requests(neurons):
    counts = {}
    for per_call in (1, 5):
        simulator = fake_simulator(knows, name=f"pack{per_call}")
        task = formats.summary(
            neurons=neurons, simulation="sparse", calibration="none", excerpts_per_call=per_call
        )
        run(task, simulator)
        counts[per_call] = len(simulator.requests)
    assert counts == {1: 2 * 10, 5: 2 * 2}


def test_percentiles_match_distributions():
    predicted, true = [0, 1, 2, 3, 4], [0.0, 0.0, 1.0, 5.0, 9.0]
    fitted = fit_percentiles(true, predicted)
    assert list(fitted(predicted)) == pytest.approx(true)
    assert fitted([2.5])[0] == pytest.approx(3.0)
    assert list(fitted([-9, 99])) == [0.0, 9.0]
    assert fit_percentiles([1, 2], [3, 3]) is None


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=3, max_size=40))
def test_percentile_calibration_is_monotone_and_stays_in_range(pairs):
    true, predicted = [a for a, _ in pairs], [float(b) for _, b in pairs]
    fitted = fit_percentiles(true, predicted)
    if fitted is not None:
        values = fitted(np.linspace(-1, 5, 50))
        assert (np.diff(values) >= -1e-9).all()
        assert min(true) - 1e-9 <= values.min()
        assert values.max() <= max(true) + 1e-9


def test_what_is_fitted_is_never_what_is_scored():
    neuron = make_neuron()
    (excerpt, *_) = neuron.split("valid", 5)
    with pytest.raises(ValueError, match="top 2 would be fitted on and scored"):
        measure([(excerpt, None)], [(excerpt, None)])


def test_percentiles_are_chosen_by_parameter(neurons):
    simulator = fake_simulator(knows)
    log = run(formats.summary(neurons=neurons, calibration="percentiles"), simulator)
    calibration = simulated(log)[0]["calibration"]
    assert set(calibration) == {"predicted", "true"}
    assert simulated(log)[0]["r_squared"] is not None


def test_a_second_simulators_score_stands_beside_the_first(neurons):
    explainer = fake_explainer("a cat or an oak")
    first = run(formats.summary(neurons=neurons), fake_simulator(knows), explainer)
    asked = len(explainer.requests)
    other = fake_simulator(lambda e, t: [min(9.0, len(x)) for x in t], name="other")
    second = rescore(first, other.model, "beside", simulation="sparse")
    assert len(explainer.requests) == asked
    for before, after in zip(first.samples, second.samples, strict=True):
        assert after.output.completion == before.output.completion
        assert after.scores["simulation_correlation"] == before.scores["simulation_correlation"]
        assert after.scores["beside"].metadata["simulator"] == "neuron-fake/other"
        assert after.scores["beside"].metadata["simulation"] == "sparse"
        assert after.scores["beside"].value != before.scores["simulation_correlation"].value
    assert [s.name for s in second.results.scores] == [
        "simulation_correlation", "adacs", "scored", "beside",
    ]  # fmt: skip
    assert set(second.results.scores[-1].metrics) == {"mean", "stderr", "lower", "upper"}
    assert second.eval.model_roles == first.eval.model_roles
    third = rescore(second, other.model, "chatting", simulation="chat")
    assert [s.name for s in third.results.scores][-2:] == ["beside", "chatting"]


def test_a_second_score_may_be_another_measure(neurons):
    simulator = fake_simulator(knows)
    first = run(formats.summary(neurons=neurons, simulation="chat"), simulator)
    second = rescore(first, simulator.model, "beside", simulation="chat", headline="auprc")
    for sample in second.samples:
        numbers = sample.scores["simulation_correlation"].metadata["measures"]
        assert sample.scores["beside"].value == numbers["auprc"]
        assert sample.scores["beside"].metadata["headline"] == "auprc"


def test_scoring_again_asks_nothing_that_was_asked_before(neurons):
    simulator = fake_simulator(knows)
    log = run(formats.summary(neurons=neurons, simulation="chat"), simulator)
    asked = len(simulator.requests)
    again = rescore(log, simulator.model, "again", simulation="chat")
    assert len(simulator.requests) == asked
    for sample in again.samples:
        assert sample.scores["again"].value == sample.scores["simulation_correlation"].value


def test_the_command_writes_a_log_with_both_scores(neurons, tmp_path):
    fake_simulator(knows, name="other")
    run(formats.summary(neurons=neurons), fake_simulator(knows))
    (info,) = list_eval_logs(str(tmp_path / "logs"))
    arguments = ["score", str(tmp_path / "logs"), "--simulator", "neuron-fake/other"]
    result = CliRunner().invoke(main, [*arguments, "--simulation", "sparse"])
    assert result.exit_code == 0, result.output
    assert "simulation_correlation_other_sparse: mean" in result.output
    logs = {read.name: read for read in list_eval_logs(str(tmp_path / "logs"))}
    assert len(logs) == 2
    (new,) = [read_eval_log(x) for name, x in logs.items() if name.endswith("-scored.eval")]
    assert "simulation_correlation_other_sparse" in new.samples[0].scores
    view = new.eval.viewer.task_samples_view
    assert "simulation_correlation_other_sparse" in json.dumps(view.model_dump())
    assert "simulation_correlation_other_sparse" not in read_eval_log(info).samples[0].scores


def test_scores_added_one_after_the_other_are_all_kept(neurons, tmp_path):
    for name in ("one", "two"):
        fake_simulator(knows, name=name)
    run(formats.summary(neurons=neurons), fake_simulator(knows))
    folder = str(tmp_path / "logs")
    for name in ("one", "two"):
        result = CliRunner().invoke(main, ["score", folder, "--simulator", f"neuron-fake/{name}"])
        assert result.exit_code == 0, result.output
    names = sorted(info.name for info in list_eval_logs(folder))
    assert len(names) == 2
    (scored,) = [read_eval_log(name) for name in names if name.endswith("-scored.eval")]
    wanted = {"simulation_correlation_one_auto", "simulation_correlation_two_auto"}
    assert wanted <= set(scored.samples[0].scores)
    again = CliRunner().invoke(main, ["score", folder, "--simulator", "neuron-fake/two"])
    assert again.exit_code == 1
    assert "left as it is" in again.output
    assert "has a score 'simulation_correlation_two_auto' already" in again.output


def test_a_score_that_breaks_off_leaves_the_copy_as_it_was(neurons, tmp_path, monkeypatch):
    def breaks(sample):
        raise OSError("No space left on device")

    run(formats.summary(neurons=neurons), fake_simulator(knows))
    folder = tmp_path / "logs"
    fake_simulator(knows, name="one")
    arguments = ["score", str(folder), "--no-check", "--simulation", "sparse", "--simulator"]
    assert CliRunner().invoke(main, [*arguments, "neuron-fake/one"]).exit_code == 0
    (copy,) = folder.glob("*-scored.eval")
    before, files = copy.read_bytes(), set(folder.iterdir())
    fake_simulator(knows, name="two")
    monkeypatch.setattr("neuron_eval.rescore_file.condense_sample", breaks)
    assert CliRunner().invoke(main, [*arguments, "neuron-fake/two"]).exit_code != 0
    assert copy.read_bytes() == before
    assert set(folder.iterdir()) == files


def test_a_log_that_holds_more_samples_than_it_lists_is_refused_and_stays(neurons, tmp_path):
    log = run(formats.summary(neurons=neurons), fake_simulator(knows))
    path = tmp_path / "own.eval"
    write_eval_log(log, str(path))
    with zipfile.ZipFile(path, "a") as file:
        first = next(name for name in file.namelist() if name.startswith("samples/"))
        file.writestr("samples/other_epoch_1.json", file.read(first))
    before = path.read_bytes()
    fake_simulator(knows, name="one")
    done = CliRunner().invoke(
        main, ["score", str(path), "--simulator", "neuron-fake/one", "--overwrite"]
    )
    assert done.exit_code == 1
    held = len(log.samples) + 1
    assert f"own.eval holds {held} samples and lists {held - 1} of them" in done.output
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", ["eval", "json"])
def test_a_log_is_scored_in_place_and_its_samples_stay_as_they_were(neurons, tmp_path, ending):
    log = run(formats.summary(neurons=neurons), fake_simulator(knows))
    path = tmp_path / f"own.{ending}"
    write_eval_log(log, str(path))
    before = read_eval_log(str(path))
    fake_simulator(knows, name="one")
    arguments = ["--simulator", "neuron-fake/one", "--overwrite", "--max-connections", "1"]
    done = CliRunner().invoke(main, ["score", str(path), *arguments, "--name", "more"])
    assert done.exit_code == 0, done.output
    after = read_eval_log(str(path))
    assert [sample.id for sample in after.samples] == [sample.id for sample in before.samples]
    for old, new in zip(before.samples, after.samples, strict=True):
        assert new.metadata == old.metadata
        assert new.messages == old.messages
        assert {n: s for n, s in new.scores.items() if n != "more"} == old.scores
    counted = before.results.total_samples, before.results.completed_samples
    assert (after.results.total_samples, after.results.completed_samples) == counted
    assert after.eval.model_roles == before.eval.model_roles


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a --simulator, or use --simulation embedding"),
        (["--simulation", "psychic"], "allowed are auto"),
        (["--simulator", "neuron-fake/sim", "--name", "adacs"], "has a score 'adacs' already"),
        (["--simulator", "openai/gpt-4o"], "openai/gpt-4o: ERROR: Unable to initialise OpenAI"),
        (["--simulator", "nobody/x"], "Model API nobody of model 'nobody/x' not recognized"),
    ],
)
def test_the_command_refuses_bad_input(neurons, tmp_path, arguments, message):
    fake_simulator(knows, name="sim")
    run(formats.summary(neurons=neurons), fake_simulator(knows))
    result = CliRunner().invoke(main, ["score", str(tmp_path / "logs"), *arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_an_unfinished_log_is_not_scored(neurons):
    def broken(messages, config):
        raise ConnectionError("no server there")

    log = run(formats.summary(neurons=neurons), fake("broken", broken))
    with pytest.raises(CannotScoreError, match="its status is error"):
        rescore(log, fake_simulator(knows).model, "beside")


def test_names_of_second_scores_are_made_of_model_and_way():
    assert score_name("openai/gpt-4o", "sparse") == "simulation_correlation_gpt-4o_sparse"
    assert score_name(None, "embedding") == "simulation_correlation_embedding"
    assert score_name("openai/gpt-4o", "chat", "f1_random") == "simulation_f1_random_gpt-4o_chat"


def pack_without(tmp_path, *ways):
    text = resources.files("neuron_eval.prompts").joinpath("default.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    for way in ways:
        del data["simulation"][way]
    path = tmp_path / "pack.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


def test_a_way_that_the_pack_does_not_word_is_refused_when_the_task_is_made(neurons, tmp_path):
    pack = pack_without(tmp_path, "chat")
    with pytest.raises(UsageError, match=r"has no section simulation.chat"):
        formats.summary(neurons=neurons, simulation="chat", pack=pack)


def test_auto_chooses_among_the_ways_that_the_pack_words(neurons, tmp_path):
    simulator = fake_simulator(knows)
    log = run(formats.summary(neurons=neurons), simulator)
    assert {m["simulation"] for m in simulated(log)} == {"sparse"}
    pack = pack_without(tmp_path, "sparse")
    log = run(formats.summary(neurons=neurons, pack=pack), simulator)
    assert {m["simulation"] for m in simulated(log)} == {"chat"}


def test_a_pack_without_any_words_for_simulators_buys_no_explanation(neurons, tmp_path):
    explainer = fake_explainer("a cat")
    pack = pack_without(tmp_path, "chat", "sparse", "all_at_once", "per_token")
    log = run(formats.summary(neurons=neurons, pack=pack), fake_simulator(knows), explainer)
    assert log.status == "error"
    assert "has no section simulation" in log.error.message
    assert explainer.requests == []


def test_auto_with_words_for_all_at_once_alone_buys_no_explanation_if_that_cannot_be_done(
    neurons, tmp_path
):
    explainer = fake_explainer("a cat")
    pack = pack_without(tmp_path, "chat", "sparse", "per_token")
    log = run(formats.summary(neurons=neurons, pack=pack), fake_simulator(knows), explainer)
    assert log.status == "error"
    assert "gives no log-probabilities of the prompt" in log.error.message
    assert "sparse" not in log.error.message.partition("What was tried")[0].replace(
        "simulation=chat or simulation=sparse", ""
    )
    assert explainer.requests == []


def test_a_reply_that_could_not_be_read_is_asked_for_afresh_later(neurons):
    task = {"neurons": neurons, "simulation": "chat", "calibration": "none"}
    bad = run(formats.summary(**task), fake_simulator(knows, faults=["garbage"] * 999))
    assert all(m["excerpts_failed"] == 10 for m in simulated(bad))
    healthy = fake_simulator(knows)
    good = run(formats.summary(**task), healthy)
    assert all(m["excerpts_failed"] == 0 for m in simulated(good))
    assert len(healthy.requests) > 0


def test_an_error_that_only_repeats_the_request_is_not_about_log_probabilities():
    wrapped = ValueError('\nRequest:\n{"logprobs": true}\n\nflagged as a policy violation')
    assert not refuses_logprobs(wrapped)
    assert refuses_logprobs(ValueError("400: logprobs are not supported"))
    wrapped.provider_message = "top_logprobs must be at most 5"
    assert refuses_logprobs(wrapped)


def test_a_server_that_gives_fewer_alternatives_is_asked_for_fewer(neurons):
    inner = fake_simulator(knows)

    def mean(messages, config):
        if config.top_logprobs and config.top_logprobs > 5:
            raise ValueError("400: top_logprobs must be at most 5")
        return inner.model.api._respond(messages, config)

    simulator = fake("mean", mean)
    log = run(formats.summary(neurons=neurons, simulation="chat"), simulator)
    assert {m["basis"] for m in simulated(log)} == {"log-probabilities"}
    assert {config.top_logprobs for config in simulator.configs[-3:]} == {5}


def test_the_cache_tells_models_with_other_arguments_apart():
    policies = [
        cache_policy(Model(fake_simulator(knows).model.api, GenerateConfig(), args))
        for args in (
            {"model_path": "a"},
            {"model_path": "b"},
            {"model_path": "a", "client_timeout": 3600},  # who waits longer is told the same
        )
    ]
    assert policies[0] == policies[2] != policies[1]
    assert "model_path" not in str(policies[0].scopes)


def test_the_header_and_the_table_do_not_mislabel_another_solver(neurons):
    (log,) = eval(
        formats.summary(neurons=neurons),
        solver=avhs(),
        model="neuron-baseline/lexical",
        model_roles={"embedder": fake_embedder(letters).model},
    )
    assert log.eval.metadata["task_format"] == "summary"
    assert log.samples[0].store["prompt"]["format"] == "avhs"
    assert [row.format for row in summaries([log])] == ["avhs"]


@pytest.fixture
def neurons(tmp_path):
    path = tmp_path / "neurons.jsonl"
    schema.write(
        path, [make_neuron(f"test/L0N{i}", w, neuron=i) for i, w in enumerate([" cat", " oak"])]
    )
    return str(path)


def knows(explanation, tokens):
    return [9.5 if t.strip() in explanation.split() else 0 for t in tokens]


def letters(text):
    return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]


def run(task, simulator, explainer=None):
    roles = {"simulator": simulator.model, "embedder": fake_embedder(letters).model}
    explainer = explainer or fake_explainer("a cat or an oak")
    return eval(task, model=explainer.model, model_roles=roles)[0]


def simulated(log):
    return [sample.scores["simulation_correlation"].metadata for sample in log.samples]
