"""The loop: windows through the subject model into the collector."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording.checkpoint import Checkpoint
from neuron_eval.recording.collect import Collector
from neuron_eval.recording.errors import RecordingError
from neuron_eval.recording.windows import Window

PRUNE = 4096
"""Windows whose tokens are remembered before those no longer needed are forgotten."""


class Subject(Protocol):
    """What the loop needs of a model."""

    def activations(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The recorded neurons on every text token, shape [B, L, N]."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run over the text leaves behind."""

    collector: Collector
    """Top excerpts, reservoir and histogram."""

    tokens: dict[int, tuple[str, ...]]
    """Window index to text tokens, for every window that the collector still holds."""

    resumed: int
    """Windows that an earlier run had recorded."""

    forward: float
    """Seconds spent in the model."""

    collecting: float
    """Seconds spent on everything else: tokenising, collecting, checkpoints."""


def run(
    subject: Subject,
    windows: Iterable[Window],
    collector: Collector,
    batch_size: int,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Collected:
    """Record all windows.

    Args:
        subject: The model.
        windows: In order, index 0 first.
        collector: Empty; filled in place.
        batch_size: Windows a forward pass, at least 1.
        checkpoint: Where to save the state on the way; None to save nothing.
        resume: Go on from the checkpoint, if there is one.
        progress: Called with the number of windows after each batch.

    Raises:
        RecordingError: The checkpoint does not fit, or an activation is not finite.
    """
    started, forward = time.perf_counter(), 0.0
    stream = iter(windows)
    tokens: dict[int, tuple[str, ...]] = {}
    digest = b""
    state = checkpoint.load() if checkpoint and resume else None
    if state is not None:
        wanted = state.pop("text").tobytes()
        collector.restore(state)
        digest = _replay(stream, collector, tokens)
        if digest != wanted:
            assert checkpoint is not None
            raise RecordingError(
                f"{checkpoint.path}: the text, or how it is tokenised, is not what it was for "
                f"the first {collector.windows} windows; delete the checkpoint to start over"
            )
        progress(collector.windows)
    resumed, limit = collector.windows, len(tokens) + PRUNE
    for number, batch in enumerate(_batches(stream, batch_size), start=1):
        before = time.perf_counter()
        activations = subject.activations(batch)
        forward += time.perf_counter() - before
        collector.update(activations)
        for window in batch:
            digest = _chain(digest, window)
            tokens[window.index] = window.tokens
        if len(tokens) > limit:
            tokens = _pruned(tokens, collector)
            limit = 2 * len(tokens) + PRUNE
        if checkpoint and number % checkpoint.every == 0:
            text = np.frombuffer(digest, dtype=np.uint8)
            checkpoint.save({**collector.state(), "text": text})
        progress(len(batch))
    total = time.perf_counter() - started
    return Collected(collector, _pruned(tokens, collector), resumed, forward, total - forward)


def _replay(
    stream: Iterator[Window], collector: Collector, tokens: dict[int, tuple[str, ...]]
) -> bytes:
    """Pass over what was recorded before; returns its digest, and fills ``tokens``."""
    live, digest = collector.live(), b""
    for _ in range(collector.windows):
        window = next(stream, None)
        if window is None:
            return b""
        digest = _chain(digest, window)
        if window.index in live:
            tokens[window.index] = window.tokens
    return digest


def _chain(digest: bytes, window: Window) -> bytes:
    """The digest of all windows up to this one, their model tokens included."""
    content = repr((window.tokens, window.ids)).encode()
    return hashlib.blake2b(digest + content, digest_size=16).digest()


def _pruned(tokens: dict[int, tuple[str, ...]], collector: Collector) -> dict[int, tuple[str, ...]]:
    live = collector.live()
    return {index: text for index, text in tokens.items() if index in live}


def _batches(stream: Iterator[Window], size: int) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in stream:
        batch.append(window)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
