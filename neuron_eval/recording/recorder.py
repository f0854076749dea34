"""The loop: windows through the subject model into the collector, with checkpoints."""

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.files.locking import unfinished
from neuron_eval.recording import RecordingError
from neuron_eval.recording.collect import Collector, draw
from neuron_eval.recording.select import PickedNeuron
from neuron_eval.recording.subject import HuggingFaceSubject
from neuron_eval.recording.texts import Window
from neuron_eval.records import ActivationRecord, NeuronRecord, Stratum
from neuron_eval.records.activations import round_significant
from neuron_eval.records.checks import check_record

Taken = tuple[Sequence[Window], float]
"""Windows that are recorded, and the seconds that the model took for them."""

Take = Callable[[Iterator[list[Window]], Collector], Iterator[Taken]]
"""Records parts of the text into a collector; gives each part, in order, once it is in."""

PRUNE = 4096  # windows whose tokens are remembered before those no longer needed are forgotten
VERSION = 2  # raised whenever an older checkpoint cannot be gone on from


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file from which an interrupted recording goes on."""

    path: Path
    fingerprint: Mapping[str, Any]  # JSON values that must be the same to go on: model, settings
    every: int  # parts from one save to the next

    def save(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write the state; a crash while writing leaves the checkpoint before it."""
        stamp = np.asarray(self._stamp())
        with unfinished(self.path) as beside, beside.open("wb") as out:
            np.savez(out, allow_pickle=False, _fingerprint=stamp, **state)

    def load(self) -> dict[str, NDArray[Any]] | None:
        """Read the state back; None if there is no checkpoint."""
        if not self.path.exists():
            return None
        try:
            # Opened here, because numpy leaves a damaged file open.
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as data:
                state = {name: data[name] for name in data.files}
            stored: dict[str, Any] = json.loads(str(state.pop("_fingerprint")))
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise RecordingError(
                f"{self.path}: not a checkpoint, or damaged ({error}); delete it to start over"
            ) from error
        wanted = json.loads(self._stamp())
        differ = [
            f"{name} ({stored.get(name)} there, {wanted.get(name)} here)"
            for name in sorted(set(stored) | set(wanted))
            if stored.get(name) != wanted.get(name)
        ]
        if differ:
            raise RecordingError(
                f"{self.path}: belongs to another recording: {', '.join(differ)}; record with "
                "what it was started with, or delete it to start over"
            )
        return state

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _stamp(self) -> str:
        return json.dumps({"version": VERSION, **self.fingerprint})


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run over the text leaves behind."""

    collector: Collector
    tokens: dict[int, tuple[str, ...]]  # of every window that the collector holds, by its index
    resumed: int  # windows that an earlier run had recorded
    forward: float  # seconds in the model, of all workers together
    seconds: float  # from start to end


def take_batch(subject: HuggingFaceSubject, batch: Sequence[Window], collector: Collector) -> float:
    """Record a batch into a collector; gives the seconds that the model took."""
    before = time.perf_counter()
    activations = subject.activations(batch)
    seconds = time.perf_counter() - before
    collector.update(activations)
    return seconds


def take_here(
    subject: HuggingFaceSubject, batches: Iterator[list[Window]], collector: Collector
) -> Iterator[Taken]:
    for batch in batches:
        yield batch, take_batch(subject, batch, collector)


def run(
    take: Take,
    windows: Iterable[Window],
    collector: Collector,
    size: int,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Recording:
    """Record all windows, in order and from index 0, into an empty collector.

    In parts of ``size``; ``progress`` is called with the number of windows after each.
    """
    started, forward = time.perf_counter(), 0.0
    stream = iter(windows)
    tokens: dict[int, tuple[str, ...]] = {}
    digest = b""
    if checkpoint and resume and (state := checkpoint.load()) is not None:
        wanted = state.pop("text").tobytes()
        collector.restore(state)
        digest = _replay(stream, collector, tokens)
        if digest != wanted:
            raise RecordingError(
                f"{checkpoint.path}: the text, or how it is tokenised, is not what it was for "
                f"the first {collector.windows} windows; delete the checkpoint to start over"
            )
        progress(collector.windows)
    resumed, limit = collector.windows, len(tokens) + PRUNE
    parts = iter(lambda: list(islice(stream, size)), [])
    for number, (part, seconds) in enumerate(take(parts, collector), start=1):
        forward += seconds
        for window in part:
            digest = _chain(digest, window)
            tokens[window.index] = window.tokens
        if len(tokens) > limit:
            tokens = _pruned(tokens, collector)
            limit = 2 * len(tokens) + PRUNE
        if checkpoint and number % checkpoint.every == 0:
            text = np.frombuffer(digest, dtype=np.uint8)
            checkpoint.save({**collector.state(), "text": text})
        progress(len(part))
    total = time.perf_counter() - started
    return Recording(collector, _pruned(tokens, collector), resumed, forward, total)


def _replay(
    stream: Iterator[Window], collector: Collector, tokens: dict[int, tuple[str, ...]]
) -> bytes:
    """Pass over what was recorded before; returns its digest, and fills ``tokens``."""
    live, digest, windows = collector.live(), b"", 0
    for window in islice(stream, collector.windows):
        windows += 1
        digest = _chain(digest, window)
        if window.index in live:
            tokens[window.index] = window.tokens
    return digest if windows == collector.windows else b""


def _chain(digest: bytes, window: Window) -> bytes:
    """The digest of all windows up to this one, their model tokens included."""
    content = repr((window.tokens, window.ids)).encode()
    return hashlib.blake2b(digest + content, digest_size=16).digest()


def _pruned(tokens: dict[int, tuple[str, ...]], collector: Collector) -> dict[int, tuple[str, ...]]:
    live = collector.live()
    return {index: text for index, text in tokens.items() if index in live}


def check_enough(windows: int, top: int, random: int) -> None:
    if windows < top + random:
        raise RecordingError(
            f"the text gives {windows} distinct windows, but --top {top} and --random {random} "
            f"need at least {top + random}; record more text, or ask for fewer or shorter excerpts"
        )


def assemble(
    recording: Recording,
    columns: Sequence[PickedNeuron],
    chosen: Sequence[PickedNeuron],
    model: str,
    levels: Sequence[float],
    random: int,
    seed: int,
) -> Iterator[NeuronRecord]:
    """One checked record per neuron, activations rounded to four significant digits.

    The neurons stand in ``columns`` in the order of the collector's columns, in ``chosen`` in the
    order wanted. Seed, layer and neuron fix which ``random`` excerpts are taken. In strata, lowest
    first, excerpts are in the order of their windows' random numbers.
    """
    collector = recording.collector
    top, reservoir = collector.top, collector.reservoir
    boundaries = collector.histogram.boundaries(levels)
    column_of = {neuron.id: i for i, neuron in enumerate(columns)}
    slot_of = {int(index): slot for slot, index in enumerate(reservoir.index)}

    def excerpt(index: int, activations: NDArray[np.float32]) -> ActivationRecord:
        rounded = round_significant(activations).tolist()
        return ActivationRecord(tokens=recording.tokens[index], activations=tuple(rounded))

    for neuron in chosen:
        i = column_of[neuron.id]
        drawn = draw(reservoir.index, top.index[i], random, (seed, neuron.layer, neuron.neuron))
        record = NeuronRecord(
            id=f"{model}/{neuron.id}",
            model=model,
            layer=neuron.layer,
            neuron=neuron.neuron,
            top=tuple(map(excerpt, top.index[i].tolist(), top.activations[i])),
            random=tuple(
                excerpt(index, reservoir.activations[slot_of[index], :, i])
                for index in drawn.tolist()
            ),
            strata=tuple(
                Stratum(share, tuple(excerpt(*window) for window in windows))
                for share, windows in collector.strata.of(
                    i, reservoir.priority, reservoir.index, reservoir.activations[:, :, i]
                )
            ),
            quantiles=tuple(levels),
            quantile_boundaries=tuple(boundaries[i].tolist()),
            group=neuron.group,
        )
        yield check_record(record, "recorded")
