"""What has been embedded in this process, so that no text is sent twice to one embedder."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

import anyio
import numpy as np
from anyio.lowlevel import RunVar
from inspect_ai.model import ModelAPI
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One unit vector, shape [dim]."""

MEMO_BYTES = 256 * 2**20
"""What one embedder's vectors may occupy: about 170,000 texts of 384 dimensions, 43,000 of
1,536. The least recently used go first."""


class Memo:
    """A bounded, thread-safe store of one embedder's vectors."""

    def __init__(self, max_bytes: int = MEMO_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Return the vectors of those texts that are known."""
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
            return known

    def add(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors, letting go of the least recently used ones if there are too many."""
        with self._lock:
            for text, vector in vectors.items():
                if (old := self._vectors.pop(text, None)) is not None:
                    self._bytes -= old.nbytes
                self._vectors[text] = vector
                self._bytes += vector.nbytes
            while self._bytes > self._max_bytes:
                _, old = self._vectors.popitem(last=False)
                self._bytes -= old.nbytes

    @property
    def dimensions(self) -> int | None:
        """Of its vectors, which all have the same; None while there are none."""
        with self._lock:
            return next((vector.size for vector in self._vectors.values()), None)

    def __len__(self) -> int:
        return len(self._vectors)


_memos: WeakKeyDictionary[ModelAPI, Memo] = WeakKeyDictionary()

# Events belong to the event loop that waits on them, so what is under way is kept per loop.
_under_way: RunVar[WeakKeyDictionary[ModelAPI, dict[str, anyio.Event]]] = RunVar(
    "neuron_eval embeddings under way"
)


def memo_of(api: ModelAPI) -> Memo:
    """Return the store of one embedder; it lives as long as the embedder."""
    return _memos.setdefault(api, Memo())


def under_way(api: ModelAPI) -> dict[str, anyio.Event]:
    """Return the texts that a request of this event loop is embedding now.

    The event of a text is set when its request ends, whether well or not.
    """
    loop = _under_way.get(None)
    if loop is None:
        _under_way.set(loop := WeakKeyDictionary())
    return loop.setdefault(api, {})
