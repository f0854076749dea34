"""`neuron-eval given`: explanations that exist, scored."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from neuron_eval.cli.main import AT_LEAST_1, command, finished, model_named, say_where

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog

    from neuron_eval.reporting.summary import LogSummary


@command()
@click.argument("file")
@click.option("--column", "columns", multiple=True, help="A column of FILE; may be repeated.")
@click.option("--all-columns", is_flag=True, help="Every column of FILE that holds explanations.")
@click.option(
    "--references", help="A file with layer, neuron (or id) and explanation, to compare with."
)
@click.option("--neurons", help="Neurons with activations, to simulate on; FILE's rows otherwise.")
@click.option("--simulator", help="The model that simulates, such as openai/gpt-4o-mini.")
@click.option("--simulation", help="How to simulate; none for AdaCS alone.")
@click.option("--headline", help="Which measure of the simulation is the score, such as f1.")
@click.option("--embedder", help="The model that embeds, such as embed-local/minilm.")
@click.option("--check/--no-check", default=True, help="Ask each model a short question first.")
@click.option("--log-dir", default="logs/given", help="Where the logs go.")
@click.option("--limit", type=AT_LEAST_1, help="Only the first so many neurons.")
def given(
    file: str,
    columns: tuple[str, ...],
    all_columns: bool,
    references: str | None,
    neurons: str | None,
    simulator: str | None,
    simulation: str | None,
    headline: str | None,
    embedder: str | None,
    check: bool,
    log_dir: str,
    limit: int | None,
) -> None:
    """Score the explanations in FILE and print the columns, best first.

    FILE is CSV, JSON Lines or Parquet, with a row per neuron (layer and neuron, or id) and a column
    a way to explain, or a log; with --neurons it may also be a control: reference, shuffled,
    generic, lexical or false. Nothing is explained: no explainer is asked. With --references alone
    no activations are needed.
    """
    from inspect_ai import eval

    from neuron_eval.simulation.choose import asks_model
    from neuron_eval.task import NO_SIMULATION, Parameters
    from neuron_eval.tasks.given import given as task

    simulates = simulator or headline or simulation not in (None, NO_SIMULATION)
    if neurons is None and simulates:
        raise click.UsageError("to simulate takes activations: name --neurons")
    if neurons is not None and simulator is None and asks_model(simulation or "auto"):
        raise click.UsageError(
            "name a --simulator, or use --simulation embedding, or --simulation none for AdaCS "
            "alone"
        )
    parameters: Parameters = {}
    if neurons is not None:
        parameters = {"neurons": neurons, "simulation": simulation or "auto"}
        if headline is not None:
            parameters["headline"] = headline
    wanted = _wanted(file, columns, all_columns)
    tasks = [task(file, column, references, **parameters) for column in wanted]
    _check(tasks, simulator, embedder, parameters.get("simulation", NO_SIMULATION), check)
    named = {"simulator": simulator, "embedder": embedder}
    roles: dict[str, Any] = {role: model for role, model in named.items() if model is not None}
    logs = eval(tasks, model="none", model_roles=roles, limit=limit, log_dir=log_dir)
    console = Console(width=max(112, Console().width))
    succeeded = finished(console, logs)
    if succeeded:
        _report(console, succeeded)
    say_where(console, log_dir)
    if len(succeeded) < len(logs):
        sys.exit(1)


def _check(
    tasks: list[Task], simulator: str | None, embedder: str | None, way: str, wanted: bool
) -> None:
    """Ask the models here: these tasks are made before the eval, which asks none for them."""
    from neuron_eval.embedding.embedder import default_embedder
    from neuron_eval.preflight import embeds, simulates
    from neuron_eval.preflight.asking import check_models, command_check
    from neuron_eval.prompts.pack import default_pack
    from neuron_eval.simulation import Simulator

    trials = []
    if simulator is not None:
        trials.append(simulates(Simulator(model_named(simulator), True), way, default_pack()))
    if way == "embedding" or any(sample.target for task in tasks for sample in task.dataset):
        trials.append(embeds(model_named(embedder or default_embedder())))
    with command_check(wanted):
        check_models(trials)


def _wanted(file: str, columns: tuple[str, ...], all_columns: bool) -> list[str | None]:
    from neuron_eval.given.controls import ALL_CONTROLS
    from neuron_eval.given.origin import SHUFFLED_FILE
    from neuron_eval.given.reading import read_table

    if not all_columns:
        return list(dict.fromkeys(columns)) or [None]
    if columns:
        raise click.UsageError("give --column or --all-columns, not both")
    if file in ALL_CONTROLS:
        raise click.UsageError(f"--all-columns takes a file; {file} is what neurons hold")
    return list(read_table(file.removeprefix(SHUFFLED_FILE)).columns)


def ranked(rows: list[LogSummary]) -> list[LogSummary]:
    """The best first: by mean AdaCS, or by simulation correlation if none has AdaCS."""
    by_adacs = any(row.adacs for row in rows)
    estimates = [row.adacs if by_adacs else row.simulation for row in rows]
    places = [-estimate.mean if estimate else math.inf for estimate in estimates]
    return [row for _, row in sorted(zip(places, rows, strict=True), key=lambda at: at[0])]


def _report(console: Console, logs: list[EvalLog]) -> None:
    from neuron_eval.reporting.rendering import terminal_table
    from neuron_eval.reporting.summary import summaries, summary_table

    console.print()
    table = summary_table(ranked(summaries(logs)), only_measured=True)
    console.print(terminal_table(table, narrow=False))
    lines = ["In brackets behind an interval: how many neurons were scored, where not all were."]
    if levels := unrelated_levels(logs):
        lines.append(
            f"Other neurons' references reach an AdaCS of {sum(levels) / len(levels):.3f} "
            f"({min(levels):.3f} to {max(levels):.3f} by column): the level of an explanation "
            "that has nothing to do with the neuron."
        )
    console.print("\n".join(lines) + "\n", markup=False, highlight=False)


def unrelated_levels(logs: list[EvalLog]) -> list[float]:
    """For each log in which AdaCS was scored, what other neurons' references reach on average."""
    levels = []
    for log in logs:
        scores = [(sample.scores or {}).get("adacs") for sample in log.samples or []]
        means = [(score.metadata or {}).get("unrelated_mean") for score in scores if score]
        if known := [mean for mean in means if mean is not None]:
            levels.append(sum(known) / len(known))
    return levels
