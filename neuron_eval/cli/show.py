"""`neuron-eval show`: a neuron in the terminal, its excerpts coloured by activation."""

from itertools import islice

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neuron_eval.cli.main import AT_LEAST_1, command
from neuron_eval.messages import shown
from neuron_eval.picture import NeuronPicture
from neuron_eval.records import NeuronRecord
from neuron_eval.records.checks import named
from neuron_eval.records.heatmap import token_signs
from neuron_eval.sources import open_source
from neuron_eval.sources.base import Source, SourceError, Unreadable, strict

LISTED = 10  # how many neurons are listed where none is named


@command()
@click.argument("neurons")
@click.option("--id", "id_", help="Which neuron, such as gpt2-xl/L5N131.")
@click.option("--excerpts", type=AT_LEAST_1, default=5, help="How many excerpts of each kind.")
def show(neurons: str, id_: str | None, excerpts: int) -> None:
    """Print a neuron of NEURONS, or without --id a list of the first ones.

    NEURONS is whatever -T neurons= takes. Tokens are shaded by activation; where there are no
    colours, those that activate highly stand in [brackets].
    """
    console = Console(markup=False, highlight=False, emoji=False)
    source = open_source(neurons)
    if id_ is None:
        _list(source, console)
    else:
        console.print(NeuronPicture(_neuron(source, id_), excerpts))


def _neuron(source: Source, id_: str) -> NeuronRecord:
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
        peaks = [excerpt.record.peak for excerpt in neuron.excerpts]
        reference = neuron.reference.explanation if neuron.reference else ""
        id_, shown_reference = (Text(token_signs(text)) for text in (neuron.id, reference))
        layer = str(neuron.layer) if neuron.layer >= 0 else ""
        peak = f"{max(peaks, default=0.0):.3g}"
        table.add_row(id_, layer, peak, str(len(peaks)), shown_reference)
    if not table.row_count and not bad:
        raise SourceError(f"neurons={source.name}: no neurons")
    console.print(table)
    for error in bad:
        console.print(token_signs(error), soft_wrap=True)
    console.print("--id prints one of them.")
