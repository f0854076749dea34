"""`neuron-eval validate`: what is wrong with the neurons of a source."""

import click

from neuron_eval.cli.main import command
from neuron_eval.records.heatmap import token_signs
from neuron_eval.sources.surveying import EXCERPTS, Survey


@command()
@click.argument("path")
def validate(path: str) -> None:
    """Go through every neuron of PATH, print each problem on a line, and exit 1 if there is one.

    PATH is whatever -T neurons= takes: a file, a folder, hub:ORG/NAME, a bundled set.
    """
    survey = Survey()
    for problem in survey.problems(path):
        click.echo(token_signs(problem))
    total = survey.sound + survey.bad
    click.echo(f"{total} neuron{'' if total == 1 else 's'}, {survey.bad} bad")
    if survey.missing:
        click.echo(f"{survey.missing} that are listed are missing")
    if survey.sound:
        click.echo(
            f"{survey.long} of {survey.sound} have enough excerpts for {EXCERPTS} of each kind a "
            f"split (20 top, 15 random), {survey.referenced} have a reference"
        )
    for note in survey.notes():
        click.echo(token_signs(note))
    if survey.bad or survey.missing or not survey.sound:
        raise click.exceptions.Exit(1)
