"""`neuron-eval rate-static`: the questions of the task `rate` as a page that works from a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuron_eval.cli.main import command
from neuron_eval.files.locking import alone_in

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog


@command("rate-static")
@click.argument("logs", nargs=-1, required=True)
@click.option("--rater", "raters", multiple=True, required=True, help="Who rates; may be repeated.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="questions",
    help="The folder of the pages and their logs.",
)
@click.option("--neurons", help="The source of the neurons, where LOGS is a file.")
@click.option("--columns", help="Only these formats, or columns of the file, such as summary,avhs.")
@click.option(
    "--excerpts",
    type=click.Choice(["train", "valid"]),
    default="train",
    help="The excerpts that the explainer saw, or those held out.",
)
@click.option(
    "--repeat", type=int, default=0, show_default=False, help="How many neurons are shown twice."
)
@click.option("--planted", is_flag=True, help="Put another neuron's explanation among each.")
@click.option("--seed", type=int, default=0, help="What is drawn.")
@click.option("--pack", help="A prompt pack (YAML file) to use instead of the bundled one.")
@click.option("--limit", type=int, help="At most so many neurons.")
def rate_static(
    logs: tuple[str, ...], raters: tuple[str, ...], out: Path, **parameters: Any
) -> None:
    """Write a page for each rater that works without a network, from a file.

    LOGS is whatever -T explanations= of neuron_eval/rate takes: logs, folders of logs, or one
    file. A rater opens the page, answers, saves the answers to a file and sends it back; the
    command that is printed takes it into the page's log.
    """
    from neuron_eval.files.locking import unfinished
    from neuron_eval.rating.asking import PERSON
    from neuron_eval.rating.human.page import answers_name, static_page
    from neuron_eval.rating.question import question_in

    raters = tuple(rater.removeprefix(PERSON) for rater in raters)
    pages = {rater: out / f"{rater}.html" for rater in raters}
    click.get_current_context().with_resource(alone_in(out))
    _check(raters, pages)
    explanations = list(logs) if len(logs) > 1 else logs[0]
    for rater, log in _logs(raters, out, explanations=explanations, **parameters).items():
        # as the log holds them, so that the scorer finds the same
        by_id = {str(sample.id): question_in(sample.messages) for sample in log.samples or ()}
        questions = {id_: question for id_, question in by_id.items() if question is not None}
        with unfinished(pages[rater]) as beside:
            beside.write_text(static_page(rater, questions), encoding="utf-8")
        answers = answers_name(rater)
        place = Path(log.location)
        place = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
        click.echo(
            f"{rater}: send {pages[rater]} ({len(log.samples or ())} questions). "
            f"When {answers} comes back:\n"
            f"    inspect score {shlex.quote(str(place))} --scorer neuron_eval/rating "
            f"-S answers={shlex.quote(answers)} --action overwrite --overwrite"
        )


def _check(raters: Sequence[str], pages: dict[str, Path]) -> None:
    """Refuse, before anything is made, what would be refused or overwritten later."""
    from neuron_eval.messages import InputError
    from neuron_eval.rating.human.provider import check_raters

    check_raters(raters)
    folded = [rater.casefold() for rater in raters]
    for rater, page in pages.items():
        if folded.count(rater.casefold()) > 1:
            raise InputError(f"--rater {rater}: there is more than one; names must differ")
        if page.exists():
            raise InputError(
                f"{page} is there already, and its answers go with its log; name another --out, "
                "or remove both"
            )


def _logs(raters: Sequence[str], out: Path, **parameters: Any) -> dict[str, EvalLog]:
    from inspect_ai import eval, task_with
    from inspect_ai.log import read_eval_log

    from neuron_eval.rating.asking import put_question
    from neuron_eval.tasks.rate import rate

    solver = put_question(parameters["excerpts"], parameters["seed"], parameters["pack"])
    task = task_with(rate(**parameters), solver=solver)
    models = [f"human/{rater}" for rater in raters]
    logs = eval(task, model=models, score=False, log_dir=str(out), display="none")
    for log in logs:
        if log.status != "success":
            why = log.error.message if log.error else log.status
            raise click.ClickException(f"{log.location}: the questions were not written: {why}")
    places = {log.eval.model: log.location for log in logs}
    return {
        rater: read_eval_log(places[model], resolve_attachments=True)
        for rater, model in zip(raters, models, strict=True)
    }
