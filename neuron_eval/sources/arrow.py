"""The schema as Arrow columns: their types, whether a table has them, and records as rows of it.

Numbers are written in double precision, which is what Python's are, so that every activation
comes back as it was. Narrower numbers are accepted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from neuron_eval.messages import message_of, shortened, shown
from neuron_eval.records import TOP_SPLITS, ActivationRecord, NeuronRecord, RecordError
from neuron_eval.sources.base import NeuronKey, Neurons, Unreadable
from neuron_eval.sources.objects import from_json, key, to_json, wrong_names

ROWS = 64  # neurons in a row group at most, so that choosing a few reads few others
TOKENS = 1_000_000  # no neuron is added to a row group of so many: it has to fit into memory
_INDEX = "__index_level_"  # how pandas names the columns of its index, which are ignored

_TOKENS = [("tokens", pa.list_(pa.string())), ("activations", pa.list_(pa.float64()))]
_EXCERPTS = pa.list_(pa.struct(_TOKENS))
_PLACED = pa.list_(pa.struct([("kind", pa.string()), ("index", pa.int64()), *_TOKENS]))
_REFERENCE = pa.struct([("explanation", pa.string()), ("source", pa.string())])

# Every column of the schema, required and optional, with its type
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("model", pa.string()),
        ("layer", pa.int64()),
        ("neuron", pa.int64()),
        ("group", pa.string()),
        ("quantiles", pa.list_(pa.float64())),
        ("quantile_boundaries", pa.list_(pa.float64())),
        ("cutoff", pa.float64()),
        ("reference", _REFERENCE),
        ("other_explanations", pa.list_(_REFERENCE)),
        ("false_explanations", pa.list_(pa.string())),
        ("top", _EXCERPTS),
        ("random", _EXCERPTS),
        ("strata", pa.list_(pa.struct([("share", pa.float64()), ("excerpts", _EXCERPTS)]))),
        ("splits", pa.struct([(name, _PLACED) for name in TOP_SPLITS])),
        ("special_tokens", pa.list_(pa.string())),
        ("repeated", pa.int64()),
        ("page", pa.string()),
    ]
)


def wrong_columns(table: pa.Schema) -> str:
    """What is wrong with a table's columns; empty if nothing is."""
    names = [name for name in table.names if not name.startswith(_INDEX)]
    faults = wrong_names(names, "column")
    faults += [f"column {name!r} is there twice" for name in SCHEMA.names if names.count(name) > 1]
    for name, type_ in zip(table.names, table.types, strict=True):
        if name in SCHEMA.names and not _fits(type_, expected := SCHEMA.field(name).type):
            faults.append(
                f"column {name!r} is of type {shortened(_words(type_))}; expected "
                f"{_words(expected)}"
            )
    return "; ".join(faults)


def _fits(given: pa.DataType, right: pa.DataType) -> bool:
    """Whether values of one type can be read as values of another; null is read as anything.

    Not by Arrow's cast, which takes a text that looks like a number for one.
    """
    if types.is_null(given):
        return True
    if types.is_string(right):
        given = given.value_type if types.is_dictionary(given) else given
        return bool(
            types.is_string(given) or types.is_large_string(given) or types.is_string_view(given)
        )
    if types.is_integer(right):
        return bool(types.is_integer(given))
    if types.is_floating(right):
        return bool(types.is_floating(given) or types.is_integer(given))
    if types.is_list(right):
        is_list = types.is_list(given) or types.is_large_list(given)
        is_list = is_list or types.is_fixed_size_list(given)
        return bool(is_list) and _fits(given.value_type, right.value_type)
    if not types.is_struct(given):
        return False
    theirs = {field.name: field.type for field in given}
    ours = {field.name: field.type for field in right}
    # Of the splits some may be missing; an excerpt or a reference needs both its fields.
    complete = set(theirs) == set(ours) or set(theirs) <= set(ours) == set(TOP_SPLITS)
    return complete and all(_fits(type_, ours[name]) for name, type_ in theirs.items())


def _words(type_: pa.DataType) -> str:
    """A type in words, with Arrow's own names for what lists hold left out."""
    return str(type_).replace("element: ", "").replace("item: ", "")


