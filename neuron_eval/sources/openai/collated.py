"""Neurons and explanations as OpenAI published them for GPT-2, and copies of that layout."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeVar

from neuron_eval.messages import near_miss
from neuron_eval.records import NeuronRecord, RecordError, Reference
from neuron_eval.sources.base import (
    NeuronKey,
    Neurons,
    ScoredNeuron,
    Source,
    SourceError,
    Unreadable,
    Wanted,
)
from neuron_eval.sources.openai.fetching import FetchSettings, HttpStore, cache_folder
from neuron_eval.sources.openai.records import neuron_name, parse_explanations, parse_record
from neuron_eval.sources.openai.stores import RECORDS, Blob, FileStore, Part, Read, find_store
from neuron_eval.sources.opening import Location, opener

T = TypeVar("T")
R = TypeVar("R")

ADDRESS = "https://openaipublic.blob.core.windows.net/neuron-explainer"  # OpenAI's public container
MIRROR_VARIABLE = "NEURON_EVAL_OPENAI_URL"  # names another address to use in place of it


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model in the public container."""

    folder: str
    layers: int
    neurons: int  # of each layer
    author: str  # who wrote the explanations, as far as was published


# By the name that users type after ``openai:``.
PUBLISHED: dict[str, PublishedModel] = {
    "gpt2-xl": PublishedModel("data", 48, 6400, "released by OpenAI (GPT-4)"),
    "gpt2-small": PublishedModel("gpt2_small_data", 12, 3072, "released by OpenAI"),
}


class CollatedSource(Source):
    """Neurons in the layout ``collated-activations/{layer}/{neuron}.json``."""

    def __init__(self, name: str, model: str, store: FileStore | HttpStore) -> None:
        self.name = name
        self.model = model
        self.store = store

    def keys(self, part: Part = RECORDS) -> Iterator[NeuronKey]:
        """Every neuron by layer and index; of the public container, without a request."""
        for layer in self.store.layers(part):
            for neuron in self.store.neurons(part, layer):
                yield NeuronKey(neuron_name(self.model, layer, neuron), layer, neuron)

    def read(self, wanted: Wanted = None) -> Neurons:
        """See `Source`; a neuron that can be but has no record is `Unreadable` and missing.

        The explanation with the best published score becomes the reference; a neuron whose
        explanation file is bad is unreadable.
        """
        keys = self.keys() if wanted is None else self._sorted(wanted)
        yield from self._ahead(keys, self._neuron)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """See `Source`; reads explanation files only.

        A bad one is a RecordError, or else what is chosen would depend on what failed.
        """
        if not self.store.layers("explanations"):
            yield from super().scores(wanted)
        inside = (_explained(key) for key in wanted if self.store.within(key.layer, key.neuron))
        for blob, content in self._ahead(inside, lambda read, blob: (blob, read(blob))):
            layer, neuron = blob.layer, blob.neuron
            texts = parse_explanations(content or b"", layer, neuron, self.store.where(blob))
            if texts and texts[0].score is not None:
                id_ = neuron_name(self.model, layer, neuron)
                yield ScoredNeuron(layer, neuron, texts[0].score, texts[0].explanation, id_)

    def explanation_files(self) -> Iterator[tuple[str, bytes | RecordError]]:
        """Every explanation file that is there: where it is, and its content or what is wrong."""

        def attempt(read: Read, key: NeuronKey) -> tuple[str, bytes | RecordError | None]:
            blob = _explained(key)
            content: bytes | RecordError | None
            try:
                content = read(blob)
            except RecordError as error:
                content = error
            return self.store.where(blob), content

        for where, content in self._ahead(self.keys("explanations"), attempt):
            if content is not None:
                yield where, content

    def _sorted(self, wanted: Collection[NeuronKey]) -> list[NeuronKey]:
        inside = {key for key in wanted if self.store.within(key.layer, key.neuron)}
        own = (key for key in inside if key.id == neuron_name(self.model, key.layer, key.neuron))
        return sorted(own, key=attrgetter("layer", "neuron"))

    def _ahead(self, items: Iterable[T], work: Callable[[Read, T], R]) -> Iterator[R]:
        stop = threading.Event()
        with self.store.opened(stop) as read:
            yield from ahead(items, lambda item: work(read, item), self.store.in_flight, stop)

    def _neuron(self, read: Read, key: NeuronKey) -> NeuronRecord | Unreadable:
        blob, explained = Blob(RECORDS, key.layer, key.neuron), _explained(key)
        try:
            record = read(blob)
            where = self.store.where(blob)
            if record is None:
                error = RecordError(f"neuron {key.id}: there is no {where}")
                return Unreadable(key.id, error, missing=True)
            neuron = parse_record(record, self.model, key.layer, key.neuron, where)
            if (texts := read(explained)) is None:
                return neuron
            return with_explanations(neuron, texts, self.store.where(explained))
        except RecordError as error:
            return Unreadable(key.id, error)


