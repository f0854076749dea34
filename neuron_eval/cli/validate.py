"""`neuron-eval validate`: what is wrong with a set of neurons, record by record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from neuron_eval.messages import InputError

if TYPE_CHECKING:
    from neuron_eval.records import NeuronRecord

EXCERPTS = 5
"""How many excerpts of each kind a split is asked for, as published."""


@dataclass
class Found:
    """What a set of neurons was found to hold."""

    sound: int = 0
    bad: int = 0
    missing: int = 0
    long: int = 0
    """Neurons with enough excerpts for `EXCERPTS` of each kind in each split."""
    referenced: int = 0
    """Neurons with a reference explanation."""
    unfit: dict[str, list[str]] = field(default_factory=dict)
    """By what is the matter, the neurons that there is nothing to explain of."""
    on_special: dict[str, list[str]] = field(default_factory=dict)
    """By special token, the neurons most of whose top excerpts have their peak on it."""
    stored: list[str] = field(default_factory=list)
    """The neurons whose tokens are as a tokenizer stores them."""
    cut: int = 0
    """Neurons whose excerpts are cut to a window."""


@click.command()
@click.argument("path")
def validate(path: str) -> None:
    """Go through every neuron of PATH, print each problem on a line, and exit 1 if there is one.

    PATH is whatever -T neurons= takes: a file, a folder, hub:ORG/NAME, a bundled set.
    """
    from neuron_eval.records.heatmap import token_signs

    found = Found()
    for problem in problems(path, found):
        click.echo(token_signs(problem))
    total = found.sound + found.bad
    click.echo(f"{total} neuron{'' if total == 1 else 's'}, {found.bad} bad")
    if found.missing:
        click.echo(f"{found.missing} that are listed are missing")
    if found.sound:
        click.echo(
            f"{found.long} of {found.sound} have enough excerpts for {EXCERPTS} of each kind a "
            f"split (20 top, 15 random), {found.referenced} have a reference"
        )
    for line in _notes(found):
        click.echo(token_signs(line))
    if found.bad or found.missing or not found.sound:
        raise click.exceptions.Exit(1)


def problems(path: str, found: Found) -> Iterator[str]:
    """Everything that is wrong, as it is found.

    Args:
        path: A source, see `neuron_eval.sources.open_source`.
        found: Counted up while the problems are taken.
    """
    from neuron_eval.records import RecordError
    from neuron_eval.sources import open_source
    from neuron_eval.sources.base import Unreadable
    from neuron_eval.sources.choosing import Choice
    from neuron_eval.sources.loading import refuse_too_many

    ids: set[str] = set()
    try:
        refuse_too_many(Choice(path))
        for neuron in open_source(path).read():
            if isinstance(neuron, Unreadable):
                found.missing += neuron.missing
                found.bad += not neuron.missing
                yield str(neuron.error)
            elif neuron.id in ids:
                found.bad += 1
                yield f"{path}: neuron {neuron.id}: stands there twice; ids must be unique"
            else:
                ids.add(neuron.id)
                _count(neuron, found)
    except RecordError as error:
        found.bad += 1
        yield str(error)
    except (InputError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not found.sound and not found.bad:
        yield f"{path}: no neurons"


def _count(neuron: NeuronRecord, found: Found) -> None:
    """Count a sound neuron, as it is explained where the user says nothing else."""
    from neuron_eval.records.activations import why_unfit
    from neuron_eval.records.ignoring import special_peak
    from neuron_eval.records.treatment import Treatment, has_stored_tokens

    treated = Treatment()(neuron)
    found.sound += 1
    found.cut += treated is not neuron
    found.long += _is_long(treated)
    found.referenced += neuron.reference is not None
    if has_stored_tokens(neuron):
        found.stored.append(neuron.id)
    if why := why_unfit(treated):
        found.unfit.setdefault(why.partition(":")[0], []).append(neuron.id)
    elif token := special_peak(treated):
        found.on_special.setdefault(token, []).append(neuron.id)


def _notes(found: Found) -> Iterator[str]:
    """What is no fault, but decides what a run is worth: a sentence a kind."""
    from neuron_eval.records.treatment import LENGTH, LONG, STORED

    for kind, ids in found.unfit.items():
        yield (
            f"{len(ids)} of {found.sound} are left out unless on_dead=keep: {kind} (the first: "
            f"{ids[0]})"
        )
    for token, ids in found.on_special.items():
        yield (
            f"{len(ids)} of {found.sound} have most peaks of their top excerpts on the special "
            f"token {token!r} (the first: {ids[0]}); ignore_tokens=special leaves such tokens out"
        )
    if found.stored:
        yield f"{len(found.stored)} of {found.sound} (the first: {found.stored[0]}) have {STORED}"
    if found.cut:
        yield (
            f"{found.cut} of {found.sound} have excerpts of more than {LONG} tokens, which are cut "
            f"to {LENGTH} around the peak; window=none keeps them whole"
        )


def _is_long(neuron: NeuronRecord) -> bool:
    from neuron_eval.records import TOP_SPLITS, TooFewExcerptsError

    try:
        dealt = {name: neuron.split(name, EXCERPTS) for name in TOP_SPLITS}
    except TooFewExcerptsError:
        return False
    return bool(dealt["train"] and dealt["valid"])
