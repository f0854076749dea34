"""`neuron-eval sources`: where neurons can come from."""

from __future__ import annotations

from neuron_eval.cli.main import command, list_lines


@command()
def sources() -> None:
    """List what neurons= takes, with your own packages' sources; what fits first is taken."""
    from neuron_eval.sources import opening

    list_lines(opening.known_sources(), "sources")
