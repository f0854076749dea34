"""Tokens that a simulator gives no value for are left out, wherever a score is made or read."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from completions_server import CompletionsServer, predicting
from inspect_ai import eval
from inspect_ai.log import list_eval_logs, read_eval_log
from test_all_at_once import over_http

from neuron_eval.cli.main import main
from neuron_eval.logs.excerpts import excerpts_of, measured_in
from neuron_eval.records.splits import from_metadata
from neuron_eval.tasks.given import given
from neuron_eval.tasks.sanity import sanity

MUTE = " the"


@pytest.fixture
def simulator():
    """A server whose numbers are the tokens' lengths, and which has none for one token."""
    lengths = predicting(lambda _, tokens: [min(10, len(token)) for token in tokens])
    with CompletionsServer(lengths, mute=lambda b: b.endswith(f"{MUTE}\t")) as server:
        yield {"simulator": over_http(server, "mute")}


@pytest.fixture
def log(simulator, tmp_path):
    task = given("reference", neurons="smollm2", limit=2, simulation="all_at_once")
    eval(task, model="none", model_roles=simulator, log_dir=str(tmp_path))
    (info,) = list_eval_logs(str(tmp_path))
    return read_eval_log(info)


def metric(log, scorer, name):
    (score,) = (score for score in log.results.scores if score.name == scorer)
    return score.metrics[name].value


def test_the_score_is_that_of_the_other_tokens_and_counts_these(log):
    missing = 0
    for sample in log.samples:
        score = sample.scores["simulation_correlation"]
        excerpts = from_metadata(sample.metadata, sample.id).valid
        pairs = [
            (activation, min(10, len(token)))
            for excerpt in excerpts
            for token, activation in zip(
                excerpt.record.tokens, excerpt.record.activations, strict=True
            )
            if token != MUTE
        ]
        without = sum(excerpt.record.tokens.count(MUTE) for excerpt in excerpts)
        assert score.value == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1], abs=1e-6)
        assert (score.metadata["tokens"], score.metadata["tokens_failed"]) == (len(pairs), without)
        assert f"{without} more without a value" in score.explanation
        named = [e.name for e in excerpts if MUTE in e.record.tokens]
        failures = score.metadata["token_failures"]
        assert [text.split(":")[0] for text in failures] == [f"excerpt {name}" for name in named]
        assert "(' the') is a number from 0 to 10" in failures[0]
        missing += without
    assert missing > 0
    assert metric(log, "scored", "tokens_failed") == missing
    assert metric(log, "scored", "excerpts_failed") == 0


def test_what_is_read_of_the_log_leaves_them_out(log):
    for sample in log.samples:
        score = sample.scores["simulation_correlation"]
        assert measured_in(sample, score) == pytest.approx(score.metadata["measures"])
        for predicted in excerpts_of(sample, score).predicted:
            record = predicted.record
            assert MUTE not in record.counted(record.tokens)
            assert np.isfinite(record.counted(predicted.expected)).all()
            assert max(record.activations) == record.peak


def test_reports_and_exports_are_made_without_them(log, tmp_path):
    report = ["report", str(tmp_path), "--measures", "all", "--out", str(tmp_path / "report")]
    export = ["export", str(tmp_path), "--to", "openai", "--out", str(tmp_path / "exported")]
    for command in (report, export):
        said = CliRunner().invoke(main, command)
        assert said.exit_code == 0, said.output
    failures = (tmp_path / "report" / "tables" / "failures.md").read_text()
    assert "excerpt with tokens left out" in failures
    assert "Nothing failed" not in failures
    explained = list((tmp_path / "exported").rglob("explanations/*/*.jsonl"))
    assert len(explained) == 2
    for path in explained:
        (scored,) = json.loads(path.read_text())["scored_explanations"]
        for part in scored["scored_simulation"]["scored_sequence_simulations"]:
            simulation = part["simulation"]
            assert MUTE not in simulation["tokens"]
            assert len(simulation["tokens"]) == len(simulation["expected_activations"])


def test_the_sanity_checks_leave_them_out(simulator):
    task = sanity(
        concept="reference", neurons="smollm2", limit=1, simulation="all_at_once", alpha=0.01
    )
    (log,) = eval(task, model="none", model_roles=simulator)
    assert log.status == "success", log.error
    (sample,) = log.samples
    tokens = {score.metadata["tokens"] for score in sample.scores.values() if score.metadata}
    excerpts = from_metadata(sample.metadata, sample.id)
    everything = [*excerpts.train, *excerpts.calibration, *excerpts.valid]
    counted = [t for e in everything for t in e.record.tokens if t != MUTE]
    assert tokens == {len(counted)}
