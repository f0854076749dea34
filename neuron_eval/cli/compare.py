"""`neuron-eval compare`: all of a comparison as one command.

Its options may come from a YAML file, whose keys are their long names:

    models: [openai/gpt-4.1-mini, openai/gpt-4.1]
    neurons: openai:gpt2-xl
    per-layer: 20

What is typed on the command line wins over the file. Files that are named in it are looked for
from the folder that the command runs in.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuron_eval.cli.main import AT_LEAST_1, command, say
from neuron_eval.files.bounded import load_yaml
from neuron_eval.files.locking import alone_in
from neuron_eval.simulation.measure import CALIBRATION

if TYPE_CHECKING:
    from neuron_eval.comparison.estimate import CostEstimate

WIDTH = 132  # columns that the tables need at least

ON_DEAD = ("skip", "error", "keep")
FILE = click.Path(exists=True, dir_okay=False)
PATH = click.Path(exists=True, dir_okay=False, path_type=Path)

SHIPPED = resources.files("neuron_eval.comparison")
FOLDER = "paper"  # the folder of the configurations that ship, and what their names begin with

TYPED_ONLY = ("--config", "--dry-run", "--help", "--yes")
"""Options that no file can set: what they decide is the person's who runs it."""


class Listed(click.ParamType):  # type: ignore[type-arg]
    """Several values, separated by commas, or a list in a file."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        values = value.split(",") if isinstance(value, str) else value
        values = values if isinstance(values, list | tuple) else [values]
        if any(isinstance(v, bool) or not isinstance(v, str | int) for v in values):
            self.fail(f"{value!r} is no list of names or numbers", param, ctx)
        return tuple(text for v in values if (text := str(v).strip()))


def shipped() -> list[str]:
    stems = (file.name.removesuffix(".yaml") for file in (SHIPPED / FOLDER).iterdir())
    return sorted(f"{FOLDER}/{stem}" for stem in stems)


def load_config(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Click's callback of ``--config``: the file's values become the options' defaults."""
    if name is None:
        return name
    allowed = {
        param.opts[0].removeprefix("--"): param
        for param in ctx.command.params
        if isinstance(param, click.Option) and param.opts[0] not in TYPED_ONLY
    }
    values: dict[str, Any] = {}
    for key, value in _mapping(name).items():
        if key not in allowed:
            raise click.ClickException(
                f"{name}: {key!r} is no option that a file can set; allowed are "
                f"{', '.join(sorted(allowed))}"
            )
        if value is None:
            continue
        _check(allowed[key], value, f"{name}: {key}", ctx)
        values[str(allowed[key].name)] = value
    ctx.default_map = values
    return name


def _mapping(name: str) -> Mapping[Any, Any]:
    if name in shipped():
        content = (SHIPPED / f"{name}.yaml").read_bytes()
    else:
        try:
            content = Path(name).read_bytes()
        except OSError as error:
            raise click.ClickException(
                f"--config {name}: {error.strerror or error}; expected a YAML file, or one of "
                f"{', '.join(shipped())}"
            ) from error
    try:
        values = load_yaml(content)
    except ValueError as error:
        raise click.ClickException(f"{name}: {error}") from error
    if not isinstance(values, dict):
        raise click.ClickException(f"{name}: expected options with values, such as 'epochs: 2'")
    return values


def _check(param: click.Option, value: Any, at: str, ctx: click.Context) -> None:
    if param.is_flag:
        if not isinstance(value, bool):
            raise click.ClickException(f"{at}={value!r}: allowed are true, false")
        return
    if not isinstance(param.type, Listed) and (
        isinstance(value, bool) or not isinstance(value, str | int | float)
    ):
        raise click.ClickException(f"{at}={value!r}: expected one value")
    try:
        param.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise click.ClickException(f"{at}={value!r}: {error.message}") from error


