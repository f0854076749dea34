"""From Arrow rows of the schema to neuron records.

Excerpts are cut from whole columns, which is several times as fast as making a Python object of
every nested value. Rows with a null inside, or of a type that the cutting does not know, go
through `neuron_eval.sources.objects.from_json`, which says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.checks import check_record, named
from neuron_eval.sources.base import NeuronKey, Unreadable
from neuron_eval.sources.objects import OPTIONAL, from_json, key, optional

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

Excerpts = list[tuple[ActivationRecord, ...]]


def keys(batch: pyarrow.RecordBatch, wheres: Sequence[str]) -> Iterator[NeuronKey]:
    """Which neuron each row is.

    Args:
        batch: At least the columns id, layer and neuron, N rows.
        wheres: File and row of each, shape [N], for messages.

    Raises:
        RecordError: One of the three is null.
    """
    columns = [batch.column(name).to_pylist() for name in ("id", "layer", "neuron")]
    for where, id_, layer, neuron in zip(wheres, *columns, strict=True):
        if id_ is None or layer is None or neuron is None:
            key({"id": id_, "layer": layer, "neuron": neuron}, where)
        yield NeuronKey(id_, layer, neuron)


def records(
    batch: pyarrow.RecordBatch, wheres: Sequence[str]
) -> Iterator[NeuronRecord | Unreadable]:
    """Each row as a checked record; a bad one is `Unreadable`.

    Args:
        batch: Columns of the schema, of types that `neuron_eval.sources.columns` lets pass.
        wheres: File and row of each, shape [N], for messages.
    """
    top, random = (_excerpts(batch.column(kind)) for kind in ("top", "random"))
    names = set(batch.schema.names)
    plain = [batch.column(name) for name in ("id", "model", "layer", "neuron")]
    if top is None or random is None or any(column.null_count for column in plain):
        yield from _one_by_one(batch, wheres)
        return
    others = {name: batch.column(name) for name in OPTIONAL if name in names}
    try:
        identity = list(zip(*(column.to_pylist() for column in plain), strict=True))
        values = {n: c.to_pylist() for n, c in others.items() if c.null_count < len(c)}
    except UnicodeDecodeError:
        yield from _one_by_one(batch, wheres)
        return
    for i, (id_, model, layer, neuron) in enumerate(identity):
        where = wheres[i]
        try:
            given = optional({n: v[i] for n, v in values.items()}, f"{where}: neuron {named(id_)}")
            record = NeuronRecord(id_, model, layer, neuron, top[i], random[i], **given)
            yield check_record(record, where)
        except RecordError as error:
            yield Unreadable(id_, error)


def _one_by_one(
    batch: pyarrow.RecordBatch, wheres: Sequence[str]
) -> Iterator[NeuronRecord | Unreadable]:
    for i, where in enumerate(wheres):
        name = where
        try:
            (data,) = batch.slice(i, 1).to_pylist()
            name = data["id"] if isinstance(data.get("id"), str) else where
            yield from_json(data, where)
        except UnicodeDecodeError as error:
            yield Unreadable(name, RecordError(f"{where}: a text is not UTF-8 ({error})"))
        except RecordError as error:
            yield Unreadable(name, error)


def _excerpts(column: pyarrow.Array) -> Excerpts | None:
    """Every row's excerpts; None where there is a null, or a type that is not known here."""
    found = _parts(column)
    if found is None:
        return None
    structs, of_row = found
    if structs.null_count or not hasattr(structs, "field"):
        return None
    tokens, activations = (_parts(_field(structs, name)) for name in ("tokens", "activations"))
    if tokens is None or activations is None:
        return None
    texts, values = _texts(tokens[0]), _numbers(activations[0])
    if texts is None or values is None:
        return None
    made = [
        ActivationRecord(texts[a:b], values[c:d])
        for (a, b), (c, d) in zip(_spans(tokens[1]), _spans(activations[1]), strict=True)
    ]
    return [tuple(made[start:end]) for start, end in _spans(of_row)]


def _field(structs: pyarrow.StructArray, name: str) -> pyarrow.Array:
    return structs.field(structs.type.get_field_index(name))


def _parts(column: pyarrow.Array) -> tuple[pyarrow.Array, list[int]] | None:
    """The items of a column of lists in one array, and where each list begins and ends in it."""
    from pyarrow import types

    if column.null_count or not (types.is_list(column.type) or types.is_large_list(column.type)):
        return None
    offsets: list[int] = _plain(column.offsets).tolist()
    first, last = offsets[0], offsets[-1]
    return column.values.slice(first, last - first), [offset - first for offset in offsets]


def _texts(array: pyarrow.Array) -> tuple[str, ...] | None:
    from pyarrow import types

    if array.null_count:
        return None
    try:
        if not types.is_dictionary(array.type):
            return tuple(array.to_pylist())
        words: list[Any] = array.dictionary.to_pylist()
    except UnicodeDecodeError:
        return None
    if None in words:
        return None
    return tuple(map(words.__getitem__, _plain(array.indices).tolist()))


def _numbers(array: pyarrow.Array) -> tuple[float, ...] | None:
    if array.null_count:
        return None
    return tuple(_plain(array).astype("float64", copy=False).tolist()) if len(array) else ()


def _plain(array: pyarrow.Array) -> NDArray[Any]:
    """An array of numbers without nulls, not by Arrow's own way, which imports pandas."""
    import numpy as np

    dtype = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _spans(offsets: list[int]) -> Iterator[tuple[int, int]]:
    return pairwise(offsets)
