"""The command `neuron-eval`; each subcommand lives beside the code that it runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from neuron_eval.stopping import stopping_cleanly

COMMANDS = {
    "check-released": "neuron_eval.commands.released_command:check_released",
    "compare": "neuron_eval.compare.command:compare",
    "convert": "neuron_eval.commands.convert_command:convert",
    "given": "neuron_eval.given.command:given",
    "show": "neuron_eval.commands.show_command:show",
    "validate": "neuron_eval.commands.validate_command:validate",
    "report": "neuron_eval.report.report_command:report",
    "rate-static": "neuron_eval.commands.rate_static_command:rate_static",
    "record": "neuron_eval.recording.command:record",
    "tokens": "neuron_eval.report.tokens_command:tokens",
    "score": "neuron_eval.report.score_command:score",
    "demo": "neuron_eval.report.demo_command:demo",
}
"""Subcommand to where it is defined; imported only when it is asked for."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` stays fast."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a subcommand; see `neuron_eval.stopping.stopping_cleanly`."""
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
