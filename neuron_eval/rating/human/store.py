"""A rater's answers on disk: one file a rater, one line an event, nothing ever overwritten.

`neuron_eval.rating.human.store` has the lines' form. Several processes may read and append at
once: who appends has the file to itself and has read it to its end, so that nobody's answer is
overruled by one who did not know of it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

from neuron_eval.files.locking import locked
from neuron_eval.rating.answer import AnswerError, from_json
from neuron_eval.rating.human.queue import Reply
from neuron_eval.rating.question import Question

logger = getLogger(__name__)

_BINARY: int = getattr(os, "O_BINARY", 0)


class AnswerFile:
    """The file of one rater; to be used by one thread at a time."""

    def __init__(self, folder: Path, rater: str) -> None:
        """Name the file; it is made with the first answer.

        Args:
            folder: Where the files are.
            rater: Whose answers; a name that may be part of a file's name.
        """
        self.path = folder / f"rater-{rater}.jsonl"
        self._rater = rater
        self._events: dict[str, list[Event]] = {}
        self._read = 0
        self._line = 0

    def events(self, key: str) -> Sequence[Event]:
        """What was read of one question, in the file's order."""
        return self._events.get(key, ())

    def read_on(self, *, wait: bool = True) -> set[str]:
        """Read what was appended since the last time.

        Args:
            wait: Whether to wait while another process appends; else nothing is read then.

        Returns:
            The keys of the questions that something was read of.

        Raises:
            OSError: The file exists and cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _BINARY)
        except FileNotFoundError:
            return set()
        try:
            with locked(descriptor, exclusive=False, wait=wait):
                return self._read_from(descriptor)
        except BlockingIOError:
            return set()
        finally:
            os.close(descriptor)

    @contextmanager
    def appending(self) -> Iterator[Appending]:
        """Have the file for oneself, read on and append.

        Raises:
            OSError: The file can be neither made nor opened.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY
        descriptor = os.open(self.path, flags, 0o600)
        try:
            with locked(descriptor, exclusive=True) as alone:
                yield Appending(self, descriptor, alone)
        finally:
            os.close(descriptor)

    def _read_from(self, descriptor: int) -> set[str]:
        """Read on as far as the lines are whole."""
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        found = {self._take(line) for line in whole.split(b"\n")} if newline else set()
        return {key for key in found if key is not None}

    def _take(self, text: bytes) -> str | None:
        """Note what a line says; returns the question's key."""
        self._line += 1
        try:
            found = parse_event(text, self._line, self._rater)
        except (ValueError, RecursionError):
            # It was never confirmed to the rater: the question is asked again.
            logger.warning(f"{self.path}, line {self._line}: no answer can be read; left out")
            return None
        if found is None:
            return None
        key, event = found
        self._events.setdefault(key, []).append(event)
        return key


@dataclass(frozen=True, slots=True)
class Appending:
    """A rater's file while no other process may append to it."""

    _file: AnswerFile
    _descriptor: int
    _alone: bool

    def read_on(self) -> set[str]:
        """See `AnswerFile.read_on`."""
        return self._file._read_from(self._descriptor)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events and have them on the disk before returning.

        Raises:
            OSError: They are not, or not all, on the disk, and are taken back where possible.
        """
        size = os.fstat(self._descriptor).st_size
        lines = [json.dumps({"rater": self._file._rater, **event}) + "\n" for event in events]
        data = (self._mending(size) + "".join(lines)).encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError:
            if self._alone:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, size)
            raise
        _sync_folder(self._file.path.parent)

    def _mending(self, size: int) -> str:
        """A newline, if the last line was cut off when a process was killed."""
        if size == 0:
            return ""
        os.lseek(self._descriptor, size - 1, os.SEEK_SET)
        return "" if os.read(self._descriptor, 1) == b"\n" else "\n"


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


@dataclass(frozen=True, slots=True)
class Answered:
    """A question was answered, or its answer changed."""

    answer: Mapping[str, Any]
    """The answer's JSON; whether it fits the question is unchecked."""

    seconds: float | None
    at: str
    line: int
    """Where it stands in the file, from 1."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The answer became final."""


Event = Answered | HandedOver


def parse_event(text: bytes, line: int, rater: str) -> tuple[str, Event] | None:
    """The question's key and what happened to it; None if the line is of another rater.

    File systems that take two names for the same have two raters' lines in a file.

    Args:
        text: The line.
        line: Its number, from 1.
        rater: Whose lines are read.

    Raises:
        ValueError: The line is no event; says which field is wrong.
    """
    event = json.loads(text)
    if not isinstance(event, dict):
        raise ValueError("it is no JSON object")
    if _field(event, "rater", str) != rater:
        return None
    key = _field(event, "question", str)
    at: str = _field(event, "at", str)
    at.encode()  # half a character goes into no reply to the page
    if "handed_over" in event:
        if event["handed_over"] is not True:
            raise ValueError("handed_over is not true")
        return key, HandedOver()
    answer = _field(event, "answer", dict)
    return key, Answered(answer, _seconds(event), at, line)


def replay(events: Iterable[Event], question: Question) -> tuple[Reply | None, bool]:
    """The answer that the events of a question come to, and whether it is final.

    An answer that does not fit the question, in a file that was changed by hand, counts as none.

    Args:
        events: In the file's order.
        question: What was asked.
    """
    reply = None
    for event in events:
        if isinstance(event, Answered):
            reply = _reply(event, question, reply)
        elif reply is not None:
            return reply, True
    return reply, False


def _reply(event: Answered, question: Question, before: Reply | None) -> Reply | None:
    try:
        answer = from_json(event.answer, question)
    except AnswerError:
        return before
    place = event.line if before is None else before.place
    return Reply(answer, event.seconds, event.at, place)


def _field(event: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(event.get(name), kind):
        raise ValueError(f"{name} is missing or of another type")
    return event[name]


def _seconds(event: Mapping[str, Any]) -> float | None:
    seconds = event.get("seconds")
    if seconds is None:
        return None
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not good or not math.isfinite(seconds) or seconds < 0:
        raise ValueError("seconds is neither null nor a number from 0")
    return float(seconds)
