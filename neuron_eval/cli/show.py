"""`neuron-eval show`: a neuron in the terminal, its excerpts coloured by activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neuron_eval.cli.main import AT_LEAST_1, command
from neuron_eval.records.heatmap import SHADES, shades, token_signs

if TYPE_CHECKING:
    from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord
    from neuron_eval.sources.base import Source

LISTED = 10  # how many neurons are listed where none is named

_INK = "#141414"
_FULL = (244, 112, 62)  # the background of the highest activation; none is the terminal's own


@command()
@click.argument("neurons")
@click.option("--id", "id_", help="Which neuron, such as gpt2-xl/L5N131.")
@click.option("--excerpts", type=AT_LEAST_1, default=5, help="How many excerpts of each kind.")
def show(neurons: str, id_: str | None, excerpts: int) -> None:
    """Print a neuron of NEURONS, or without --id a list of the first ones.

    NEURONS is whatever -T neurons= takes. Tokens are shaded by activation; where there are no
    colours, those that activate highly stand in [brackets].
    """
    from neuron_eval.sources import open_source

    console = Console(markup=False, highlight=False, emoji=False)
    source = open_source(neurons)
    if id_ is None:
        _list(source, console)
    else:
        _print(_neuron(source, id_), excerpts, console)


def _neuron(source: Source, id_: str) -> NeuronRecord:
    from neuron_eval.messages import shown
    from neuron_eval.records.checks import named
    from neuron_eval.sources.base import SourceError, strict

    first: list[str] = []
    for key in source.keys():  # noqa: SIM118
        if key.id == id_:
            return next(strict(source.read([key])))
        if len(first) < 4:
            first.append(key.id)
    if not first:
        raise SourceError(f"neurons={source.name}: no neurons")
    ids = ", ".join([*map(named, first[:3]), *["…"] * (len(first) > 3)])
    raise SourceError(f"neurons={source.name}: no neuron {shown(id_)}; it has {ids}")


def _list(source: Source, console: Console) -> None:
    from neuron_eval.sources.base import SourceError, Unreadable

    title = Text(token_signs(f"The first neurons of {source.name}"))
    table = Table(title=title, title_justify="left")
    table.add_column("id", no_wrap=True, overflow="fold")
    for heading in ("layer", "peak", "excerpts"):
        table.add_column(heading, justify="right")
    table.add_column("reference")
    bad: list[str] = []
    for neuron in islice(source.read(), LISTED):
        if isinstance(neuron, Unreadable):
            bad.append(str(neuron.error))
            continue
        records = _records(neuron)
        peak = max((record.peak for record in records), default=0.0)
        reference = neuron.reference.explanation if neuron.reference else ""
        table.add_row(
            Text(token_signs(neuron.id)),
            str(neuron.layer) if neuron.layer >= 0 else "",
            f"{peak:.3g}",
            str(len(records)),
            Text(token_signs(reference)),
        )
    if not table.row_count and not bad:
        raise SourceError(f"neurons={source.name}: no neurons")
    console.print(table)
    for error in bad:
        console.print(token_signs(error), soft_wrap=True)
    console.print("--id prints one of them.")


def _print(neuron: NeuronRecord, excerpts: int, console: Console) -> None:
    cutoff, why = _cutoff(neuron)
    for name, value in (*_facts(neuron), ("cutoff", f"{cutoff:.3g} ({why})")):
        console.print(Text.assemble((f"{name}: ", "bold"), token_signs(value)))
    high = max((record.peak for record in _records(neuron)), default=0.0)
    coloured = console.color_system is not None and not console.no_color
    for kind, group in _groups(neuron):
        if not group:
            continue
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for excerpt in group[:excerpts]:
            record = excerpt.record
            text = _shaded(record, high) if coloured else Text(_bracketed(record, cutoff))
            table.add_row(f"{record.peak:.3g}", text)
        console.print()
        console.print(Text(f"{kind}: {min(excerpts, len(group))} of {len(group)}", "bold"))
        console.print(table)


def _facts(neuron: NeuronRecord) -> Iterator[tuple[str, str]]:
    yield "id", neuron.id
    yield "model", neuron.model
    if neuron.layer >= 0:
        yield "layer", f"{neuron.layer}, neuron {neuron.neuron}"
    if neuron.group:
        yield "group", neuron.group
    if neuron.reference:
        yield "reference", f"{neuron.reference.explanation} ({neuron.reference.source})"
    for other in neuron.other_explanations:
        yield "other explanation", f"{other.explanation} ({other.source})"
    for false in neuron.false_explanations:
        yield "false explanation", false
    if neuron.quantile_boundaries:
        levels = [f"{level:g}: " for level in neuron.quantiles] or [""] * 99
        pairs = zip(levels, neuron.quantile_boundaries, strict=False)
        yield "quantile boundaries", ", ".join(f"{level}{value:.3g}" for level, value in pairs)


def _cutoff(neuron: NeuronRecord) -> tuple[float, str]:
    from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff
    from neuron_eval.records.activations import lowest

    records = tuple(_records(neuron))
    if neuron.cutoff is not None:
        return cutoff(neuron, records), "given"
    if len(neuron.quantile_boundaries) > CUTOFF_QUANTILE:
        return cutoff(neuron, records), f"quantile boundary {CUTOFF_QUANTILE}, counted from 0"
    why = "half of the peak" if lowest(records) <= 0 else "half way from the lowest to the peak"
    return cutoff(replace(neuron, quantile_boundaries=()), records), why


def _records(neuron: NeuronRecord) -> list[ActivationRecord]:
    return [excerpt.record for _, group in _groups(neuron) for excerpt in group]


def _groups(neuron: NeuronRecord) -> list[tuple[str, Sequence[Excerpt]]]:
    """The neuron's lists of excerpts, or its splits where they are fixed."""
    from neuron_eval.records import Excerpt

    if neuron.given_splits:
        return list(neuron.given_splits)
    return [
        ("top", [Excerpt("top", i, record) for i, record in enumerate(neuron.top)]),
        ("random", [Excerpt("random", i, record) for i, record in enumerate(neuron.random)]),
    ]


def _shaded(record: ActivationRecord, high: float) -> Text:
    text = Text()
    for token, shade in zip(record.tokens, shades(record.activations, 0.0, high), strict=True):
        parts = ",".join(str(round(255 + (part - 255) * shade / SHADES)) for part in _FULL)
        text.append(token_signs(token), f"{_INK} on rgb({parts})" if shade else None)
    return text


def _bracketed(record: ActivationRecord, cutoff: float) -> str:
    pairs = zip(record.tokens, record.activations, strict=True)
    return "".join(f"[{token_signs(t)}]" if a > cutoff else token_signs(t) for t, a in pairs)
