"""The cost is one number: the sentence that an estimate begins with, its prices, and its ways."""

import pytest
import yaml
from click.testing import CliRunner
from inspect_ai.model import ModelCost

from neuron_eval.cli.compare import compare
from neuron_eval.cli.tokens import tokens
from neuron_eval.comparison.costs import CostEstimate, Range, priced_line, runs_here
from neuron_eval.comparison.counting import Size
from neuron_eval.comparison.estimate import explaining
from neuron_eval.comparison.plan import make_plan
from neuron_eval.comparison.present import headline, money
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.reporting.cost import (
    Price,
    PricesError,
    example_prices,
    price_of,
    read_prices,
    written_on,
)


def estimate(*models, price=None, explanations=10):
    """One line per model: 620 requests expected of 310 to 930, a million tokens each way."""
    sizes = [Size(620, 1e6, 1e6), Size(310, 1e6, 5e5), Size(930, 1e6, 2e6)]
    lines = [
        priced_line(("explainer", model, "summary"), explanations, sizes[0], sizes[1:], price or no)
        for model in models
    ]
    return CostEstimate(tuple(lines), explanations, 0)


def no(_):
    return None


def dollar(_):
    return Price("prices file", 0.1, 0.2)


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (
            estimate("test/a", price=dollar),
            "About 620 requests, 2.00 M tokens, $0.30 (between $0.20 and $0.50).",
        ),
        (
            estimate("test/a"),
            "About 620 requests, 2.00 M tokens (between 1.50 and 3.00 M), unknown dollars: there "
            "is no price for test/a.",
        ),
        (
            estimate("test/a", "test/b", price=lambda name: None if name[-1] == "a" else dollar(0)),
            "About 1,240 requests, 4.00 M tokens, at least $0.30.",
        ),
        (
            estimate("ollama/a"),
            "About 620 requests, 2.00 M tokens (between 1.50 and 3.00 M), no dollars: all models "
            "run on this machine.",
        ),
        (
            estimate("openai/o3", price=dollar),
            "About 620 requests, at least 2.00 M tokens, at least $0.30.",
        ),
        (estimate("test/a", explanations=0), "Nothing is left to ask for."),
    ],
)
def test_an_estimate_is_one_sentence_with_one_number_each(cost, sentence):
    assert headline(cost) == sentence


def test_dollars_below_a_cent_are_no_range():
    assert money(Range(0.0, 0.001, 0.004)) == "below $0.01"
    assert money(Range(0.0, 0.001, 0.02)) == "$0.00 – $0.02"


def test_explaining_alone_takes_the_prompts_and_a_dozen_words_each():
    counter = TokenCounter("words", exact=True, count_text=lambda text: len(text.split()))
    cost = explaining("test/a", {"summary": 1000.0, "avhs": 3000.0}, 5, counter, dollar)
    assert cost.requests == Range(10, 10, 10)
    assert cost.tokens == Range(4060, 4120, 4420)  # 2 x 5 x 12 tokens of replies, 0.5 to 3.5 times


# Ways to simulate


@pytest.mark.parametrize(
    ("simulator", "ways"),
    [
        ("openai/gpt-4o-mini", ("sparse",)),
        ("anthropic/claude-haiku-4-5-0", ("sparse",)),
        ("hf/some/model", ("sparse",)),
        ("vllm/some/model", ("all_at_once", "sparse")),
        ("vllm-completions/some/model", ("all_at_once", "sparse")),
        ("openai-api-completions/lab/model", ("all_at_once", "sparse")),
        ("openai-api/lab/model", ("sparse", "all_at_once")),
        ("somebody/else", ("sparse", "all_at_once")),
    ],
)
def test_what_inspect_knows_of_a_provider_rules_out_ways(simulator, ways):
    plan = make_plan(
        formats=["summary"],
        models=["test/a"],
        simulator=simulator,
        embedder=None,
        epochs=1,
        parameters={},
    )
    assert plan.ways("test/a", default_pack()) == ways


@pytest.mark.parametrize(
    ("model", "address", "here"),
    [
        ("openai-api/my-lab/m", "http://127.0.0.1:8080/v1", True),
        ("openai-api/my-lab/m", "https://lab.example.org/v1", False),
        ("openai-api/my-lab/m", "", False),
        ("vllm/m", "", True),
        ("openai/gpt-4o", "", False),
    ],
)
def test_a_server_of_this_machine_charges_nothing(monkeypatch, model, address, here):
    monkeypatch.setenv("MY_LAB_BASE_URL", address)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert runs_here(model) is here


# Prices


def test_the_prices_that_ship_have_a_day_and_inspects_form():
    prices = read_prices("example")
    day = written_on(example_prices())
    assert {price.source for price in prices.values()} == {f"example of {day}"}
    text = example_prices().read_text(encoding="utf-8")
    assert f"Written on {day}." in text
    for model, fields in yaml.safe_load(text).items():
        if not model.startswith("embed-"):
            ModelCost(**fields)
    assert price_of("openai/gpt-4o-mini", prices).output == 0.6


def test_a_prices_file_that_is_not_there_is_named_with_what_would_be_right(tmp_path):
    with pytest.raises(PricesError) as raised:
        read_prices(tmp_path / "nope.yaml")
    assert str(raised.value) == (
        f"prices {tmp_path / 'nope.yaml'}: No such file or directory; expected a YAML file, or "
        "example for the prices that ship"
    )


# The commands


def test_the_first_command_of_the_readme_prints_one_sentence_without_a_key(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    typed = ["--models", "openai/gpt-4o-mini", "--limit", "20", "--dry-run"]
    done = CliRunner().invoke(compare, typed)
    assert done.exit_code == 0, done.output
    sentence = "About 420 requests, 313 k tokens, $0.06 (between $0.05 and $0.13)."
    assert done.output.splitlines()[0] == sentence
    assert f"Prices: example of {written_on(example_prices())}" in done.output
    assert list(tmp_path.iterdir()) == []


def test_tokens_begin_with_what_the_explainer_takes():
    done = CliRunner().invoke(tokens, ["--neurons", "puzzles", "--model", "gpt-4o-mini"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("About 140 requests, ")
    assert "$0.0" in done.output.splitlines()[0]
    unknown = CliRunner().invoke(tokens, ["--neurons", "puzzles", "--encoding", "cl100k_base"])
    assert "unknown dollars: there is no price for cl100k_base." in unknown.output
