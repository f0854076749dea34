"""`neuron-eval report`: logs -> tables, figures and one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from neuron_eval.cli.main import command, say
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

    from neuron_eval.reporting.collecting import collect
    from neuron_eval.reporting.cost import read_prices
    from neuron_eval.reporting.page import write_report
    from neuron_eval.reporting.rendering import terminal_table
    from neuron_eval.reporting.tables import all_tables

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
