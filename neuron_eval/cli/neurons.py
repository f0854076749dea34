"""`neuron-eval convert`, `tokens` and `validate`: a set of neurons as a file, counted, checked."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import click

from neuron_eval.cli.main import AT_LEAST_1, command
from neuron_eval.files.locking import alone_at
from neuron_eval.messages import InputError
from neuron_eval.records.heatmap import token_signs

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")  # what can be written
NAMED = 20  # at most so many missing neurons are named; the rest is counted


@command()
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layers", help="Only these layers, such as 0-3,10.")
@click.option("--index", help="Only these neurons of each layer, such as 5,7-9.")
@click.option("--select", default="all", help="Which set, such as random.")
@click.option("--per-layer", type=int, help="How many of each layer a set takes.")
@click.option("--threshold", type=float, help="The lowest score of select=interpretable.")
@click.option("--limit", type=int, help="At most so many neurons.")
@click.option("--seed", type=int, default=0, help="What a set draws.")
@click.option("--scores", help="A CSV file with the columns layer, neuron, score, explanation.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, out: Path, force: bool, **choosing: Any) -> None:
    """Write the neurons of IN to OUT, which ends in .parquet, .jsonl or .jsonl.gz.

    IN is whatever -T neurons= takes: a bundled set, a file, a folder, openai:gpt2-xl,
    hub:ORG/NAME. Neurons that IN does not have are counted and named; a bad one is an error, and
    then nothing is written.
    """
    from neuron_eval.sources.choosing import parse_choice
    from neuron_eval.sources.surveying import write_chosen

    click.get_current_context().with_resource(alone_at(out))
    _check_out(out, force)
    missing: list[str] = []
    try:
        written = write_chosen(out, parse_choice(source, **choosing), missing)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    except InputError as error:
        raise click.ClickException(f"{_as_options(str(error))}; {out} was not written") from error
    finally:
        if missing:
            click.echo(f"{len(missing)} neurons are missing:", err=True)
            more = [f"and {len(missing) - NAMED} more"] if len(missing) > NAMED else []
            for line in (*missing[:NAMED], *more):
                click.echo(f"  {line}", err=True)
    click.echo(f"{written} neurons written to {out}")


def _as_options(message: str) -> str:
    """``-T per_layer=20`` as this command has it, ``--per-layer 20``."""
    return re.sub(r"-T (\w+)=", lambda match: f"--{match[1].replace('_', '-')} ", message)


def _check_out(out: Path, force: bool) -> None:
    if not out.name.endswith(ENDINGS):
        raise click.UsageError(f"OUT is {out}; expected a file ending in {', '.join(ENDINGS)}")
    if out.is_dir() or not out.parent.is_dir():
        raise click.UsageError(f"OUT is {out}; expected a file in a folder that is there")
    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; --force replaces it")


@command()
@click.argument("path")
def validate(path: str) -> None:
    """Go through every neuron of PATH, print each problem on a line, and exit 1 if there is one.

    PATH is whatever -T neurons= takes: a file, a folder, hub:ORG/NAME, a bundled set.
    """
    from neuron_eval.sources.surveying import EXCERPTS, Survey

    survey = Survey()
    for problem in survey.problems(path):
        click.echo(token_signs(problem))
    total = survey.sound + survey.bad
    click.echo(f"{total} neuron{'' if total == 1 else 's'}, {survey.bad} bad")
    if survey.missing:
        click.echo(f"{survey.missing} that are listed are missing")
    if survey.sound:
        click.echo(
            f"{survey.long} of {survey.sound} have enough excerpts for {EXCERPTS} of each kind a "
            f"split (20 top, 15 random), {survey.referenced} have a reference"
        )
    for note in survey.notes():
        click.echo(token_signs(note))
    if survey.bad or survey.missing or not survey.sound:
        raise click.exceptions.Exit(1)


@command()
@click.option("--neurons", default="smollm2", help="Which neurons.")
@click.option("--excerpts", type=AT_LEAST_1, default=5)
@click.option("--model", help="Count as this OpenAI model does, for instance gpt-4o.")
@click.option("--encoding", help="Count with this tiktoken encoding, for instance cl100k_base.")
@click.option("--cutoff-quantile", type=click.IntRange(min=0), default=2)
@click.option("--pack", help="A prompt pack.")
@click.option(
    "--on-short", type=click.Choice(["error", "skip"]), default="error", show_default=False
)
@click.option(
    "--on-dead", type=click.Choice(["skip", "error", "keep"]), default="skip", show_default=False
)
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
    from neuron_eval.report.cost import prompt_tokens

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
