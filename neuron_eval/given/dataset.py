"""Explanations and references as samples that need no activations: AdaCS alone."""

from __future__ import annotations

from collections.abc import Mapping

from inspect_ai.dataset import MemoryDataset, Sample

from neuron_eval.dataset import Unrelated
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import ExplanationTable, Key, TableError
from neuron_eval.records import Reference

REFERENCE = "explanation"
"""The column of a file of references, if there are several."""

SET = "given"
"""Stands before layer and neuron in the samples' ids, where no model is known."""


def read_references(path: str) -> tuple[ExplanationTable, Mapping[Key, Reference]]:
    """The file of references and, by neuron, what it holds.

    Args:
        path: A table of explanations, see `neuron_eval.given.reading.read_table`; they stand in
            the column ``explanation``, or in the only one that holds any; in a file of puzzles
            with answers, these are the references.

    Raises:
        TableError: The file is no such table.
        OSError: The file cannot be opened.
    """
    table = read_table(path)
    column = None if len(table.columns) == 1 else REFERENCE
    texts = table.answers or table.texts[table.column(column)]
    return table, {key: Reference(text, table.name) for key, text in texts.items()}


def adacs_dataset(table: ExplanationTable, references_path: str) -> MemoryDataset:
    """One sample a row of the table, its reference as the target; so columns can be compared.

    Args:
        table: The explanations.
        references_path: See `read_references`.

    Raises:
        TableError: The references are no table, or have no neuron in common with it.
        OSError: The references cannot be opened.
    """
    other, references = read_references(references_path)
    if table.by_id != other.by_id:
        first, second = ("id" if t.by_id else "layer and neuron" for t in (table, other))
        raise TableError(
            f"{table.path} tells neurons apart by {first}, but {other.path} by {second}; the two "
            "cannot be joined"
        )
    ids = {key: sample_id(key) for key in table.keys if key in references}
    if not ids:
        raise TableError(
            f"{other.path}: has a reference for none of the {len(table.keys)} neurons of "
            f"{table.path}, the first of which is {sample_id(table.keys[0])}"
        )
    unrelated = Unrelated({id_: references[key].explanation for key, id_ in ids.items()})
    samples = [_sample(key, references.get(key), unrelated) for key in table.keys]
    return MemoryDataset(samples, name=table.name)


def sample_id(key: Key) -> str:
    """The sample's id: the file's own, or for instance ``given/L5N131``."""
    return key if isinstance(key, str) else f"{SET}/L{key[0]}N{key[1]}"


def _sample(key: Key, reference: Reference | None, unrelated: Unrelated) -> Sample:
    id_ = sample_id(key)
    layer, neuron = (-1, -1) if isinstance(key, str) else key
    return Sample(
        id=id_,
        input=f"Explain {id_ if layer < 0 else f'neuron {neuron} in layer {layer}'}.",
        target=reference.explanation if reference else "",
        metadata={
            "layer": layer,
            "neuron": neuron,
            "reference_source": reference.source if reference else None,
            "unrelated_references": unrelated.of(id_),
        },
    )
