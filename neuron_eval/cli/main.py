"""The command `neuron-eval`: its subcommands, and what each of them does alike.

A subcommand is imported only when it is asked for, and imports what it runs inside its function:
that loads Inspect, which takes seconds, and `--help` and a mistyped option would wait for it.
"""

from __future__ import annotations

import errno
import functools
import importlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from neuron_eval.messages import InputError, near_miss

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model
    from rich.console import Console

    from neuron_eval.models.batching import Batch

COMMANDS = (
    *("check-released", "compare", "convert", "demo", "export", "formats", "given"),
    *("rate-static", "record", "report", "score", "show", "sources", "tokens", "validate", "ways"),
)
"""Each subcommand: the function of its name in the module of its name, or in that of lists."""

LISTS = ("formats", "sources", "ways")


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` stays fast."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with stopping_cleanly():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and (meant := near_miss(args[:1], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"neuron_eval.cli.{'listing' if name in LISTS else name}")
        command: click.Command = getattr(module, name)
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
                raise click.ClickException(as_typed(sentence)) from error

        return click.command(name, context_settings={"show_default": True})(speaking)

    return decorate


def as_typed(message: str) -> str:
    """A message of a task with the options of the command that runs.

    ``-T per_layer=20`` becomes ``--per-layer 20`` and ``--model-role simulator=X`` becomes
    ``--simulator X``, if it has such an option; what it does not have is left as a bare setting.
    """
    params = click.get_current_context().command.params
    options = {param.name: param.opts[0] for param in params if isinstance(param, click.Option)}

    def typed(match: re.Match[str]) -> str:
        option = options.get(match[1])
        return f"{option} " if option else f"{match[1]}="

    return re.sub(r"(?:-[TS]|--model-role) (\w+)=", typed, message)


def _sentence(error: Exception) -> str | None:
    """What the user can mend; None for anything else, whose stack trace is wanted."""
    from neuron_eval.inspect_private import PrerequisiteError

    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, PrerequisiteError):
        return Text.from_markup(str(error.message)).plain.removeprefix("ERROR: ")
    # click ends quietly where nobody reads the output any more
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None


def model_named(
    name: str,
    base_url: str | None = None,
    max_connections: int | None = None,
    batch: Batch | None = None,
) -> Model:
    """A model; a missing key or package, or an unknown provider, is the user's to mend."""
    from inspect_ai.model import GenerateConfig, get_model

    from neuron_eval.inspect_private import provider_packages

    try:
        config = GenerateConfig(max_connections=max_connections, batch=batch)
        return get_model(name, config=config, base_url=base_url)
    except Exception as error:
        api, known = name.partition("/")[0], provider_packages()
        meant = "" if api in known else near_miss([api], known)
        sentence = Text.from_markup(str(error)).plain.removesuffix(".")
        raise click.ClickException(f"{name}: {sentence}{meant}") from error


def check_file(out: Path, name: str, endings: tuple[str, ...]) -> None:
    """Refuse a file to write, which the user knows as ``name``, that cannot be written."""
    if not out.name.endswith(endings):
        raise click.UsageError(f"{name} is {out}; expected a file ending in {', '.join(endings)}")
    if out.is_dir() or not out.parent.is_dir():
        raise click.UsageError(f"{name} is {out}; expected a file in a folder that is there")


def check_replaced(out: Path, exists: bool, force: bool) -> None:
    if exists and not force:
        raise click.UsageError(f"{out} is there already; --force replaces it")


def say(console: Console, text: str, style: str | None = None) -> None:
    """A line of text that may hold brackets, in one piece however narrow the terminal."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def finished(console: Console, logs: Sequence[EvalLog]) -> list[EvalLog]:
    for log in logs:
        if log.status != "success":
            name = (log.eval.metadata or {}).get("task_format", log.eval.task)
            message = log.error.message if log.error else log.status
            console.print(f"{name} did not finish: {message}", style="red", markup=False)
    return [log for log in logs if log.status == "success"]


def say_where(console: Console, log_dir: str) -> None:
    inspect = Path(sys.executable).parent / "inspect"
    say(console, f"Logs:      {log_dir}\nOpen them: {inspect} view --log-dir {log_dir}")


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Take the signals that end a process for an interrupt from the keyboard.

    So what runs is broken off in the same way: files that are not finished are removed, Inspect
    writes its logs. A signal that is ignored (``nohup``) stays so.

    Raises:
        SystemExit: A signal came; the status is 128 and its number, 143 for SIGTERM.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # Event loops have a handler of their own, which ends what they run.
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")  # Windows has only the first
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    ours = [n for n in numbers if main and signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        with _interruptible() if ours else nullcontext():
            yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if received:
            raise SystemExit(128 + received[0]) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have event loops put up their handler where the keyboard's interrupt is ignored.

    Shells start so what runs in the background. A loop then leaves the interrupt alone, and one
    that is raised in its midst leaves logs unfinished. The keyboard's own stays out: it is blocked.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN or sys.platform == "win32":
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
