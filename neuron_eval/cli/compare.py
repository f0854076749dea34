"""`neuron-eval compare`: all of a comparison as one command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console

from neuron_eval.cli.config import Listed, batch_option, load_config, shipped
from neuron_eval.cli.main import AT_LEAST_1, command, say
from neuron_eval.files.locking import alone_in
from neuron_eval.records.splits import SCORED, Scored
from neuron_eval.simulation.headline import HEADLINE
from neuron_eval.simulation.measure import CALIBRATION
from neuron_eval.workers import connected

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

    from neuron_eval.comparison.costs import CostEstimate, Rates
    from neuron_eval.comparison.counting import Counted, Prompts
    from neuron_eval.comparison.plan import Plan

WIDTH = 132  # columns that the tables need at least

ON_DEAD = ("skip", "error", "keep")
FILE = click.Path(exists=True, dir_okay=False)


@command()
@click.option(
    "--config",
    is_eager=True,
    expose_value=False,
    callback=load_config,
    metavar="NAME|FILE",
    help="A YAML file of these options, by their long names; what "
    "is typed wins. Those that ship are the experiments of Lee et al. 2023: "
    f"{', '.join(shipped())}.",
)
@click.option(
    "--formats", type=Listed(), help="Prompt formats, by comma.  [default: all that the pack words]"
)
@click.option("--models", type=Listed(), help="Explainers, by comma, such as openai/gpt-4.1-mini.")
@click.option("--simulator", help="The model that simulates; the explainer itself otherwise.")
@click.option("--embedder", help="The model that embeds, such as embed-local/minilm.")
@click.option("--neurons", help="Which neurons.  [default: smollm2]")
@click.option("--layers", type=Listed(), help="Only these layers, for instance 0-3,10.")
@click.option("--index", type=Listed(), help="Only these neurons of each layer.")
@click.option("--select", help="all, random, interpretable, top_per_layer or top.  [default: all]")
@click.option("--per-layer", type=AT_LEAST_1, help="Neurons of each layer.  [default: 20]")
@click.option("--threshold", type=float, help="The lowest interpretable score.  [default: 0.35]")
@click.option("--limit", type=AT_LEAST_1, help="At most so many neurons.")
@click.option("--seed", type=click.IntRange(min=0), help="What is drawn.  [default: 0]")
@click.option("--scores", type=FILE, help="CSV: layer, neuron, score, explanation.")
@click.option("--excerpts", type=AT_LEAST_1, help="Excerpts of a kind and split.  [default: 5]")
@click.option("--excerpts-scored", type=click.Choice(get_args(Scored)),
              help=f"Which held-out excerpts are scored.  [default: {SCORED}]")  # fmt: skip
@click.option("--on-short", type=click.Choice(["error", "skip"]), help="Too few excerpts.")
@click.option("--on-dead", type=click.Choice(ON_DEAD), help="Nothing to explain.  [default: skip]")
@click.option("--ignore-tokens", type=Listed(), help="By comma; special for the special ones.")
@click.option("--window", help="Tokens of an excerpt at most, or none.")
@click.option("--cutoff-quantile", type=click.IntRange(min=0), help="What is highlighted.")
@click.option("--pack", help="A prompt pack (a file) to use instead of the bundled one.")
@click.option("--simulation", help="How to simulate; none for AdaCS alone.  [default: auto]")
@click.option("--calibration", help=f"linear, percentiles or none.  [default: {CALIBRATION}]")
@click.option("--excerpts-per-call", type=AT_LEAST_1, help="In a simulator's request.")
@click.option("--headline", help=f"Which measure is the score, such as f1.  [default: {HEADLINE}]")
@click.option("--judge", type=Listed(), help="Judgements besides, by comma: detection, fuzzing, "
              "intruder.")  # fmt: skip
@click.option("--epochs", type=AT_LEAST_1, default=1, help="Times explained.")
@click.option("--retries", type=click.IntRange(min=0), default=2,
              help="How often failed samples are tried again.")  # fmt: skip
@click.option("--max-connections", type=AT_LEAST_1, help="Requests at once to a provider.")
@click.option("--max-tasks", type=AT_LEAST_1, help="Formats at once.  [default: all, but one "
              "after the other with a server on this machine]")  # fmt: skip
@batch_option
@click.option("--shards", type=AT_LEAST_1, default=1, help="Parts of the neurons, each with logs "
              "of its own; one after the other, or on Ray at once.")  # fmt: skip
@click.option("--on", type=click.Choice(["local", "ray"]), default="local",
              help="Where shards run: here, or on the workers of a Ray cluster.")  # fmt: skip
@click.option("--log-dir", default="logs/compare",
              help="A folder for the logs of this comparison alone.")  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the report here, too."
)
@click.option("--prices", default="example", metavar="FILE|example|none",
              help="Dollars per million tokens, by model: a YAML file, or the example that "
              "ships, whose day is printed.")  # fmt: skip
@click.option("--confirm-over", type=click.FloatRange(min=0), default=5.0,
              help="Ask before more dollars than that may be spent.")  # fmt: skip
@click.option("--pilot", type=AT_LEAST_1, help="First ask for so many neurons of each format and "
              "model alone, without asking; then print what the rest takes by what these took, and "
              "ask whether to go on. Nothing is bought twice.")  # fmt: skip
@click.option("--until", type=float, help="Stop once the 95 % interval of each format's and "
              "explainer's mean score reaches at most so far to each side, such as 0.02. Neurons "
              "are taken in a drawn order, 100 and then as many as it takes.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print the estimate, and call no model.")
@click.option("--controls", is_flag=True, help="Score reference, lexical, generic and shuffled "
              "explanations too, with no explainer.")  # fmt: skip
@click.option("--report/--no-report", default=True, help="Print the tables.")
@click.option("--check/--no-check", default=True, help="Ask each model a short question first.")
def compare(
    epochs: int,
    retries: int,
    max_connections: int | None,
    max_tasks: int | None,
    shards: int,
    on: str,
    log_dir: str,
    out: Path | None,
    prices: str,
    confirm_over: float,
    pilot: int | None,
    yes: bool,
    dry_run: bool,
    report: bool,
    check: bool,
    **options: Any,
) -> None:
    """Explain the same neurons with several prompt formats and models, and report.

    First an estimate of requests, tokens and dollars. Run again with the same options and
    --log-dir, it goes on where it stopped, and asks for nothing twice.
    """
    from neuron_eval.cli.report import print_report
    from neuron_eval.comparison.plan import planned
    from neuron_eval.comparison.present import counted_neurons, estimated
    from neuron_eval.comparison.sampling import pilot_neurons, run_until
    from neuron_eval.preflight.asking import command_check
    from neuron_eval.reporting.cost import rates_of

    if pilot and dry_run:
        raise click.UsageError("--dry-run calls no model, and --pilot does: name one of them")
    if on == "ray" and shards == 1:
        raise click.UsageError("--on ray needs --shards: how many parts its workers are dealt")
    places = [log_dir] if out is None else [log_dir, out]
    click.get_current_context().with_resource(nullcontext() if dry_run else alone_in(*places))
    click.get_current_context().with_resource(command_check(check))
    if on == "ray" and not dry_run:
        click.get_current_context().with_resource(connected())
    known = None if prices == "none" else prices
    rates = rates_of(known)
    with Console(stderr=True).status("Reading neurons and counting tokens"):
        plan, pack = planned(options, epochs)
        plan = replace(plan, shards=shards)
        counted = counted_neurons(plan, pack, may_fetch=not dry_run)
        cost, notes = estimated(plan, pack, counted, log_dir, rates)
    limits = {"retries": retries, "max_connections": max_connections, "max_tasks": max_tasks}
    run = partial(_run, plan, counted.prompts, log_dir, on=on, check=check, limits=limits)
    _show(cost, notes, "About" if counted.neurons else "Per neuron: about")
    if dry_run:
        return
    if pilot and cost.explanations:
        logs = run(neurons=pilot_neurons(plan, counted, pilot))
        if not _go_on_after(plan, counted, logs, pilot, log_dir, rates, yes):
            return
    elif not yes:
        _confirm(cost, confirm_over)
    run_until(plan, counted, run, click.echo)
    if report:
        baseline = "original" if "original" in plan.formats else plan.formats[0]
        print_report([log_dir], out=out, baseline=baseline, prices=known)


def _run(plan: Plan, prompts: Prompts, log_dir: str, **options: Any) -> list[EvalLog]:
    """The logs of a run in which nothing failed; of another it says how to go on, and ends."""
    from neuron_eval.comparison import running

    again = f"What is finished is in {log_dir}; the same command goes on from there."
    try:
        logs = running.run_all(plan, prompts, log_dir, **options)
    except KeyboardInterrupt:
        click.echo(f"\nStopped. {again}", err=True)
        sys.exit(130)  # as shells have it where the keyboard stopped a command
    if left := running.unfinished(logs):
        click.echo("\n".join(left), err=True)
        click.echo(f"Not all was done. {again} It asks only for what is missing.", err=True)
        if any(map(running.is_complete, logs)):
            click.echo(f"On what is whole: neuron-eval report {log_dir}", err=True)
        sys.exit(1)
    return logs


def _show(cost: CostEstimate, notes: Sequence[str], start: str) -> None:
    from neuron_eval.comparison.present import estimate_table, headline

    console = Console(width=max(WIDTH, Console().width))
    say(console, headline(cost, start), style="bold")
    console.print(estimate_table(cost))
    for note in notes:
        say(console, note)


def _go_on_after(
    plan: Plan,
    counted: Counted,
    logs: list[EvalLog],
    pilot: int,
    log_dir: str,
    rates: Rates,
    yes: bool,
) -> bool:
    from neuron_eval.comparison.costs import rates_in
    from neuron_eval.comparison.estimate import left_by_cell
    from neuron_eval.comparison.finished import find_finished
    from neuron_eval.comparison.present import pilot_notes
    from neuron_eval.comparison.sampling import extrapolated, pilot_neurons, read_taken

    taken = read_taken(plan, logs, pilot_neurons(plan, counted, pilot))
    finished = find_finished(log_dir, plan)
    left = left_by_cell(plan, counted, finished)
    cost = extrapolated(taken, left, rates_in(plan, rates), finished.total)
    if not cost.explanations:
        return True
    _show(cost, pilot_notes(taken, cost), f"After {len(taken)} explanations, the rest: about")
    if yes or (_is_terminal() and click.confirm("Go on?")):
        return True
    click.echo(
        f"Stopped after the pilot. Its answers are in {log_dir}; the same command without --pilot "
        "goes on from there."
    )
    return False


def _confirm(cost: CostEstimate, limit: float) -> None:
    from neuron_eval.comparison.present import too_dear

    if why := too_dear(cost, limit, "--confirm-over"):
        if not _is_terminal():
            raise click.ClickException(f"{why} Nobody is here to be asked: add --yes to go on.")
        click.confirm(f"{why} Go on?", abort=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()
