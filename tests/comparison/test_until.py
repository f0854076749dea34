"""`--until`: all formats stop on the same drawn neurons, once each mean is known well enough."""

import math

import pytest
from click.testing import CliRunner
from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.cli.compare import compare
from neuron_eval.comparison import sampling
from neuron_eval.comparison.calling import compare as call
from neuron_eval.comparison.sampling import next_count
from neuron_eval.messages import InputError
from neuron_eval.reporting.notebook import Report
from neuron_eval.sources import schema
from neuron_eval.stats import half_width
from neuron_eval.testing import fake_embedder, fake_explainer, make_neuron

MANY, REFERENCED = 30, 26
WORDS = (" cat", " dog", " tree")


@pytest.fixture
def rounds(tmp_path, monkeypatch):
    """Rounds of 8, and of multiples of 4; four neurons have nothing to be compared with."""
    monkeypatch.setattr(sampling, "FIRST", 8)
    monkeypatch.setattr(sampling, "STEP", 4)
    schema.write(tmp_path / "neurons.jsonl", [
        make_neuron(
            f"m/L{i // 10}N{i}", WORDS[i % 3], layer=i // 10, neuron=i,
            reference=f"the word{WORDS[i % 3]}, number {i}" if i < REFERENCED else None,
        )
        for i in range(MANY)
    ])  # fmt: skip
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def explainer(rounds):
    fake_embedder(lambda text: [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"])
    return fake_explainer(lambda prompt: "the word dog" + "x" * (len(prompt) % 7))


def invoke(*more):
    done = CliRunner().invoke(compare, [
        "--neurons", "neurons.jsonl", "--log-dir", "logs", "--formats", "summary,highlight",
        "--models", "neuron-fake/explainer", "--embedder", "neuron-fake/embedder",
        "--simulation", "none", "--yes", *more,
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    return done.output


def scored(log_dir="logs"):
    """By format, each neuron's score; None where there is none."""
    logs = map(read_eval_log, list_eval_logs(log_dir))
    return {
        log.eval.task.rpartition("/")[2]: {
            s.id: None if math.isnan(s.scores["adacs"].value) else s.scores["adacs"].value
            for s in log.samples
        }
        for log in logs
    }


def widths(log_dir="logs"):
    return [half_width([v for v in f.values() if v is not None]) for f in scored(log_dir).values()]


def test_all_formats_stop_on_the_same_neurons_and_the_report_says_so(explainer):
    output = invoke("--until", "0.08")
    summary, highlight = scored().values()
    ran = len(summary)
    assert 8 < ran < MANY
    assert set(summary) == set(highlight)
    assert len({id_.partition("N")[0] for id_ in summary}) == 3  # of every layer
    assert max(widths()) <= 0.08
    assert "may stop after" in output
    assert f"After 8 of 30 neurons: fewer than 8 scores in one of them; on to {ran}." in output
    assert f"Stopped after {ran} of 30 neurons: each mean is known to ±0.0" in output
    sentence = f"was run on {ran} of 30 neurons, drawn from them: --until 0.08 stops once"
    assert f"highlight with neuron-fake/explainer {sentence}" in " ".join(output.split())

    requests = len(explainer.requests)
    assert requests == 2 * ran
    again = invoke("--until", "0.08")
    assert f"Stopped after {ran} of 30 neurons" in again
    assert len(explainer.requests) == requests

    further = invoke("--until", "0.065", "--no-report")
    assert "Stopped after" in further
    assert ran < len(scored()["summary"]) < MANY
    assert set(summary) < set(scored()["summary"])
    assert max(widths()) <= 0.065

    everything = invoke()
    assert len(scored()["summary"]) == MANY
    assert "was run on" not in everything
    assert len(explainer.requests) == 2 * MANY


def test_in_shards_it_stops_where_it_stops_without(explainer):
    def stopped(*more):
        output = invoke("--until", "0.08", "--no-report", *more)
        return [line for line in output.splitlines() if line.startswith("Stopped after")]

    assert stopped("--log-dir", "parts", "--shards", "3") == stopped() != []


def test_what_no_number_of_neurons_reaches_is_run_to_the_end(explainer):
    output = invoke("--until", "0.0001", "--no-report")
    assert (
        "All 30 of 30 neurons were run, and --until 0.0001 is not reached: means are known"
        in output
    )
    assert len(scored()["summary"]) == MANY


def test_neurons_without_a_score_do_not_count(explainer, monkeypatch):
    monkeypatch.setattr(sampling, "FIRST", REFERENCED + 1)
    output = invoke("--until", "0.5", "--no-report")
    assert "fewer than 27 scores in one of them" in output
    assert "All 30 of 30 neurons" in output


def test_a_pilot_takes_the_neurons_that_it_begins_with(explainer):
    output = invoke("--until", "0.08", "--pilot", "5", "--no-report")
    assert "After 10 explanations, the rest" in output
    assert len(explainer.requests) == 2 * len(scored()["summary"])


def test_it_can_be_called(explainer):
    report = call(
        "neuron-fake/explainer", formats="summary", neurons="neurons.jsonl", simulation="none",
        embedder="neuron-fake/embedder", log_dir="logs", until=0.08, yes=True,
    )  # fmt: skip
    assert isinstance(report, Report)
    assert any("--until 0.08 stops once" in note for note in report.notes)
    assert max(widths()) <= 0.08


@pytest.mark.parametrize("value", ["0", "-0.1", "nan", "inf"])
def test_what_is_no_precision_is_refused(rounds, value):
    options = ["--models", "neuron-fake/a", "--dry-run", "--neurons", "neurons.jsonl"]
    done = CliRunner().invoke(compare, [*options, "--until", value])
    assert done.exit_code == 1
    assert f"until={float(value):g}: expected a number" in done.output.replace(".0:", ":")


def test_a_shard_would_stop_alone():
    with pytest.raises(InputError, match=r"until=0.1: a shard would stop by its own neurons"):
        call("neuron-fake/a", shard="1/2", until=0.1)


@pytest.mark.parametrize(
    ("count", "width", "expected"),
    [(100, 0.03, 200), (100, 0.025, 160), (100, 0.0201, 120), (100, math.inf, 200), (60, 1, 120)],
)
def test_a_round_goes_as_far_as_the_spread_tells_and_at_most_twice_as_far(count, width, expected):
    assert next_count(count, width, 0.02) == expected


def test_half_a_width_is_students():
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / math.sqrt(3))
    assert half_width([1.0]) == math.inf


def test_shards_stop_together_and_the_report_counts_them_as_one_run(explainer):
    output = " ".join(invoke("--until", "0.08", "--shards", "2").split())
    ran = len(explainer.requests) // 2
    assert 8 < ran < MANY
    assert f"Stopped after {ran} of 30 neurons" in output
    assert output.count(f"was run on {ran} of 30 neurons") == 2
