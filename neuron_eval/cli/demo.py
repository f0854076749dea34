"""`neuron-eval demo`: the whole job on the bundled neurons, without a key or a network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neuron_eval.files.locking import alone_in

MODEL = "neuron-baseline/lexical"
EMBEDDER = "embed-local/minilm"
"""Named, so that a key in the environment costs nothing here."""

REPORT = "report"
"""The report's folder, among the logs."""


@click.command()
@click.option("--neurons", default="smollm2", show_default=True, help="Which neurons.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many neurons.")
@click.option("--log-dir", default="logs/demo", show_default=True, help="Where the logs go.")
def demo(neurons: str, limit: int | None, log_dir: str) -> None:
    """Explain the bundled neurons with all five prompt formats and write the report.

    The explainer is neuron-baseline/lexical, which only names marked words; the simulator
    compares embeddings. Both run here, so the numbers are a floor, not a result.
    """
    from inspect_ai import eval
    from rich.console import Console

    from neuron_eval.cli.report import print_report
    from neuron_eval.tasks import formats

    out = Path(log_dir) / REPORT
    click.get_current_context().with_resource(alone_in(out))
    tasks = [
        make(neurons=neurons)
        for make in (
            formats.original,
            formats.summary,
            formats.highlight,
            formats.highlight_summary,
            formats.avhs,
        )
    ]
    logs = eval(
        tasks, model=MODEL, model_roles={"embedder": EMBEDDER}, limit=limit, log_dir=log_dir
    )
    console = Console()
    failed = [log for log in logs if log.status != "success"]
    for log in failed:
        message = log.error.message if log.error else log.status
        console.print(f"{log.eval.task} did not finish: {message}", style="red", markup=False)
    console.print()
    finished = [log.location for log in logs if log.status == "success"]
    if finished:
        print_report(finished, out=out)
    console.print(
        "neuron-baseline/lexical only names marked words and embeddings simulate:\n"
        "these numbers are the floor that a language model has to beat.\n\n"
        f"Logs:      {log_dir}\n"
        f"Open them: {Path(sys.executable).parent / 'inspect'} view --log-dir {log_dir}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if failed:
        sys.exit(1)
