"""`neuron-eval demo`: the bundled neurons, all five formats, no key."""

import sys
from pathlib import Path

import click
from rich.console import Console

from neuron_eval.cli.main import AT_LEAST_1, command, finished, say, say_where
from neuron_eval.files.locking import alone_in

MODEL = "neuron-baseline/lexical"
EMBEDDER = "embed-local/minilm"  # named, so that a key in the environment costs nothing here


@command()
@click.option("--neurons", default="smollm2", help="Which neurons.")
@click.option("--limit", type=AT_LEAST_1, help="Only the first so many neurons.")
@click.option("--log-dir", default="logs/demo", help="Where the logs go.")
def demo(neurons: str, limit: int | None, log_dir: str) -> None:
    """Explain the bundled neurons with all five prompt formats and write the report.

    The explainer is neuron-baseline/lexical, which only names marked words; the simulator
    compares embeddings. Both run here, so the numbers are a floor, not a result. Controls show
    what right and wrong explanations score.
    """
    from inspect_ai import eval

    from neuron_eval.cli.report import print_report
    from neuron_eval.given.controls import CONTROLS
    from neuron_eval.tasks import controls, formats

    out = Path(log_dir) / "report"
    click.get_current_context().with_resource(alone_in(out))
    names = ("original", "summary", "highlight", "highlight_summary", "avhs")
    tasks = [getattr(formats, name)(neurons=neurons) for name in names]
    tasks += [getattr(controls, name)(neurons=neurons) for name in CONTROLS]
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
