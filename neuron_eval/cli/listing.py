"""`neuron-eval formats`, `sources` and `ways`: what there is, with your own packages'."""

from collections.abc import Iterable

import click

from neuron_eval import simulation
from neuron_eval.cli.main import command
from neuron_eval.formats import format_names, get_format
from neuron_eval.plugins import Group, load_plugins
from neuron_eval.sources import opening

CHOSEN = (
    ("auto", "The best of these that the simulator can do, see the log for which."),
    ("none", "Nothing is simulated: AdaCS alone."),
)
"""What simulation= takes besides the ways."""


@command()
def formats() -> None:
    """List the prompt formats, which -T format= and --formats take, with your own packages'."""
    _list(((name, _first_line(get_format(name))) for name in format_names()), "formats")


@command()
def sources() -> None:
    """List what neurons= takes, with your own packages' sources; what fits first is taken."""
    _list(opening.known_sources(), "sources")


@command()
def ways() -> None:
    """List the ways to simulate, which simulation= takes, with your own packages'."""
    every = simulation.ways().items()
    _list([*CHOSEN, *((name, _first_line(way)) for name, way in every)], "ways")


def _first_line(thing: object) -> str:
    """What a format or a way is, by its docstring, or else by where it comes from."""
    return (thing.__doc__ or f"from {thing.__module__}").strip().partition("\n")[0]


def _list(rows: Iterable[tuple[str, str]], group: Group) -> None:
    known = list(rows)
    width = max(len(name) for name, _ in known)
    for name, meaning in known:
        click.echo(f"{name:{width}}  {meaning}")
    for failure in load_plugins(group):
        click.echo(failure, err=True)
