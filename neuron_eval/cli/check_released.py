"""`neuron-eval check-released`: whether published scores follow from what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuron_eval.messages import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from neuron_eval.given.released import RecomputedScore, ReleasedTally


@click.command("check-released")
@click.argument("path")
def check_released(path: str) -> None:
    """Recompute the published scores of explanations, and exit 1 if any disagrees.

    PATH is a .jsonl file of scored explanations as OpenAI released them, a folder of such files,
    openai:gpt2-xl, openai:gpt2-small, or an address such as s3://bucket/folder. Each explanation
    comes with simulated and true activations; every correlation (and R², and absolute deviation
    explained) is computed from these again, for each sequence and for all of them.
    """
    from rich.console import Console

    from neuron_eval.given.released import check_files, explanation_files

    try:
        tally = check_files(explanation_files(path))
    except InputError as error:
        raise click.ClickException(str(error)) from error
    _print(tally, Console())
    if not tally.sound:
        raise click.exceptions.Exit(1)


def _print(tally: ReleasedTally, console: Console) -> None:
    from rich.table import Table

    from neuron_eval.given.released import TOLERANCE

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
    console.print(table)
    for at, compared in tally.disagree:
        _say(console, f"{at}: {_described(compared)}")
    for message in tally.bad:
        _say(console, message)
    if not tally.compared and not tally.bad:
        _say(console, "nothing to compare: no explanation has a score")


def _described(compared: RecomputedScore) -> str:
    released, recomputed = (
        "undefined" if value is None else f"{value:.9g}"
        for value in (compared.released, compared.recomputed)
    )
    return (
        f"layer {compared.layer}, neuron {compared.neuron}, explanation "
        f"{compared.explanation!r}: {compared.score}: released {released}, "
        f"recomputed {recomputed}"
    )


def _say(console: Console, text: str) -> None:
    """A line of text that may hold brackets, in one piece however narrow the terminal."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