@command()
@click.option(
    "--config",
    is_eager=True,
    expose_value=False,
    callback=load_config,
    metavar="NAME|FILE",
    help="A YAML file of these options, by their long names; what is typed wins. Those that ship "
    f"are the experiments of Lee et al. 2023: {', '.join(shipped())}.",
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
@click.option("--on-short", type=click.Choice(["error", "skip"]), help="Too few excerpts.")
@click.option("--on-dead", type=click.Choice(ON_DEAD), help="Nothing to explain.  [default: skip]")
@click.option("--ignore-tokens", type=Listed(), help="By comma; special for the special ones.")
@click.option("--window", help="Tokens of an excerpt at most, or none.")
@click.option("--cutoff-quantile", type=click.IntRange(min=0), help="What is highlighted.")
@click.option("--pack", help="A prompt pack (a file) to use instead of the bundled one.")
@click.option("--simulation", help="How to simulate; none for AdaCS alone.  [default: auto]")
@click.option("--calibration", help=f"linear, percentiles or none.  [default: {CALIBRATION}]")
@click.option("--excerpts-per-call", type=AT_LEAST_1, help="In a simulator's request.")
@click.option("--epochs", type=AT_LEAST_1, default=1, help="Times explained.")
@click.option("--retries", type=click.IntRange(min=0), default=2,
              help="How often failed samples are tried again.")  # fmt: skip
@click.option("--max-connections", type=AT_LEAST_1, help="Requests at once to a provider.")
@click.option("--max-tasks", type=AT_LEAST_1, help="Formats at once.  [default: all, but one "
              "after the other with a server on this machine]")  # fmt: skip
@click.option("--log-dir", default="logs/compare",
              help="A folder for the logs of this comparison alone.")  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the report here, too."
)
@click.option("--prices", type=PATH, help="YAML: dollars a million tokens, by model.")
@click.option("--confirm-over", type=click.FloatRange(min=0), default=5.0,
              help="Ask before more dollars than that may be spent.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print the estimate, and call no model.")
@click.option("--report/--no-report", default=True, help="Print the tables.")
def compare(
    epochs: int,
    retries: int,
    max_connections: int | None,
    max_tasks: int | None,
    log_dir: str,
    out: Path | None,
    prices: Path | None,
    confirm_over: float,
    yes: bool,
    dry_run: bool,
    report: bool,
    **options: Any,
) -> None:
    """Explain the same neurons with several prompt formats and models, and report.

    First an estimate of requests, tokens and dollars. Run again with the same options and
    --log-dir, it goes on where it stopped, and asks for nothing twice.
    """
    from rich.console import Console

    from neuron_eval.cli.report import print_report
    from neuron_eval.comparison import running
    from neuron_eval.comparison.plan import planned
    from neuron_eval.comparison.present import estimate_table, estimated

    places = [log_dir] if out is None else [log_dir, out]
    click.get_current_context().with_resource(nullcontext() if dry_run else alone_in(*places))
    with Console(stderr=True).status("Reading neurons and counting tokens"):
        plan, pack = planned(options, epochs)
        cost, notes = estimated(plan, pack, log_dir, prices, may_fetch=not dry_run)
    console = Console(width=max(WIDTH, Console().width))
    console.print(estimate_table(cost))
    for note in notes:
        say(console, note)
    if dry_run:
        return
    if not yes:
        _confirm(cost, confirm_over)
    again = f"What is finished is in {log_dir}; the same command goes on from there."
    try:
        logs = running.run(
            plan, log_dir, retries=retries, max_connections=max_connections, max_tasks=max_tasks
        )
    except KeyboardInterrupt:
        click.echo(f"\nStopped. {again}", err=True)
        sys.exit(130)  # as shells have it where the keyboard stopped a command
    if left := running.unfinished(logs):
        click.echo("\n".join(left), err=True)
        click.echo(f"Not all was done. {again} It asks only for what is missing.", err=True)
        if any(map(running.is_complete, logs)):
            click.echo(f"On what is whole: neuron-eval report {log_dir}", err=True)
        sys.exit(1)
    if report:
        baseline = "original" if "original" in plan.formats else plan.formats[0]
        print_report([log_dir], out=out, baseline=baseline, prices=prices)


def _confirm(cost: CostEstimate, limit: float) -> None:
    """Ask before much is spent, or before nobody knows how much."""
    from neuron_eval.comparison.present import too_dear

    why = too_dear(cost, limit, "--confirm-over")
    if not why:
        return
    if not _is_terminal():
        raise click.ClickException(f"{why} Nobody is here to be asked: add --yes to go on.")
    click.confirm(f"{why} Go on?", abort=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()
