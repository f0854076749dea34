"""Local files and folders as sources: each is recognised by what is in it."""

from __future__ import annotations

from neuron_eval.sources.base import Source, SourceError
from neuron_eval.sources.looking import description, head, is_json, is_table, names, nature
from neuron_eval.sources.resembling import OWN, nearest, resemblance

ALLOWED = """expected one of
  smollm2, puzzles                        bundled
  openai:gpt2-xl, openai:gpt2-small       OpenAI's neuron-explainer data
  hub:ORG/NAME[:SPLIT]                    a Hugging Face dataset in this project's schema
  puzzles:FILE                            puzzles in the field's schema
  FILE.jsonl, .jsonl.gz, .parquet         neurons in this project's schema
  FILE.json                               a Neuronpedia feature, SAEDashboard's output for
                                          Neuronpedia, or OpenAI's record of a neuron
  FOLDER                                  such files, collated-activations/ as OpenAI's, a
                                          Neuronpedia export, or a delphi cache
  s3://…                                  a mirror of OpenAI's layout"""

LINES = (".jsonl", ".jsonl.gz")
"""How files with an object a line end."""


_OWN = ("id", "top", "tokens", "activations")
"""Names in this project's schema, enough of them to tell neurons from settings."""


def open_file(path: str) -> Source:
    """The neurons of a file; its ending tells lines and Parquet, its content everything else.

    Raises:
        SourceError: It is of no format that is read; the message says which it resembles most,
            what is missing, and what to do.
    """
    content = head(path)
    source = _opened(path, content)
    if source is None:
        raise _refusal(path, content)
    return source


def open_if_known(path: str) -> Source | None:
    """The neurons of a file; None if there are none in it, as in settings that stand beside them.

    Raises:
        SourceError: It cannot be read, is empty, or has neurons in a way that is not read.
    """
    content = head(path)
    source = _opened(path, content)
    if source is None and (not content.strip() or names(content).issuperset(_OWN)):
        raise _refusal(path, content)
    return source


def _refusal(path: str, content: bytes) -> SourceError:
    known = nature(content) or nearest(names(content)) or not content.strip() or is_table(content)
    return SourceError(
        f"neurons={path}: not a file that can be read by its ending, nor by what is in it: it "
        f"{description(content)}{'' if known else f'; {ALLOWED}'}"
    )


def _opened(path: str, content: bytes) -> Source | None:
    if path.endswith(LINES):
        return _lines(path, content)
    if path.endswith(".parquet"):
        return _parquet(path, content)
    return _json(path, names(content)) if is_json(content) else None


def _lines(path: str, content: bytes) -> Source | None:
    from neuron_eval.sources.jsonl import JsonlSource
    from neuron_eval.sources.neuronpedia.source import open_feature_lines

    if nature(content) or is_table(content):
        return None
    first = names(content.lstrip().split(b"\n", 1)[0])
    if source := open_feature_lines(path, first):
        return source
    form = nearest(first)
    if form not in (None, OWN) and not {"id", "top"} & first:
        raise SourceError(f"neurons={path}: its first line {resemblance(first)}")
    return JsonlSource(path)


def _parquet(path: str, content: bytes) -> Source | None:
    from neuron_eval.sources.parquet import ParquetSource

    if not content.startswith(b"PAR1") and (nature(content) or is_json(content)):
        return None
    return ParquetSource(path)


def _json(path: str, found: frozenset[str]) -> Source | None:
    from neuron_eval.sources.neuronpedia.source import NeuronpediaFile, holds_features
    from neuron_eval.sources.openai.record_file import RecordFile
    from neuron_eval.sources.openai.stores import holds_record

    if holds_record(found):
        return RecordFile(path)
    return NeuronpediaFile(path) if holds_features(found) else None


def open_folder(path: str) -> Source:
    """The neurons of a folder.

    Raises:
        SourceError: It holds none that can be read; the message says what it holds.
    """
    from neuron_eval.sources.delphi.source import is_delphi, open_delphi
    from neuron_eval.sources.folder import FolderSource
    from neuron_eval.sources.neuronpedia.source import is_neuronpedia, open_neuronpedia
    from neuron_eval.sources.openai.collated import is_collated, open_collated

    try:
        if is_collated(path):
            return open_collated(path)
        if is_neuronpedia(path):
            return open_neuronpedia(path)
        if is_delphi(path):
            return open_delphi(path)
    except OSError as error:
        where = error.filename or path
        raise SourceError(f"{where}: cannot be read ({error.strerror or error})") from error
    return FolderSource(path)
