"""Which folder holds OpenAI's records: recognised by what is in it, whatever it is called."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from neuron_eval.messages import listed
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.looking import HEAD, names
from neuron_eval.sources.openai.stores import RECORDS, Blob, FolderStore, FsspecStore, Store


def holds_record(names: Collection[str]) -> bool:
    """Whether a JSON text whose fields have these names is a neuron's record."""
    there = set(names)
    return "neuron_id" in there and not there.isdisjoint(
        {"most_positive_activation_records", "random_sample"}
    )


def find_store(path: str) -> tuple[Store, str] | None:
    """Where the records of a folder or of an fsspec address are.

    Args:
        path: What ``collated-activations`` is in, or that folder itself, or another one over
            ``LAYER/NEURON.json``; or a local folder that one such is in.

    Returns:
        The store, and the name of the folder that stands for the model; None if there are no
        such files.

    Raises:
        SourceError: The address cannot be read, or several folders hold records.
    """
    if "://" in path:
        return _remote(path.rstrip("/"))
    root = Path(path)
    if not root.is_dir():
        return None
    if _has_layers(FolderStore(root)):
        return FolderStore(root), root.resolve().name
    if root.resolve().name == RECORDS and _has_layers(FolderStore(root, "")):
        parent = root.parent if root.name == RECORDS else root.resolve().parent
        return FolderStore(parent), parent.resolve().name
    if _has_records(store := FolderStore(root, "")):
        return store, root.resolve().name
    inner = [FolderStore(root, place.name) for place in sorted(root.iterdir()) if place.is_dir()]
    holding = [store for store in inner if _has_records(store)]
    if len(holding) > 1:
        raise SourceError(
            f"neurons={path}: {listed(store.records for store in holding)} hold OpenAI's records; "
            "name one of them"
        )
    return (holding[0], root.resolve().name) if holding else None


def _remote(address: str) -> tuple[Store, str] | None:
    over, _, last = address.rpartition("/")
    if _has_layers(store := FsspecStore(address)):
        return store, last
    if last == RECORDS and _has_layers(store := FsspecStore(over)):
        return store, over.rpartition("/")[2]
    return (store, last) if _has_records(store := FsspecStore(address, "")) else None


def _has_layers(store: Store) -> bool:
    return bool(store.layers(RECORDS))


def _has_records(store: Store) -> bool:
    """Whether the first ``LAYER/NEURON.json`` is one."""
    for layer in store.layers(RECORDS):
        for neuron in store.neurons(RECORDS, layer):
            with store.opened(threading.Event()) as read:
                try:
                    return holds_record(names((read(Blob(RECORDS, layer, neuron)) or b"")[:HEAD]))
                except RecordError:
                    return False
    return False
