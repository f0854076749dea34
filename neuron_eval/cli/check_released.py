"""`neuron-eval check-released`: published scores, computed again."""

import click
from rich.console import Console
from rich.table import Table

from neuron_eval.cli.main import command, say
from neuron_eval.given.released import TOLERANCE, check_files, explanation_files


@command("check-released")
@click.argument("path")
def check_released(path: str) -> None:
    """Recompute the published scores of explanations, and exit 1 if any disagrees.

    PATH is a .jsonl file of scored explanations as OpenAI released them, a folder of such files,
    openai:gpt2-xl, openai:gpt2-small, or an address such as s3://bucket/folder. Each explanation
    comes with simulated and true activations; every correlation (and R², and absolute deviation
    explained) is computed from these again, for each sequence and for all of them.
    """
    tally = check_files(explanation_files(path))
    table = Table(title="Published scores, computed again", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    largest = "none" if tally.largest is None else f"{tally.largest:.1e}"
    for what, value in (
        ("files", tally.files),
        ("explanations", tally.explanations),
        ("scores compared", tally.compared),
        (f"agree to {TOLERANCE:g}", tally.agree),
        ("undefined on both sides", tally.undefined),
        ("disagree", len(tally.disagree)),
        ("largest difference", largest),
        ("files or lines that are bad", len(tally.bad)),
    ):
        table.add_row(what, str(value))
    console = Console()
    console.print(table)
    for at, score in tally.disagree:
        say(console, f"{at}: {score}")
    for message in tally.bad:
        say(console, message)
    if not tally.compared and not tally.bad:
        say(console, "nothing to compare: no explanation has a score")
    if not tally.sound:
        raise click.exceptions.Exit(1)
