"""`neuron-eval report`: logs -> tables, figures and one page; `demo` makes the logs, too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from neuron_eval.cli.main import AT_LEAST_1, command, finished, say, say_where
from neuron_eval.files.locking import alone_in

WIDTH = 120  # columns that the tables need at least


@command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write tables, figures and page here.")
@click.option("--baseline", default="original", help="Compare with this format.")
@click.option(
    "--by", multiple=True, type=click.Choice(["layer", "group"]), help="Also by layer or group."
)
@click.option(
    "--prices",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="YAML: dollars a million tokens, by model.",
)
@click.option("--bundle", is_flag=True, help="Put Inspect's viewer with the logs beside the page.")
def report(logs: tuple[str, ...], out: Path | None, bundle: bool, **options: Any) -> None:
    """Compare what LOGS (files and folders) say: scores, differences, cost, agreement, failures."""
    if bundle and out is None:
        raise click.UsageError("--bundle needs --out DIR")
    if out is not None:
        click.get_current_context().with_resource(alone_in(out))
    print_report(logs, out=out, bundle=bundle, **options)


def print_report(
    places: Sequence[str],
    *,
    out: Path | None,
    baseline: str = "original",
    by: Sequence[str] = (),
    prices: Path | None = None,
    bundle: bool = False,
) -> None:
    from rich.console import Console

    from neuron_eval.report.collecting import collect
    from neuron_eval.report.cost import read_prices
    from neuron_eval.report.page import write_report
    from neuron_eval.report.rendering import terminal_table
    from neuron_eval.report.tables import all_tables

    collected = collect(places, excerpts=out is not None, workers=min(2, os.cpu_count() or 1))
    tables = all_tables(collected, baseline, read_prices(prices) if prices else None, by)
    drawn = [terminal_table(table) for table in tables]
    # A line that the terminal folds is ugly; a number that is cut off is wrong.
    console = Console(width=max(WIDTH, Console().width))
    console.width = max(console.width, *(console.measure(table).minimum for table in drawn))
    for note in collected.notes:
        say(console, note, style="yellow")
    for table, picture in zip(tables, drawn, strict=True):
        console.print(picture)
        for note in table.notes:
            say(console, note)
        console.print()
    if out is not None:
        page, notes = write_report(collected, tables, out, baseline, bundle)
        for note in (*notes, f"Report: {page.resolve().as_uri()}"):
            say(console, note)


MODEL = "neuron-baseline/lexical"
EMBEDDER = "embed-local/minilm"  # named, so that a key in the environment costs nothing here


@command()
@click.option("--neurons", default="smollm2", help="Which neurons.")
@click.option("--limit", type=AT_LEAST_1, help="Only the first so many neurons.")
@click.option("--log-dir", default="logs/demo", help="Where the logs go.")
def demo(neurons: str, limit: int | None, log_dir: str) -> None:
    """Explain the bundled neurons with all five prompt formats and write the report.

    The explainer is neuron-baseline/lexical, which only names marked words; the simulator
    compares embeddings. Both run here, so the numbers are a floor, not a result.
    """
    from inspect_ai import eval
    from rich.console import Console

    from neuron_eval.cli.report import print_report
    from neuron_eval.tasks import formats

    out = Path(log_dir) / "report"
    click.get_current_context().with_resource(alone_in(out))
    names = ("original", "summary", "highlight", "highlight_summary", "avhs")
    tasks = [getattr(formats, name)(neurons=neurons) for name in names]
    logs = eval(
        tasks, model=MODEL, model_roles={"embedder": EMBEDDER}, limit=limit, log_dir=log_dir
    )
    console = Console()
    succeeded = finished(console, logs)
    console.print()
    if succeeded:
        print_report([log.location for log in succeeded], out=out)
    say(
        console,
        "neuron-baseline/lexical only names marked words and embeddings simulate:\n"
        "these numbers are the floor that a language model has to beat.\n",
    )
    say_where(console, log_dir)
    if len(succeeded) < len(logs):
        sys.exit(1)
