"""`neuron-eval convert`: neurons from any source as one file in the project's own schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuron_eval.files.locking import alone_at
from neuron_eval.messages import InputError

if TYPE_CHECKING:
    from neuron_eval.records import NeuronRecord
    from neuron_eval.sources.base import Unreadable
    from neuron_eval.sources.choosing import Choice

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")
"""What can be written."""

NAMED = 20
"""At most so many missing neurons are named; the rest is counted."""


@dataclass
class Missing:
    """The neurons that a source does not have."""

    count: int = 0
    """How many."""

    named: list[str] = field(default_factory=list)
    """What is said of the first `NAMED` of them."""


@click.command()
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layers", help="Only these layers, such as 0-3,10.")
@click.option("--index", help="Only these neurons of each layer, such as 5,7-9.")
@click.option("--select", default="all", show_default=True, help="Which set, such as random.")
@click.option("--per-layer", type=int, help="How many of each layer a set takes.")
@click.option("--threshold", type=float, help="The lowest score of select=interpretable.")
@click.option("--limit", type=int, help="At most so many neurons.")
@click.option("--seed", type=int, default=0, show_default=True, help="What a set draws.")
@click.option("--scores", help="A CSV file with the columns layer, neuron, score, explanation.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, out: Path, force: bool, **asked: Any) -> None:
    """Write the neurons of IN to OUT, which ends in .parquet, .jsonl or .jsonl.gz.

    IN is whatever -T neurons= takes: a bundled set, a file, a folder, openai:gpt2-xl,
    hub:ORG/NAME. Neurons that IN does not have are counted and named; a bad one is an error, and
    then nothing is written.
    """
    from neuron_eval.sources.choosing import parse_choice

    click.get_current_context().with_resource(alone_at(out))
    _check_out(out, force)
    missing = Missing()
    try:
        written = _write(out, parse_choice(source, **asked), missing)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    except InputError as error:
        raise click.ClickException(f"{_as_options(str(error))}; {out} was not written") from error
    finally:
        _say_missing(missing)
    click.echo(f"{written} neurons written to {out}")


def _as_options(message: str) -> str:
    """``-T per_layer=20`` as this command has it, ``--per-layer 20``."""
    return re.sub(r"-T (\w+)=", lambda found: f"--{found[1].replace('_', '-')} ", message)


def _check_out(out: Path, force: bool) -> None:
    if not out.name.endswith(ENDINGS):
        raise click.UsageError(f"OUT is {out}; expected a file ending in {', '.join(ENDINGS)}")
    if out.is_dir() or not out.parent.is_dir():
        raise click.UsageError(f"OUT is {out}; expected a file in a folder that is there")
    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; --force replaces it")


def _write(out: Path, choice: Choice, missing: Missing) -> int:
    """Write what was chosen, one neuron at a time.

    Raises:
        InputError: A neuron is bad, or there is none; then the file does not appear.
    """
    from itertools import chain

    from neuron_eval.sources.base import SourceError
    from neuron_eval.sources.loading import load
    from neuron_eval.sources.parquet import write_parquet
    from neuron_eval.sources.schema import write

    neurons = _sound(load(choice), missing)
    first = next(neurons, None)
    if first is None:
        raise SourceError(f"neurons={choice.neurons}: no neuron there to write")
    written = write_parquet if out.suffix == ".parquet" else write
    return written(out, chain([first], neurons))


def _sound(found: Iterable[NeuronRecord | Unreadable], missing: Missing) -> Iterator[NeuronRecord]:
    """Only neurons; missing ones are counted, anything else that is wrong is raised."""
    from neuron_eval.records import RecordError
    from neuron_eval.sources.base import Unreadable

    seen: set[str] = set()
    for neuron in found:
        if isinstance(neuron, Unreadable):
            if not neuron.missing:
                raise neuron.error
            missing.count += 1
            if len(missing.named) < NAMED:
                missing.named.append(str(neuron.error))
            continue
        if neuron.id in seen:
            raise RecordError(f"neuron {neuron.id}: stands there twice; ids must be unique")
        seen.add(neuron.id)
        yield neuron


def _say_missing(missing: Missing) -> None:
    if missing.count:
        click.echo(f"{missing.count} neurons are missing:", err=True)
        for line in missing.named:
            click.echo(f"  {line}", err=True)
        if missing.count > len(missing.named):
            click.echo(f"  and {missing.count - len(missing.named)} more", err=True)
