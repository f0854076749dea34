"""A pilot: what a few neurons took, and what the others will take by that."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample
from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage

from neuron_eval.cli import compare as command
from neuron_eval.cli.compare import compare
from neuron_eval.comparison.costs import Range
from neuron_eval.comparison.counting import Counted, Embedded, Size
from neuron_eval.comparison.plan import thinks
from neuron_eval.comparison.present import duration, headline
from neuron_eval.comparison.sampling import Taken, extrapolated, pilot_neurons, seconds_each, taken
from neuron_eval.reporting.cost import Price
from neuron_eval.sources import schema
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

CELL = ("summary", "test/a")
EXPLAINS, SIMULATES = ("explainer", "test/a"), ("simulator", "test/s")


def test_the_pilots_neurons_are_spread_over_all():
    counted = Counted(
        neurons=8,
        prompts={CELL: dict.fromkeys("abcdefgh", 1.0)},
        simulated={},
        explanations={},
        embedded=Embedded(0, 0, 0, 0),
        label="",
    )
    plan = SimpleNamespace(until=None)
    assert pilot_neurons(plan, counted, 3) == ["a", "c", "f"]
    assert pilot_neurons(plan, counted, 20) == list("abcdefgh")


def test_what_is_left_takes_the_pilots_mean_and_at_most_its_dearest():
    pilot = [
        Taken(CELL, {EXPLAINS: Size(1, 100, 10), SIMULATES: Size(2, 50, 20)}, (0, 1)),
        Taken(CELL, {EXPLAINS: Size(1, 300, 10), SIMULATES: Size(6, 150, 60)}, (0, 1)),
    ]
    rates = {"test/a": Price("prices file", 1.0, 10.0), "test/s": Price("prices file", 2.0, 0.0)}
    found = extrapolated(pilot, {CELL: 1000}, rates.get)
    explained, simulated = found.lines
    assert explained.input == Range(100_000, 200_000, 300_000)
    assert explained.dollars == Range(pytest.approx(0.2), pytest.approx(0.3), pytest.approx(0.4))
    assert simulated.requests == Range(2000, 4000, 6000)
    assert simulated.dollars == Range(pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3))
    assert headline(found) == "About 5,000 requests, 350 k tokens, $0.50 (between $0.30 and $0.70)."


def test_formats_of_one_embedder_are_one_line_and_a_price_that_is_unknown_stays_so():
    at = ("embedder", "test/e")
    pilot = [Taken((name, "test/a"), {at: Size(1, 5)}, (0, 1)) for name in ("summary", "avhs")]
    found = extrapolated(pilot, {one.cell: 10 for one in pilot}, lambda _: None)
    (line,) = found.lines
    assert (line.format, line.explanations, line.requests) == ("", 20, Range(20, 20, 20))
    assert line.dollars is None
    assert found.unpriced == ("test/e",)


def test_what_is_embedded_for_several_formats_is_added_up():
    at = ("embedder", "test/e")
    pilot = [Taken((name, "test/a"), {at: Size(1, 5, 2)}, (0, 1)) for name in ("summary", "avhs")]
    left = {one.cell: number for one, number in zip(pilot, (10, 30), strict=True)}
    found = extrapolated(pilot, left, lambda _: Price("prices file", 1.0, 1.0))
    (line,) = found.lines
    assert (line.explanations, found.explanations, found.finished) == (40, 40, 0)
    assert (line.input, line.output) == (Range(200, 200, 200), Range(80, 80, 80))
    assert line.dollars.high == line.dollars.low == pytest.approx(280e-6)


def test_what_a_model_thinks_was_measured_with_all_else():
    pilot = [Taken(CELL, {("explainer", "openai/o3-mini"): Size(1, 5, 900)}, (0, 1))]
    (line,) = extrapolated(pilot, {CELL: 10}, lambda _: None).lines
    assert thinks("openai/o3-mini")
    assert not line.thinks
    assert line.format == "summary"


def test_what_the_provider_had_in_its_cache_is_charged_at_that_rate():
    pilot = [Taken(CELL, {EXPLAINS: Size(1, 100, 0, cache_read=900)}, (0, 1))]
    found = extrapolated(pilot, {CELL: 1000}, lambda _: Price("prices file", 1.0, 1.0, 0.1))
    assert found.lines[0].input.expected == 1_000_000
    assert found.dollars.expected == pytest.approx(0.1 + 0.09)


def test_seconds_in_which_several_ran_count_once():
    pilot = [Taken(CELL, {}, span) for span in ((100, 104), (5, 12), (0, 10), (101, 103))]
    assert seconds_each(pilot) == (12 + 4) / 4


@pytest.mark.parametrize(
    ("minutes", "text"), [(0.2, "a minute"), (7.4, "7 minutes"), (150, "2 hours")]
)
def test_a_duration_is_a_round_number(minutes, text):
    assert duration(minutes) == text


START = datetime(2026, 1, 1, tzinfo=UTC)


def event(role, usage, **options):
    output = ModelOutput.from_content("test/a", "text")
    output.usage = usage
    return ModelEvent(
        model="test/a", role=role, input=[], tools=[], tool_choice="auto",
        config=GenerateConfig(), output=output, **options,
    )  # fmt: skip


def test_a_sample_took_what_its_requests_took_whoever_answered_and_none_that_failed():
    sample = EvalSample(
        id="x", epoch=1, input="", target="",
        started_at=START, completed_at=START + timedelta(seconds=9),
        events=[
            event(None, ModelUsage(input_tokens=100, output_tokens=9, input_tokens_cache_read=7)),
            event("simulator", ModelUsage(input_tokens=40, output_tokens=5), cache="read"),
            event("simulator", None, error="503"),
            event("simulator", None),
        ],
    )  # fmt: skip
    found = taken(CELL, sample)
    assert found.sizes == {
        ("explainer", "test/a"): Size(1, 100, 9, cache_read=7),
        ("simulator", "test/a"): Size(2, 40, 5),
    }
    assert found.seconds[1] - found.seconds[0] == 9


def test_after_a_pilot_the_rest_is_all_that_is_left_to_ask_for(tmp_path, monkeypatch):
    explainer = fake_explainer("the word cat")
    fake_simulator(lambda _, tokens: [float(i % 2) for i in range(len(tokens))])
    fake_embedder(lambda text: [len(text) + 1.0, 1.0])
    neurons = tmp_path / "neurons.jsonl"
    words = (" cat", " dog", " tree", " sun")
    schema.write(neurons, [make_neuron(f"n{i}", word, neuron=i) for i, word in enumerate(words)])
    options = [
        "--neurons", neurons, "--log-dir", tmp_path / "logs", "--formats", "summary",
        "--models", "neuron-fake/explainer", "--simulator", "neuron-fake/simulator",
        "--embedder", "neuron-fake/embedder", "--simulation", "chat", "--no-report",
    ]  # fmt: skip

    def invoke(*more, **answering):
        typed = [str(option) for option in (*options, *more)]
        return CliRunner().invoke(compare, typed, **answering)

    first = invoke("--pilot", "2")
    assert first.exit_code == 0, first.output
    assert "After 2 explanations, the rest: about 10 requests" in first.output
    assert "Stopped after the pilot." in first.output
    assert len(explainer.requests) == 2

    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    rest = invoke("--pilot", "3", input="y\n")
    assert rest.exit_code == 0, rest.output
    assert "2 explanations are in the log folder already" in rest.output
    assert "After 3 explanations, the rest: about 5 requests" in rest.output
    assert "Go on? [y/N]: y" in rest.output
    assert len(explainer.requests) == 4


def test_a_pilot_calls_models_so_that_no_dry_run_has_one():
    done = CliRunner().invoke(compare, ["--models", "test/a", "--pilot", "3", "--dry-run"])
    assert done.exit_code == 2
    assert "--dry-run calls no model, and --pilot does" in done.output