def open_container(name: str, settings: FetchSettings | None = None) -> CollatedSource:
    """The neurons of a model in `PUBLISHED`, from OpenAI's container or a mirror of it."""
    if name not in PUBLISHED:
        known, named = [f"openai:{model}" for model in PUBLISHED], f"openai:{name}"
        meant = f"known are {', '.join(known)}{near_miss([named], known)}"
        raise SourceError(f"neurons={named}: not published there; {meant}")
    published = PUBLISHED[name]
    base = (os.environ.get(MIRROR_VARIABLE) or ADDRESS).rstrip("/")
    if not base.startswith(("https://", "http://")) or set("?#@ ") & set(base):
        folders = " and ".join(f"{p.folder}/" for p in PUBLISHED.values())
        raise SourceError(
            f"{MIRROR_VARIABLE}={base}: expected an address such as {ADDRESS}, without query or "
            f"password, below which are {folders}"
        )
    # A mirror has a folder of its own, so that a wrong one leaves nothing behind for the next run.
    mirror = "" if base == ADDRESS else f"-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    store = HttpStore(
        address=f"{base}/{published.folder}",
        cache=cache_folder() / f"openai{mirror}" / name,
        shape=(published.layers, published.neurons),
        advice=f"{MIRROR_VARIABLE} names a mirror to use in place of {ADDRESS}.",
        settings=settings or FetchSettings(),
    )
    return CollatedSource(f"openai:{name}", name, store)


def open_collated(path: str) -> CollatedSource:
    """The neurons of a folder, or of an address such as ``s3://bucket/folder``."""
    if path.startswith(("http://", "https://")):
        raise SourceError(
            f"neurons={path}: folders cannot be listed over HTTP; a mirror of OpenAI's files goes "
            f"into {MIRROR_VARIABLE}, with neurons=openai:gpt2-xl"
        )
    if place := find_store(path):
        return CollatedSource(path, model_named(place[1]), place[0])
    raise SourceError(
        f"neurons={path}: there are no collated-activations/LAYER/NEURON.json in it, and no "
        "other folder over such files; name the folder that collated-activations is in"
    )


def is_collated(path: str) -> bool:
    """Whether a folder or an fsspec address has the layout."""
    return not path.startswith(("http://", "https://")) and find_store(path) is not None


def model_named(name: str) -> str:
    """The model that a folder called so holds the neurons of; the folder's name if unknown."""
    by_folder = {published.folder: model for model, published in PUBLISHED.items()}
    return by_folder.get(name, name) or "unnamed"


def with_explanations(neuron: NeuronRecord, content: bytes, where: str) -> NeuronRecord:
    """The neuron with those of an explanation file: that with the best score as the reference."""
    known = PUBLISHED.get(neuron.model)
    author = known.author if known else "published with the neuron"
    texts = parse_explanations(content, neuron.layer, neuron.neuron, where)
    written = [Reference(e.explanation, author) for e in texts if e.explanation.strip()]
    return replace(
        neuron, reference=written[0] if written else None, other_explanations=tuple(written[1:])
    )


def _explained(key: NeuronKey) -> Blob:
    return Blob("explanations", key.layer, key.neuron)


def ahead(
    items: Iterable[T], work: Callable[[T], R], in_flight: int, stop: threading.Event
) -> Iterator[R]:
    """The result of each item, or the error that ``work`` raises, in the items' order.

    Takes at most ``in_flight`` items more than results were taken, and works on these at once, in
    other threads unless that is 1. ``stop`` is set when no more results are wanted, so that work
    that waits can give up.
    """
    if in_flight == 1:
        yield from map(work, items)
        return
    under_way: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="neuron_eval")
    try:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) == in_flight:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


@opener("openai:gpt2-xl, openai:gpt2-small", "OpenAI's neuron-explainer data")
def _open_published(place: Location) -> CollatedSource | None:
    name = place.after("openai")
    return open_container(name) if name else None


@opener("FOLDER, s3://…", "collated-activations/ as OpenAI's")
def _open_layout(place: Location) -> CollatedSource | None:
    layout = place.kind == "address" or (place.kind == "folder" and is_collated(place.name))
    return open_collated(place.name) if layout else None
