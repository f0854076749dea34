"""The command `neuron-eval`; each subcommand lives beside the code that it runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from neuron_eval.models.stopping import stopping_cleanly

COMMANDS = {
    "check-released": "neuron_eval.cli.check_released:check_released",
    "compare": "neuron_eval.cli.compare:compare",
    "convert": "neuron_eval.cli.convert:convert",
    "given": "neuron_eval.cli.given:given",
    "show": "neuron_eval.cli.show:show",
    "validate": "neuron_eval.cli.validate:validate",
    "report": "neuron_eval.cli.report:report",
    "rate-static": "neuron_eval.cli.rate_static:rate_static",
    "record": "neuron_eval.cli.record:record",
    "tokens": "neuron_eval.cli.tokens:tokens",
    "score": "neuron_eval.cli.score:score",
    "demo": "neuron_eval.cli.demo:demo",
}
"""Subcommand to where it is defined; imported only when it is asked for."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` stays fast."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a subcommand; see `neuron_eval.models.stopping.stopping_cleanly`."""
        with stopping_cleanly():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="neuron_eval")
def main() -> None:
    """Explain neurons with language models, and find out which explanations hold."""
