"""`neuron-eval ways`: the ways to simulate that there are."""

from __future__ import annotations

from neuron_eval.cli.main import command, first_line, list_lines

CHOSEN = (
    ("auto", "The best of these that the simulator can do, see the log for which."),
    ("none", "Nothing is simulated: AdaCS alone."),
)


@command()
def ways() -> None:
    """List the ways to simulate, which simulation= takes, with your own packages'."""
    from neuron_eval.simulation import ways as every

    list_lines([*CHOSEN, *((name, first_line(way)) for name, way in every().items())], "ways")
