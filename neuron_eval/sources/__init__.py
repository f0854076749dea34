"""Where neurons come from: one file a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.base import Source, SourceError
from neuron_eval.sources.bundled import smollm2
from neuron_eval.sources.local import ALLOWED, open_file, open_folder
from neuron_eval.sources.puzzles import bundled_puzzles
from neuron_eval.sources.streamed import StreamedSource

BUNDLED: Mapping[str, Callable[[], Iterator[NeuronRecord]]] = {
    "smollm2": smollm2,
    "puzzles": bundled_puzzles,
}
"""The sets of neurons that ship, by the name that users type."""

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet", ".json")
"""How a file of neurons ends."""


def open_source(neurons: str) -> Source:
    """The source that ``-T neurons=…`` names.

    Raises:
        SourceError: There is no such source; the message says what is looked for.
    """
    if neurons in BUNDLED:
        return StreamedSource(neurons, BUNDLED[neurons])
    scheme, _, rest = neurons.partition(":")
    if rest.startswith("//"):
        return _collated(neurons)
    if rest and scheme in _PREFIXES:
        return _PREFIXES[scheme](rest)
    if Path(neurons).is_file():
        return open_file(neurons)
    # Other programs write a folder of files under the name of a file too.
    if Path(neurons).is_dir():
        return open_folder(neurons)
    if Path(neurons).is_symlink():
        raise SourceError(f"neurons={neurons}: is a link that leads nowhere, or to itself")
    if neurons.endswith(ENDINGS):
        raise SourceError(f"neurons={neurons}: there is no such file")
    raise SourceError(f"neurons={neurons}: there is no such file, folder or bundled set; {ALLOWED}")


def _collated(neurons: str) -> Source:
    from neuron_eval.sources.openai.collated import open_collated

    return open_collated(neurons)


def _container(name: str) -> Source:
    from neuron_eval.sources.openai.collated import open_container

    return open_container(name)


def _hub(name: str) -> Source:
    from neuron_eval.sources.hub import HubSource

    return HubSource(f"hub:{name}")


def _puzzles(path: str) -> Source:
    from neuron_eval.sources.puzzles import PuzzleSource

    return PuzzleSource(path)


_PREFIXES: Mapping[str, Callable[[str], Source]] = {
    "openai": _container,
    "hub": _hub,
    "puzzles": _puzzles,
}
