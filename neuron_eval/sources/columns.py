"""The schema as Arrow columns: their types, and whether a table has them.

Numbers are written in double precision, which is what Python's are, so that every activation
comes back as it was. Narrower numbers are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from neuron_eval.messages import shortened
from neuron_eval.records import TOP_SPLITS
from neuron_eval.sources.objects import wrong_names

if TYPE_CHECKING:
    import pyarrow

_INDEX = "__index_level_"
"""How pandas names the columns that it keeps its index in; they are ignored."""


def arrow_schema() -> pyarrow.Schema:
    """Every column of the schema, required and optional, with its type."""
    import pyarrow as pa

    tokens = [("tokens", pa.list_(pa.string())), ("activations", pa.list_(pa.float64()))]
    excerpts = pa.list_(pa.struct(tokens))
    placed = pa.list_(pa.struct([("kind", pa.string()), ("index", pa.int64()), *tokens]))
    reference = pa.struct([("explanation", pa.string()), ("source", pa.string())])
    return pa.schema(
        [
            ("id", pa.string()),
            ("model", pa.string()),
            ("layer", pa.int64()),
            ("neuron", pa.int64()),
            ("group", pa.string()),
            ("quantiles", pa.list_(pa.float64())),
            ("quantile_boundaries", pa.list_(pa.float64())),
            ("cutoff", pa.float64()),
            ("reference", reference),
            ("other_explanations", pa.list_(reference)),
            ("false_explanations", pa.list_(pa.string())),
            ("top", excerpts),
            ("random", excerpts),
            ("splits", pa.struct([(name, placed) for name in TOP_SPLITS])),
            ("special_tokens", pa.list_(pa.string())),
            ("repeated", pa.int64()),
        ]
    )


def wrong_columns(found: pyarrow.Schema) -> str:
    """What is wrong with a table's columns; empty if nothing is.

    Args:
        found: The table's schema.
    """
    right = arrow_schema()
    names = [name for name in found.names if not name.startswith(_INDEX)]
    faults = wrong_names(names, "column")
    faults += [f"column {name!r} is there twice" for name in right.names if names.count(name) > 1]
    for name, type_ in zip(found.names, found.types, strict=True):
        if name in right.names and not _fits(type_, right.field(name).type):
            expected = right.field(name).type
            faults.append(
                f"column {name!r} is of type {shortened(_words(type_))}; expected "
                f"{_words(expected)}"
            )
    return "; ".join(faults)


def known(names: Iterable[str]) -> list[str]:
    """Those columns of a table that belong to the schema."""
    wanted = set(arrow_schema().names)
    return [name for name in names if name in wanted]


def _fits(found: pyarrow.DataType, right: pyarrow.DataType) -> bool:
    """Whether values of one type can be read as values of another; null is read as anything."""
    from pyarrow import types

    if types.is_null(found):
        return True
    if types.is_string(right):
        found = found.value_type if types.is_dictionary(found) else found
        return bool(
            types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)
        )
    if types.is_integer(right):
        return bool(types.is_integer(found))
    if types.is_floating(right):
        return bool(types.is_floating(found) or types.is_integer(found))
    if types.is_list(right):
        is_list = types.is_list(found) or types.is_large_list(found)
        is_list = is_list or types.is_fixed_size_list(found)
        return bool(is_list) and _fits(found.value_type, right.value_type)
    if not types.is_struct(found):
        return False
    theirs = {field.name: field.type for field in found}
    ours = {field.name: field.type for field in right}
    # Of the splits some may be missing; an excerpt or a reference needs both its fields.
    complete = set(theirs) == set(ours) or set(theirs) <= set(ours) == set(TOP_SPLITS)
    return complete and all(_fits(type_, ours[name]) for name, type_ in theirs.items())


def _words(type_: pyarrow.DataType) -> str:
    """A type in words, with Arrow's own names for what lists hold left out."""
    return str(type_).replace("element: ", "").replace("item: ", "")
