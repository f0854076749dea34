"""A rater's answers on disk: one file a rater, one line an event, nothing ever overwritten.

    {"rater": "alice", "question": "6e0f…", "id": "smollm2/L8N902", "answer": {"ratings": …},
     "seconds": 31.5, "at": "2026-01-31T12:00:00+00:00"}
    {"rater": "alice", "question": "6e0f…", "handed_over": true, "at": …}

Of several answers to a question the last one counts. ``question`` is a digest of all that the
rater saw (`neuron_eval.rating.asked.question_key`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from logging import getLogger
from pathlib import Path
from typing import Any

logger = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """What the file says of one question."""

    answer: Mapping[str, Any]
    """The answer's JSON, unchecked."""

    seconds: float | None
    at: str
    handed_over: bool = False


class AnswerFile:
    """The file of one rater. Another process may append to it meanwhile."""

    def __init__(self, folder: Path, rater: str) -> None:
        """Name the file; it is made with the first answer.

        Args:
            folder: Where the files are.
            rater: Whose answers; a name that may be part of a file's name.
        """
        self.path = folder / f"rater-{rater}.jsonl"
        self._rater = rater
        self._saved: dict[str, Saved] = {}
        self._read = 0
        self._line = 0

    def find(self, key: str) -> Saved | None:
        """The answer to a question, if there is one.

        Raises:
            OSError: The file exists and cannot be read.
        """
        self._read_on()
        return self._saved.get(key)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events and have them on the disk before returning.

        Raises:
            OSError: They are not, or not all, on the disk.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"rater": self._rater, **event}) + "\n" for event in events]
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            data = (self._mending(descriptor) + "".join(lines)).encode()
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync_folder(self.path.parent)

    def _mending(self, descriptor: int) -> str:
        """A newline, if the last line was cut off when a process was killed."""
        size = os.fstat(descriptor).st_size
        if size == 0:
            return ""
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        return "" if os.read(descriptor, 1) == b"\n" else "\n"

    def _read_on(self) -> None:
        """Read what was appended since the last time, as far as its lines are whole."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self._read += len(whole) + len(newline)
        for line in whole.split(b"\n") if newline else ():
            self._line += 1
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            if event["rater"] != self._rater:  # names that a file system takes for the same
                return
            key = event["question"]
            if event.get("handed_over"):
                self._saved[key] = replace(self._saved[key], handed_over=True)
            elif isinstance(event["answer"], dict):
                self._saved[key] = Saved(event["answer"], event["seconds"], event["at"])
        except (ValueError, KeyError, TypeError, AttributeError):
            # It was never confirmed to the rater: the question is asked again.
            logger.warning(f"{self.path}, line {self._line}: no answer can be read; left out")


def _sync_folder(folder: Path) -> None:
    """Have the file's name on the disk too; not every system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
