"""`neuron-eval score`: explain once, simulate later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from inspect_ai.model import Model


@click.command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--simulator", help="The model that simulates, such as openai/gpt-4o-mini.")
@click.option("--base-url", help="The simulator's server, if it is not its provider's own.")
@click.option("--simulation", default="auto", show_default=True, help="How to simulate.")
@click.option("--calibration", default="linear", show_default=True)
@click.option("--excerpts-per-call", type=click.IntRange(min=1), help="For chat and sparse.")
@click.option("--pack", type=click.Path(exists=True, dir_okay=False), help="A prompt pack.")
@click.option("--name", help="What the score is called; made of simulator and way otherwise.")
@click.option("--overwrite", is_flag=True, help="Replace the log instead of writing a new one.")
def score(
    logs: tuple[Path, ...],
    simulator: str | None,
    base_url: str | None,
    simulation: str,
    calibration: str,
    excerpts_per_call: int | None,
    pack: str | None,
    name: str | None,
    overwrite: bool,
) -> None:
    """Add a second simulator's score to LOGS (files or folders), beside the first.

    The explanations stay as they are, and nothing is asked for that was asked before: the replies
    are in Inspect's cache. A new log NAME-scored.eval is written unless --overwrite is given.
    """
    from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log
    from rich.console import Console

    from neuron_eval.rescore import rescore, score_name

    if simulator is None and simulation != "embedding":
        raise click.UsageError("name a --simulator, or use --simulation embedding")
    console = Console()
    model = None if simulator is None else _model(simulator, base_url)
    called = name or score_name(simulator, simulation)
    for path in logs:
        # Listed before anything is written, so that a new log is not scored in its turn.
        found: list[str] = (
            [i.name for i in list_eval_logs(str(path))] if path.is_dir() else [str(path)]
        )
        for info in found:
            try:
                log = read_eval_log(info)
                scored = rescore(
                    log,
                    model,
                    called,
                    simulation=simulation,
                    calibration=calibration,
                    excerpts_per_call=excerpts_per_call,
                    pack=pack,
                )
            except ValueError as error:
                raise click.ClickException(str(error)) from error
            target = log.location if overwrite else _beside(log.location)
            write_eval_log(scored, target)
            for result in scored.results.scores if scored.results else []:
                if result.name == called:
                    mean = result.metrics["mean"].value
                    console.print(
                        f"{called}: mean {mean:.3f}, {result.scored_samples} scored, "
                        f"{result.unscored_samples} not scored: {target}",
                        soft_wrap=True,
                        highlight=False,
                        markup=False,
                    )


def _model(name: str, base_url: str | None) -> Model:
    """The simulator; a missing key or package, or an unknown provider, is the user's to mend."""
    from inspect_ai.model import get_model
    from rich.text import Text

    try:
        return get_model(name, base_url=base_url)
    except Exception as error:
        raise click.ClickException(f"{name}: {Text.from_markup(str(error)).plain}") from error


def _beside(location: str) -> str:
    stem, dot, ending = location.rpartition(".")
    return f"{stem}-scored{dot}{ending}"
