"""The command `neuron-eval`: its subcommands, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from neuron_eval.models.stopping import stopping_cleanly

COMMANDS = (
    "check-released", "compare", "convert", "demo", "given", "rate-static", "record", "report",
    "score", "show", "tokens", "validate",
)  # fmt: skip
"""Each lies in the module of its name, as a function of its name."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` stays fast."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a subcommand; see `neuron_eval.models.stopping.stopping_cleanly`."""
        with stopping_cleanly():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"neuron_eval.cli.{name}"), name)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="neuron_eval")
def main() -> None:
    """Explain neurons with language models, and find out which explanations hold."""
