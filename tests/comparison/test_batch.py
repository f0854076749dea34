"""`--batch`: explanations and simulations come through OpenAI's batches, at the price of those."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import inspect_ai
import pytest
from batch_server import BatchServer
from click.testing import CliRunner
from counting_server import EMBEDDER, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log
from inspect_ai.model import BatchConfig

from neuron_eval.cli.compare import compare
from neuron_eval.messages import InputError
from neuron_eval.models.batching import BATCHING, batch_note, in_batches, read_batch
from neuron_eval.reporting.cost import Price, PricesError, read_prices
from neuron_eval.sources import schema

EXPLAINER, SIMULATOR = "openai/gpt-4o-explainer", "openai/gpt-4o-simulator"
FILES = {
    "fast.yaml": "tick: 0.02\nsend_delay: 0.05\n",
    "prices.yaml": (
        f"{EXPLAINER}: {{input: 100, output: 0, batch: 0.5}}\n"
        f"{SIMULATOR}: {{input: 100, output: 0}}\n"
    ),
}
COMPARE = (
    "compare", "--neurons", "neurons.jsonl", "--formats", "summary", "--models", EXPLAINER,
    "--embedder", EMBEDDER, "--simulation", "sparse", "--prices", "prices.yaml", "--yes",
)  # fmt: skip


@pytest.fixture
def server(tmp_path):
    made = made_neurons(3)
    schema.write(tmp_path / "neurons.jsonl", made)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    with BatchServer(made) as server:
        server.folder = tmp_path
        yield server


def run(server, *arguments, cache="cache"):
    """A command's output; the models in each batch; and those asked outside of one."""
    done = subprocess.run(
        [sys.executable, "-m", "neuron_eval", *arguments],
        cwd=server.folder,
        env={**os.environ, **server.environment, "INSPECT_CACHE_DIR": str(server.folder / cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    batches, server.batches, single, server.single = server.batches, [], server.single, []
    return done.stdout + done.stderr, batches, single


def scores(server, log_dir):
    logs = [read_eval_log(info) for info in list_eval_logs(str(server.folder / log_dir))]
    return [
        {(s.id, name): score.value for s in log.samples for name, score in s.scores.items()}
        for log in logs
    ]


def test_compare_and_score_ask_in_batches_with_the_same_scores_at_the_price_of_batches(server):
    both = (*COMPARE, "--simulator", SIMULATOR, "--no-check")
    _, batches, single = run(server, *both, "--log-dir", "plain", "--no-report", cache="other")
    assert batches == []
    output, batches, alone = run(
        server, *both, "--log-dir", "batched", "--batch", "fast.yaml", "--out", "report"
    )
    assert scores(server, "batched") == scores(server, "plain") != []
    assert {model for batch in batches for model in batch} == set(single) - {"embedder"}
    assert set(alone) == {"embedder"}
    assert f"In batches: {EXPLAINER}, {SIMULATOR}. An answer may take up to a day" in output
    assert f"One by one, and not in batches: {EMBEDDER}." in output
    assert f"In batches {SIMULATOR} may cost less than counted" in output
    with next((server.folder / "report").rglob("usage*.csv")).open() as file:
        usage = {row["role"]: row for row in csv.DictReader(file)}
    tokens = float(usage["explainer"]["prompt tokens"])
    assert float(usage["explainer"]["dollars"]) == pytest.approx(tokens * 50 / 1e6)
    assert usage["explainer"]["price"] == "prices file, in batches"
    again = ("score", "plain", "--simulator", SIMULATOR, "--simulation", "sparse", "--no-check")
    output, batches, alone = run(
        server, *again, "--name", "again", "--batch=fast.yaml", cache="third"
    )
    assert f"In batches: {SIMULATOR}." in output
    assert {model for batch in batches for model in batch} == {"gpt-4o-simulator"}
    assert alone == []
    (log,) = [log for log in scores(server, "plain") if ("m/L0N0", "again") in log]
    assert log["m/L0N0", "again"] == log["m/L0N0", "simulation_correlation"]


def test_an_explainer_that_simulates_does_both_in_batches_and_is_tried_outside_of_one(server):
    _, batches, single = run(server, *COMPARE, "--log-dir", "logs", "--batch", "fast.yaml")
    asked = [model for batch in batches for model in batch]
    assert set(asked) == {"gpt-4o-explainer"}
    assert len(asked) > 3
    assert set(single) <= {"gpt-4o-explainer", "embedder"}


def test_the_providers_with_batches_are_those_in_which_inspect_makes_a_batcher():
    folder = Path(inspect_ai.__file__).parent / "model" / "_providers"
    makes = {path.stem for path in folder.glob("[a-z]*.py") if "Batcher(" in path.read_text()}
    assert makes == set(BATCHING)


def test_other_services_and_servers_of_a_provider_have_no_batches():
    assert in_batches("anthropic/claude-x")
    without = ["openai-api/foo/x", "openai/azure/x", "google/vertex/x", "anthropic/bedrock/x"]
    assert not any(map(in_batches, [*without, "embed-openai/x", "mockllm/model", "none/none"]))
    assert batch_note(without[:1]).startswith("One by one, and not in batches: openai-api/foo/x.")


@pytest.mark.parametrize(
    ("given", "batch"),
    [
        (None, None),
        (False, None),
        ("false", None),
        (True, True),
        ("true", True),
        (500, 500),
        ("1", 1),
        (BatchConfig(size=3), BatchConfig(size=3)),
    ],
)
def test_a_batch_is_yes_or_a_number_of_requests(given, batch):
    assert read_batch(given) == batch
    assert type(read_batch(given)) is type(batch)


@pytest.mark.parametrize(
    ("given", "content", "message"),
    [
        ("0", "", "batch=0: expected at least 1 request in a batch"),
        ("-3", "", "batch=-3: expected at least 1"),
        ("no.yaml", None, "batch=no.yaml: No such file or directory; expected nothing, a number"),
        ("b.yaml", "sise: 3", "b.yaml: 'sise' is none of size, .*; did you mean size"),
        ("b.yaml", "- size", "b.yaml: 'no mapping' is none of size"),
        ("b.yaml", "size: many", "b.yaml: size='many': Input should be a valid integer"),
        ("b.yaml", "size: [", "not valid YAML"),
    ],
)
def test_what_is_no_batch_is_refused(tmp_path, monkeypatch, given, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("b.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_batch(given)


@pytest.mark.parametrize("options", [["--batch", "0"], ["--config", "c.yaml"]])
def test_an_option_and_a_file_of_options_refuse_the_same(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("batch: 0\n")
    done = CliRunner().invoke(compare, [*options, "--models", "neuron-fake/a", "--dry-run"])
    assert done.exit_code
    assert "batch=0: expected at least 1 request" in done.output


def test_batches_cost_a_share_and_more_than_all_is_refused(tmp_path):
    assert Price("x", 2.0, None, 0.0, 4.0, 0.5).in_batches() == Price("x", 1.0, None, 0.0, 2.0, 0.5)
    path = tmp_path / "prices.yaml"
    path.write_text("openai/gpt-4o: {input: 1, batch: 1.5}")
    with pytest.raises(PricesError, match=r"batch=1.5: expected a share of the price, at most 1"):
        read_prices(path)
