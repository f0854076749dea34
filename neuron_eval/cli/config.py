"""Options of a subcommand that may come from a YAML file.

The file's keys are the options' long names:

    models: [openai/gpt-4.1-mini, openai/gpt-4.1]
    neurons: openai:gpt2-xl
    per-layer: 20

What is typed on the command line wins over the file. Files that are named in it are looked for
from the folder that the command runs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuron_eval.files.bounded import load_yaml
from neuron_eval.messages import InputError, near_miss

if TYPE_CHECKING:
    from neuron_eval.models.batching import Batch

SHIPPED = resources.files("neuron_eval.comparison")
FOLDER = "paper"  # the folder of the configurations that ship, and what their names begin with

TYPED_ONLY = ("--config", "--dry-run", "--help", "--pilot", "--yes")
"""Options that no file can set: what they decide is the person's who runs it."""


class Listed(click.ParamType):  # type: ignore[type-arg]
    """Several values, separated by commas, or a list in a file."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        values = value.split(",") if isinstance(value, str) else value
        values = values if isinstance(values, list | tuple) else [values]
        if any(isinstance(v, bool) or not isinstance(v, str | int) for v in values):
            self.fail(f"{value!r} is no list of names or numbers", param, ctx)
        return tuple(text for v in values if (text := str(v).strip()))


class Batching(click.ParamType):  # type: ignore[type-arg]
    """True, a number of requests, or a file of settings."""

    name = "batch"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Batch | None:
        from neuron_eval.models.batching import read_batch

        try:
            return read_batch(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


batch_option = click.option(
    "--batch",
    type=Batching(),
    is_flag=False,
    flag_value="true",
    metavar="[REQUESTS|FILE]",
    help="Ask in batches where a provider has them: cheaper, and within a day. In each so many "
    "requests, or Inspect's settings from a YAML file.",
)


def shipped() -> list[str]:
    stems = (file.name.removesuffix(".yaml") for file in (SHIPPED / FOLDER).iterdir())
    return sorted(f"{FOLDER}/{stem}" for stem in stems)


def load_config(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Click's callback of ``--config``: the file's values become the options' defaults."""
    if name is None:
        return name
    allowed = {
        param.opts[0].removeprefix("--"): param
        for param in ctx.command.params
        if isinstance(param, click.Option) and param.opts[0] not in TYPED_ONLY
    }
    values: dict[str, Any] = {}
    for key, value in _mapping(name).items():
        if key not in allowed:
            raise click.ClickException(
                f"{name}: {key!r} is no option that a file can set; allowed are "
                f"{', '.join(sorted(allowed))}{near_miss([key], allowed)}"
            )
        if value is not None:
            _check(allowed[key], value, f"{name}: {key}", ctx)
            values[str(allowed[key].name)] = value
    ctx.default_map = values
    return name


def _mapping(name: str) -> Mapping[Any, Any]:
    if name in shipped():
        content = (SHIPPED / f"{name}.yaml").read_bytes()
    else:
        try:
            content = Path(name).read_bytes()
        except OSError as error:
            raise click.ClickException(
                f"--config {name}: {error.strerror or error}; expected a YAML file, or one of "
                f"{', '.join(shipped())}"
            ) from error
    try:
        values = load_yaml(content)
    except ValueError as error:
        raise click.ClickException(f"{name}: {error}") from error
    if not isinstance(values, dict):
        raise click.ClickException(f"{name}: expected options with values, such as 'epochs: 2'")
    return values


def _check(param: click.Option, value: Any, at: str, ctx: click.Context) -> None:
    if param.is_flag:
        if not isinstance(value, bool):
            raise click.ClickException(f"{at}={value!r}: allowed are true, false")
        return
    if not isinstance(param.type, Listed | Batching) and (
        isinstance(value, bool) or not isinstance(value, str | int | float)
    ):
        raise click.ClickException(f"{at}={value!r}: expected one value")
    try:
        param.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise click.ClickException(f"{at}={value!r}: {error.message}") from error
