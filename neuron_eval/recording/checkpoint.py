"""A file from which an interrupted recording goes on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.files.unfinished import unfinished
from neuron_eval.recording.errors import RecordingError

VERSION = 1
"""Raised whenever an older checkpoint cannot be gone on from."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the state is kept, and what it belongs to."""

    path: Path
    """The file."""

    fingerprint: Mapping[str, Any]
    """What must be the same for the state to make sense, as JSON values: model, neurons,
    settings."""

    every: int
    """Batches from one save to the next."""

    def save(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write the state; a crash while writing leaves the checkpoint before it."""
        stamp = np.asarray(self._stamp())
        with unfinished(self.path) as beside, beside.open("wb") as out:
            np.savez(out, allow_pickle=False, _fingerprint=stamp, **state)

    def load(self) -> dict[str, NDArray[Any]] | None:
        """Read the state back; None if there is no checkpoint.

        Raises:
            RecordingError: It is damaged, or belongs to another recording.
        """
        if not self.path.exists():
            return None
        try:
            # Opened here, because numpy leaves a damaged file open.
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as data:
                state = {name: data[name] for name in data.files}
            found: dict[str, Any] = json.loads(str(state.pop("_fingerprint")))
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise RecordingError(
                f"{self.path}: not a checkpoint, or damaged ({error}); delete it to start over"
            ) from error
        self._compare(found)
        return state

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)

    def _stamp(self) -> str:
        return json.dumps({"version": VERSION, **self.fingerprint})

    def _compare(self, found: Mapping[str, Any]) -> None:
        wanted = json.loads(self._stamp())
        differ = [
            f"{name} ({found.get(name)} there, {wanted.get(name)} here)"
            for name in sorted(set(found) | set(wanted))
            if found.get(name) != wanted.get(name)
        ]
        if differ:
            raise RecordingError(
                f"{self.path}: belongs to another recording: {', '.join(differ)}; record with "
                "what it was started with, or delete it to start over"
            )
