"""The command `neuron-eval`: its subcommands, and what each of them does alike.

A subcommand is imported only when it is asked for, and imports what it runs inside its function:
that loads Inspect, which takes seconds, and `--help` and a mistyped option would wait for it.
"""

from __future__ import annotations

import errno
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from neuron_eval.messages import InputError
from neuron_eval.models.stopping import stopping_cleanly

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from rich.console import Console

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


AT_LEAST_1 = click.IntRange(min=1)


def command(name: str | None = None) -> Callable[[Callable[..., None]], click.Command]:
    """Make a subcommand of a function; what the user can mend ends it with a sentence."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def speaking(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except Exception as error:
                if (sentence := _sentence(error)) is None:
                    raise
                raise click.ClickException(sentence) from error

        return click.command(name, context_settings={"show_default": True})(speaking)

    return decorate


def _sentence(error: Exception) -> str | None:
    """What the user can mend; None for anything else, whose stack trace is wanted."""
    from neuron_eval.inspect_private import PrerequisiteError

    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, PrerequisiteError):
        return Text.from_markup(str(error.message)).plain
    # click ends quietly where nobody reads the output any more
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None


def say(console: Console, text: str, style: str | None = None) -> None:
    """A line of text that may hold brackets, in one piece however narrow the terminal."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def finished(console: Console, logs: Sequence[EvalLog]) -> list[EvalLog]:
    """The logs that succeeded; of the others it says why they did not."""
    for log in logs:
        if log.status != "success":
            name = (log.eval.metadata or {}).get("task_format", log.eval.task)
            message = log.error.message if log.error else log.status
            console.print(f"{name} did not finish: {message}", style="red", markup=False)
    return [log for log in logs if log.status == "success"]


def say_where(console: Console, log_dir: str) -> None:
    """Where the logs are, and how to look at them."""
    inspect = Path(sys.executable).parent / "inspect"
    say(console, f"Logs:      {log_dir}\nOpen them: {inspect} view --log-dir {log_dir}")
