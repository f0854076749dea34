"""`neuron-eval tokens`: how long the prompts of each format are."""

from __future__ import annotations

import math
from typing import Any

import click

from neuron_eval.cli.main import AT_LEAST_1, command


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
def tokens(
    neurons: str,
    excerpts: int,
    model: str | None,
    encoding: str | None,
    cutoff_quantile: int,
    pack: str | None,
    ignore_tokens: tuple[str, ...],
    window: str | None,
    **reading: Any,
) -> None:
    """Count the prompt tokens of every format over a set of neurons; no model is called."""
    from rich.console import Console
    from rich.table import Table
    from tiktoken import list_encoding_names

    from neuron_eval.dataset import neuron_set
    from neuron_eval.formats import worded_formats
    from neuron_eval.models.tokencount import counter
    from neuron_eval.prompts.pack import load_pack
    from neuron_eval.reporting.cost import prompt_tokens

    if model and encoding:
        raise click.UsageError("give --model or --encoding, not both")
    if encoding and encoding not in list_encoding_names():
        known = ", ".join(list_encoding_names())
        raise click.UsageError(f"--encoding {encoding}: tiktoken has {known}")
    count = counter(encoding or model or "gpt-4o")
    size = int(window) if window and window.isdecimal() else window
    chosen = neuron_set(
        neurons, excerpts, ignore_tokens=ignore_tokens or None, window=size, **reading
    )
    wording = load_pack(pack)
    counted = {
        name: prompt_tokens(chosen, name, wording, count, cutoff_quantile)
        for name in worded_formats(wording)
    }
    table = Table(title=f"Prompt tokens a neuron, {count.label}", title_justify="left")
    for heading in ("format", "mean", "lowest", "highest", "fewer than Original"):
        table.add_column(heading, justify="left" if heading == "format" else "right")
    original = counted["original"].mean if "original" in counted else math.nan
    for name, prompts in counted.items():
        ratio = original / prompts.mean
        table.add_row(
            name,
            f"{prompts.mean:.1f}",
            str(prompts.lowest),
            str(prompts.highest),
            "unknown" if math.isnan(ratio) else f"{ratio:.2f} x",
        )
    console = Console()
    console.print(table)
    console.print(f"{len(chosen.neurons)} neurons, {len(chosen.skipped)} skipped.")
