"""A rater's answers on disk: one file per rater, one line an event, nothing ever overwritten.

    {"rater": "alice", "question": "6e0f…", "id": "smollm2/L8N902", "answer": {"ratings": …},
     "seconds": 31.5, "at": "2026-01-31T12:00:00.000+00:00"}
    {"rater": "alice", "question": "6e0f…", "handed_over": true, "at": …}

Of several answers to a question the last one before it was handed over counts. ``question`` is a
digest of all that the rater saw (`neuron_eval.rating.question.question_key`).

Several processes may read and append at once: who appends has the file to itself and has read it
to its end, so that nobody's answer is overruled by one who did not know of it. Not SQLite: its
write-ahead log works on no network drive, and these lines a person can read and mend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import FileIO
from logging import getLogger
from pathlib import Path
from typing import Any

from neuron_eval.files.locking import locked
from neuron_eval.rating.answer import Answer, AnswerError, Skipped, from_json, is_duration
from neuron_eval.rating.question import Question

logger = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """A question was answered, or its answer changed or made final."""

    # The answer's JSON; whether it fits the question is unchecked. None: it was handed over.
    answer: Mapping[str, Any] | None
    seconds: float | None
    at: str
    line: int  # where it stands in the file, from 1


@dataclass(frozen=True, slots=True)
class Reply:
    """A rater's answer to one question."""

    answer: Answer | Skipped
    # From when the question was shown to when it was first answered; None where not known.
    seconds: float | None
    at: str  # when it was answered, ISO 8601; another answer has another time
    place: int  # sorts answers by when each question was first answered


def replay(events: Iterable[Event], question: Question) -> tuple[Reply | None, bool]:
    """The answer that a question's events, in the file's order, come to; and whether it is final.

    An answer that does not fit the question, in a file that was changed by hand, counts as none.
    """
    reply = None
    for event in events:
        if event.answer is not None:
            with suppress(AnswerError):
                place = event.line if reply is None else reply.place
                answer = from_json(event.answer, question)
                reply = Reply(answer, event.seconds, event.at, place)
        elif reply is not None:
            return reply, True
    return reply, False


class AnswerFile:
    """The file of one rater; to be used by one thread at a time."""

    def __init__(self, folder: Path, rater: str) -> None:
        """Name the file in a folder; it is made with the first answer."""
        self.path = folder / f"rater-{rater}.jsonl"
        self._rater = rater
        self._events: dict[str, list[Event]] = {}
        self._read = 0
        self._line = 0

    def events(self, key: str) -> Sequence[Event]:
        """What was read of one question, in the file's order."""
        return self._events.get(key, ())

    def read_on(self, *, wait: bool = True) -> set[str]:
        """Read what was appended since the last time; returns the keys of its questions.

        While another process appends, it waits if it is to ``wait``; else nothing is read.
        """
        try:
            with (
                self.path.open("rb", buffering=0) as file,
                locked(file.fileno(), exclusive=False, wait=wait),
            ):
                return self._read_from(file)
        except (FileNotFoundError, BlockingIOError):
            return set()

    @contextmanager
    def appending(self) -> Iterator[Appending]:
        """Have the file for oneself, read on and append; made if need be, for its owner alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (
            open(self.path, "a+b", buffering=0, opener=partial(os.open, mode=0o600)) as file,
            locked(file.fileno(), exclusive=True) as alone,
        ):
            yield Appending(self, file, alone)

    def _read_from(self, file: FileIO) -> set[str]:
        """Read on as far as the lines are complete."""
        file.seek(self._read)
        complete, newline, _ = file.read().rpartition(b"\n")
        self._read += len(complete) + len(newline)
        keys = {self._take(line) for line in complete.split(b"\n")} if newline else set()
        return {key for key in keys if key is not None}

    def _take(self, text: bytes) -> str | None:
        """Note what a line says; returns the question's key."""
        self._line += 1
        try:
            data = json.loads(text)
            # File systems that take two names for the same have two raters' lines in a file.
            if _field(data, "rater", str) != self._rater:
                return None
            key: str = _field(data, "question", str)
            event = _event(data, self._line)
        except (ValueError, RecursionError):
            # It was never confirmed to the rater: the question is asked again.
            logger.warning(f"{self.path}, line {self._line}: no answer can be read; left out")
            return None
        self._events.setdefault(key, []).append(event)
        return key


@dataclass(frozen=True, slots=True)
class Appending:
    """A rater's file while no other process may append to it."""

    _answers: AnswerFile
    _file: FileIO
    _alone: bool

    def read_on(self) -> set[str]:
        """See `AnswerFile.read_on`."""
        return self._answers._read_from(self._file)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events and have them on the disk before returning; else take back what can be."""
        size = os.fstat(self._file.fileno()).st_size
        lines = [json.dumps({"rater": self._answers._rater, **event}) + "\n" for event in events]
        self._file.seek(max(size - 1, 0))
        if self._file.read(1) not in (b"", b"\n"):  # cut off when a process was killed
            lines.insert(0, "\n")
        data = "".join(lines).encode()
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError:
            if self._alone:
                with suppress(OSError):
                    self._file.truncate(size)
            raise
        with suppress(OSError):  # the file's name too; not every system lets a folder be opened
            folder = os.open(self._answers.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _event(data: Mapping[str, Any], line: int) -> Event:
    """What a line says; a ValueError if it is no event."""
    at: str = _field(data, "at", str)
    at.encode()  # half a character goes into no reply to the page
    if "handed_over" in data:
        if data["handed_over"] is not True:
            raise ValueError("handed_over is not true")
        return Event(None, None, at, line)
    seconds = data.get("seconds")
    if seconds is not None and not is_duration(seconds):
        raise ValueError("seconds is neither null nor a number from 0")
    return Event(_field(data, "answer", dict), seconds, at, line)


def _field(data: object, name: str, kind: type) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get(name), kind):
        raise ValueError(f"{name} is missing or of another type")
    return data[name]
