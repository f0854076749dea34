"""`neuron-eval score`: explain once, simulate later."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuron_eval.cli.config import batch_option
from neuron_eval.cli.main import AT_LEAST_1, command, model_named
from neuron_eval.files.locking import alone_at
from neuron_eval.messages import InputError
from neuron_eval.simulation.headline import HEADLINE, check_headline
from neuron_eval.simulation.measure import CALIBRATION

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

    from neuron_eval.models.batching import Batch

SCORED = "-scored"  # stands behind a log's name where scores were added to a copy of it


@command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--simulator", help="The model that simulates, such as openai/gpt-4o-mini.")
@click.option("--base-url", help="The simulator's server, if it is not its provider's own.")
@click.option("--max-connections", type=AT_LEAST_1, help="Requests at once to the simulator.")
@batch_option
@click.option("--simulation", default="auto", help="How to simulate.")
@click.option("--calibration", default=CALIBRATION, help="linear, percentiles or none.")
@click.option("--excerpts-per-call", type=AT_LEAST_1, help="For chat and sparse.")
@click.option(
    "--headline", default=HEADLINE, help="Which measure is the score, such as f1 or f1_random."
)
@click.option(
    "--pack", help="The prompt pack to simulate with; name the log's own again if it had one."
)
@click.option("--name", help="What the score is called; made of simulator and way otherwise.")
@click.option("--check/--no-check", default=True, help="Ask the simulator a short question first.")
@click.option("--overwrite", is_flag=True, help="Add to the log itself instead of to a copy.")
def score(
    logs: tuple[Path, ...],
    simulator: str | None,
    base_url: str | None,
    max_connections: int | None,
    batch: Batch | None,
    simulation: str,
    name: str | None,
    overwrite: bool,
    check: bool,
    **settings: Any,
) -> None:
    """Add a second simulator's score to LOGS (files or folders), beside the first.

    The explanations stay as they are, and nothing is asked for that was asked before: the replies
    are in Inspect's cache. Scores are added to a copy, NAME-scored.eval, which keeps those that
    were added earlier; or to the log itself with --overwrite.
    """
    from neuron_eval.models.batching import batch_note, in_batches
    from neuron_eval.preflight import simulates
    from neuron_eval.preflight.asking import check_models, command_check
    from neuron_eval.prompts.pack import load_pack
    from neuron_eval.rescore import CannotScoreError, score_name
    from neuron_eval.rescore_file import rescore_file
    from neuron_eval.simulation import Simulator
    from neuron_eval.simulation.choose import asks_model, check_way

    try:
        way = check_way(simulation)
        check_headline(settings["headline"])
    except InputError as error:
        raise click.UsageError(str(error)) from error
    if simulator is None and asks_model(way):
        raise click.UsageError("name a --simulator, or use --simulation embedding")
    model = None
    if simulator is not None:
        if batch:
            click.echo(batch_note([simulator]), err=True)
        able = batch if in_batches(simulator) else None
        model = model_named(simulator, base_url, max_connections, able)
        with command_check(check):
            simulating = Simulator(model, named=True)
            check_models([simulates(simulating, way, load_pack(settings["pack"]))])
    note = partial(click.echo, err=True)
    called = name or score_name(simulator, way, settings["headline"])
    added = 0
    click.get_current_context().with_resource(alone_at(*_targets(logs, overwrite)))
    # Listed again, as another process may have made a copy before this one was alone.
    for target, source in _targets(logs, overwrite).items():
        try:
            scored = rescore_file(
                source, target, model, called, tell=note, simulation=way, **settings
            )
        except CannotScoreError as error:
            click.echo(f"left as it is: {error}", err=True)
            continue
        added += 1
        click.echo(_line(scored, called, target))
    if not added:
        sys.exit(1)


def _targets(logs: tuple[Path, ...], overwrite: bool) -> dict[str, str]:
    """Where each log goes, and the log; listed before anything is written."""
    from neuron_eval.logs.files import log_files

    targets: dict[str, str] = {}
    for location in log_files([str(path) for path in logs]):
        stem, dot, ending = location.rpartition(".")
        copy = f"{stem.removesuffix(SCORED)}{SCORED}{dot}{ending}"
        target = location if overwrite else copy
        # Where a copy exists it is added to, or what was added earlier would be lost.
        exists = Path(target.removeprefix("file://")).exists()
        targets[target] = target if exists else location
    return targets


def _line(log: EvalLog, name: str, target: str) -> str:
    (added,) = [s for s in (log.results.scores if log.results else []) if s.name == name]
    return (
        f"{name}: mean {added.metrics['mean'].value:.3f}, {added.scored_samples} scored, "
        f"{added.unscored_samples} not scored: {target}"
    )