def keys(batch: pa.RecordBatch, wheres: Sequence[str]) -> Iterator[NeuronKey]:
    """Which neuron each row is; see `records`."""
    columns = [batch.column(name).to_pylist() for name in ("id", "layer", "neuron")]
    for where, id_, layer, neuron in zip(wheres, *columns, strict=True):
        if id_ is None or layer is None or neuron is None:
            key({"id": id_, "layer": layer, "neuron": neuron}, where)
        yield NeuronKey(id_, layer, neuron)


def records(batch: pa.RecordBatch, wheres: Sequence[str]) -> Neurons:
    """Each row as a checked record; a bad one is `Unreadable`.

    Excerpts are cut from whole columns, of types that `wrong_columns` lets pass: Arrow's own
    `to_pylist` of nested values takes six times as long. What cannot be cut goes that way, and
    `from_json` says what is wrong. ``wheres`` is file and row of each, shape [N].
    """
    kinds = ("top", "random")
    try:
        cut = [_excerpts(batch.column(kind)) for kind in kinds]
        batch = batch.drop_columns(list(kinds))
    except (_Uncut, UnicodeDecodeError):
        cut = []
    for i, where in enumerate(wheres):
        name = where
        try:
            (data,) = batch.slice(i, 1).to_pylist()
            name = data["id"] if isinstance(data["id"], str) else where
            data.update((kind, rows[i]) for kind, rows in zip(kinds, cut, strict=False))
            yield from_json(data, where)
        except UnicodeDecodeError as error:
            yield Unreadable(name, RecordError(f"{where}: a text is not UTF-8 ({error})"))
        except RecordError as error:
            yield Unreadable(name, error)


class _Uncut(Exception):
    """There is a null, or a type that the cutting does not know."""


def _excerpts(column: pa.Array) -> list[tuple[ActivationRecord, ...]]:
    structs, of_row = _parts(column)
    tokens, of_tokens = _parts(_sound(structs, types.is_struct).field("tokens"))
    activations, of_activations = _parts(structs.field("activations"))
    texts = _texts(tokens)
    values = tuple(_numbers(activations).astype("float64", copy=False).tolist())
    made = [
        ActivationRecord(texts[a:b], values[c:d])
        for (a, b), (c, d) in zip(pairwise(of_tokens), pairwise(of_activations), strict=True)
    ]
    return [tuple(made[start:end]) for start, end in pairwise(of_row)]


def _sound(array: pa.Array, *kinds: Callable[[pa.DataType], bool]) -> pa.Array:
    if array.null_count or (kinds and not any(is_kind(array.type) for is_kind in kinds)):
        raise _Uncut
    return array


def _parts(column: pa.Array) -> tuple[pa.Array, list[int]]:
    """The items of a column of lists in one array, and where each list begins and ends in it."""
    offsets: list[int] = _numbers(
        _sound(column, types.is_list, types.is_large_list).offsets
    ).tolist()
    first, last = offsets[0], offsets[-1]
    return column.values.slice(first, last - first), [offset - first for offset in offsets]


def _texts(array: pa.Array) -> tuple[str, ...]:
    if not types.is_dictionary(_sound(array).type):
        return tuple(array.to_pylist())
    words: list[Any] = _sound(array.dictionary).to_pylist()
    return tuple(map(words.__getitem__, _numbers(array.indices).tolist()))


def _numbers(array: pa.Array) -> NDArray[Any]:
    """Not by Arrow's own way, which imports pandas."""
    return np.from_dlpack(_sound(array))


def batches(neurons: Iterable[NeuronRecord]) -> Iterator[pa.RecordBatch]:
    """Neurons as batches, each meant to be one row group; at most one is in memory."""
    group: list[NeuronRecord] = []
    tokens = 0
    for neuron in neurons:
        group.append(neuron)
        placed = (excerpt.record for _, excerpts in neuron.given_splits for excerpt in excerpts)
        drawn = (record for stratum in neuron.strata for record in stratum.excerpts)
        tokens += sum(len(r.tokens) for r in (*neuron.top, *neuron.random, *drawn, *placed))
        if len(group) >= ROWS or tokens >= TOKENS:
            yield _batch(group)
            group, tokens = [], 0
    if group:
        yield _batch(group)


def _batch(neurons: Sequence[NeuronRecord]) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_pylist([to_json(n) for n in neurons], SCHEMA)
    except (UnicodeEncodeError, OverflowError, pa.ArrowException) as error:
        raise RecordError(
            f"neurons {shown(neurons[0].id)} to {shown(neurons[-1].id)}: cannot be written "
            f"({message_of(error)})"
        ) from error
