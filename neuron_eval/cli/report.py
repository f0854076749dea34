"""`neuron-eval report`: logs -> tables, figures and one page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from neuron_eval.cli.main import command
from neuron_eval.files.locking import alone_in


@command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write tables, figures and page here.")
@click.option("--baseline", default="original", help="Compare with this format.")
@click.option(
    "--compare",
    nargs=2,
    metavar="A B",
    help="Set two runs, as the report names them, against each other.",
)
@click.option(
    "--by", multiple=True, type=click.Choice(["layer", "group"]), help="Also by layer or group."
)
@click.option(
    "--prices",
    metavar="FILE|example",
    help="Dollars per million tokens, by model: a YAML file, or the example that ships.",
)
@click.option(
    "--measures",
    default="",
    metavar="all|NAME,NAME",
    help="Further measures of the simulations, such as f1,auprc; no model is asked.",
)
@click.option("--bundle", is_flag=True, help="Put Inspect's viewer with the logs beside the page.")
def report(logs: tuple[str, ...], out: Path | None, bundle: bool, **options: Any) -> None:
    """Compare what LOGS (files and folders) say: scores, differences, cost, agreement, failures."""
    if bundle and out is None:
        raise click.UsageError("--bundle needs --out DIR")
    if out is not None:
        click.get_current_context().with_resource(alone_in(out))
    print_report(logs, out=out, bundle=bundle, **options)


def print_report(places: Sequence[str], **options: Any) -> None:
    """Make a report, see `neuron_eval.reporting.notebook.reported`, and print it."""
    from neuron_eval.reporting.notebook import WIDTH, reported

    made = reported(places, workers=min(2, os.cpu_count() or 1), **options)
    made.write(Console(width=max(WIDTH, Console().width)))
