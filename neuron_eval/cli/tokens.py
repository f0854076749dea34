"""`neuron-eval tokens`: how long the prompts of each format are, and what they cost."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from neuron_eval.cli.main import AT_LEAST_1, command, say


@command()
@click.option("--neurons", default="smollm2", help="Which neurons.")
@click.option("--excerpts", type=AT_LEAST_1, default=5, help="Excerpts of a kind and split.")
@click.option("--model", help="Count as this OpenAI model does, for instance gpt-4o.")
@click.option("--encoding", help="Count with this tiktoken encoding, for instance cl100k_base.")
@click.option("--cutoff-quantile", type=click.IntRange(min=0), default=2,
              help="What is highlighted.")  # fmt: skip
@click.option("--pack", help="A prompt pack.")
@click.option("--on-short", type=click.Choice(["error", "skip"]), default="error",
              help="Too few excerpts.")  # fmt: skip
@click.option("--on-dead", type=click.Choice(["skip", "error", "keep"]), default="skip",
              help="Nothing to explain.")  # fmt: skip
@click.option("--ignore-tokens", multiple=True, help="A token, or special; again for another.")
@click.option("--window", help="Tokens of an excerpt at most, or none.")
@click.option("--prices", default="example", metavar="FILE|example",
              help="Dollars per million tokens, by model: a YAML file, or the example that "
              "ships.")  # fmt: skip
def tokens(
    neurons: str,
    excerpts: int,
    model: str | None,
    encoding: str | None,
    cutoff_quantile: int,
    pack: str | None,
    ignore_tokens: tuple[str, ...],
    window: str | None,
    prices: str,
    **reading: Any,
) -> None:
    """Count the prompt tokens of every format over a set of neurons; no model is called.

    That is the explainer alone; with the simulator: neuron-eval compare --dry-run.
    """
    from tiktoken import list_encoding_names

    from neuron_eval.comparison.estimate import explaining
    from neuron_eval.comparison.present import headline, price_notes
    from neuron_eval.dataset import neuron_set
    from neuron_eval.formats import worded_formats
    from neuron_eval.models.tokencount import counter
    from neuron_eval.prompts.pack import load_pack
    from neuron_eval.reporting.cost import prompt_tokens, rates_of

    if model and encoding:
        raise click.UsageError("give --model or --encoding, not both")
    if encoding and encoding not in list_encoding_names():
        known = ", ".join(list_encoding_names())
        raise click.UsageError(f"--encoding {encoding}: tiktoken has {known}")
    counted_as = encoding or model or "gpt-4o"
    count = counter(counted_as)
    size = int(window) if window and window.isdecimal() else window
    chosen = neuron_set(
        neurons, excerpts, ignore_tokens=ignore_tokens or None, window=size, **reading
    )
    wording = load_pack(pack)
    counted = {
        name: prompt_tokens(chosen, name, wording, count, cutoff_quantile)
        for name in worded_formats(wording)
    }
    name = counted_as if encoding or "/" in counted_as else f"openai/{counted_as}"
    sums = {of: sum(prompts.values()) for of, prompts in counted.items()}
    rates = rates_of(prices)
    cost = explaining(name, sums, len(chosen.neurons), count, rates)
    console = Console()
    say(console, headline(cost), style="bold")
    console.print(_table(counted, count.label))
    say(
        console,
        f"{len(chosen.neurons)} neurons, {len(chosen.skipped)} skipped; one request of the "
        f"explainer, {name}, for each of them and each format. What the simulator takes besides: "
        "neuron-eval compare --dry-run.",
    )
    for note in price_notes(cost, rates):
        say(console, note)


def _table(counted: Mapping[str, Mapping[str, int]], label: str) -> Table:
    table = Table(title=f"Prompt tokens per neuron, {label}", title_justify="left")
    for heading in ("format", "mean", "lowest", "highest", "fewer than Original"):
        table.add_column(heading, justify="left" if heading == "format" else "right")
    means = {name: fmean(prompts.values()) for name, prompts in counted.items()}
    for name, prompts in counted.items():
        tokens = (f"{means[name]:.1f}", *(f"{of(prompts.values())}" for of in (min, max)))
        fewer = f"{means['original'] / means[name]:.2f} x" if "original" in means else "unknown"
        table.add_row(name, *tokens, fewer)
    return table
