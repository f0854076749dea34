"""Where neurons come from: one file a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.base import Source, SourceError
from neuron_eval.sources.bundled import smollm2
from neuron_eval.sources.puzzles import bundled_puzzles
from neuron_eval.sources.streamed import StreamedSource

BUNDLED: Mapping[str, Callable[[], Iterator[NeuronRecord]]] = {
    "smollm2": smollm2,
    "puzzles": bundled_puzzles,
}
"""The sets of neurons that ship, by the name that users type."""

ALLOWED = """expected one of
  smollm2, puzzles                        bundled
  openai:gpt2-xl, openai:gpt2-small       OpenAI's neuron-explainer data
  hub:ORG/NAME[:SPLIT]                    a Hugging Face dataset in this project's schema
  puzzles:FILE                            puzzles in the field's schema
  FILE.jsonl, .jsonl.gz, .parquet         neurons in this project's schema
  FILE.json                               a Neuronpedia feature
  FOLDER                                  files in this project's schema, collated-activations/ as
                                          OpenAI's, a Neuronpedia export, or a delphi cache
  s3://…                                  a mirror of OpenAI's layout"""


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
    path = Path(neurons)
    for ending, opened in _ENDINGS.items():
        # Other programs write a folder of files under such a name too.
        if neurons.endswith(ending) and not path.is_dir():
            if not path.is_file():
                raise SourceError(f"neurons={neurons}: there is no such file")
            return opened(neurons)
    if path.is_dir():
        return _folder(neurons)
    fault = "not a file that can be read by its ending"
    if not path.is_file():
        fault = "there is no such file, folder or bundled set"
    raise SourceError(f"neurons={neurons}: {fault}; {ALLOWED}")


def _folder(neurons: str) -> Source:
    from neuron_eval.sources.delphi.source import is_delphi, open_delphi
    from neuron_eval.sources.folder import FolderSource
    from neuron_eval.sources.neuronpedia.source import is_neuronpedia
    from neuron_eval.sources.openai.collated import is_collated

    if is_collated(neurons):
        return _collated(neurons)
    if is_neuronpedia(neurons):
        return _neuronpedia(neurons)
    if is_delphi(neurons):
        return open_delphi(neurons)
    return FolderSource(neurons)


def _collated(neurons: str) -> Source:
    from neuron_eval.sources.openai.collated import open_collated

    return open_collated(neurons)


def _neuronpedia(neurons: str) -> Source:
    from neuron_eval.sources.neuronpedia.source import is_neuronpedia, open_neuronpedia

    if not is_neuronpedia(neurons):
        raise SourceError(
            f"neurons={neurons}: not a Neuronpedia feature (an object with 'modelId' and "
            "'activations', or a list of them); for puzzles write puzzles:FILE"
        )
    return open_neuronpedia(neurons)


def _container(name: str) -> Source:
    from neuron_eval.sources.openai.collated import open_container

    return open_container(name)


def _hub(name: str) -> Source:
    from neuron_eval.sources.hub import HubSource

    return HubSource(f"hub:{name}")


def _puzzles(path: str) -> Source:
    from neuron_eval.sources.puzzles import PuzzleSource

    return PuzzleSource(path)


def _jsonl(path: str) -> Source:
    from neuron_eval.sources.jsonl import JsonlSource

    return JsonlSource(path)


def _parquet(path: str) -> Source:
    from neuron_eval.sources.parquet import ParquetSource

    return ParquetSource(path)


_PREFIXES: Mapping[str, Callable[[str], Source]] = {
    "openai": _container,
    "hub": _hub,
    "puzzles": _puzzles,
}

_ENDINGS: Mapping[str, Callable[[str], Source]] = {
    ".jsonl": _jsonl,
    ".jsonl.gz": _jsonl,
    ".parquet": _parquet,
    ".json": _neuronpedia,
}
