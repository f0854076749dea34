"""Where one rater's questions and answers meet: the queue, the file, and several threads.

The eval asks in its own thread, the page's server answers in others. What is in memory has a lock
that nobody keeps for long; the file has another, which is kept while the disk works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from neuron_eval.rating.answer import from_json
from neuron_eval.rating.human.queue import Progress, Queue, Reply
from neuron_eval.rating.human.store import AnswerFile, replay
from neuron_eval.rating.question import Question, question_key

LOOK_SECONDS = 1.0
"""How often the file is looked at for what another process has written."""


class Desk:
    """One rater's place; every method may be called from any thread."""

    def __init__(self, rater: str, folder: Path) -> None:
        """Prepare the desk, with answers kept in a folder; nothing is read or written yet."""
        self.rater = rater
        self._queue = Queue(rater)
        self._memory = RLock()
        self._file = AnswerFile(folder, rater)
        self._disk = Lock()  # never asked for by who has the other
        self._looked = 0.0

    @property
    def path(self) -> Path:
        """The file of answers."""
        return self._file.path

    @contextmanager
    def waiting(self, key: str) -> Iterator[None]:
        """Wait for the answer to a question: it is shown only while somebody does."""
        with self._memory:
            self._queue.wait(key)
        try:
            yield
        finally:
            with self._memory:
                self._queue.leave(key)

    def ask(self, question: Question) -> str:
        """Put a question, unless this rater has answered it; reads the disk.

        Returns:
            The question's key.

        Raises:
            OSError: The file of answers cannot be read.
        """
        key = question_key(question)
        with self._disk:
            news = self._file.read_on()
            with self._memory:
                self._queue.ask(key, question)
                self._take_over({key, *news})
        return key

    def handed_over(self, key: str) -> Reply | None:
        """The final answer as far as it is known; None until there is one."""
        with self._memory:
            return self._queue.handed_over(key)

    def is_due(self) -> bool:
        """Whether it is time to `look` again; then it is not for whoever else asks."""
        now = time.monotonic()
        with self._memory:
            due = now - self._looked >= LOOK_SECONDS
            if due:
                self._looked = now
            return due

    def look(self) -> None:
        """Take over what another process has written, unless the disk is at work; reads it."""
        if not self._disk.acquire(blocking=False):
            return
        try:
            self._take_over(self._file.read_on(wait=False))
            self._looked = time.monotonic()
        except OSError:
            pass  # who asks or answers is told
        finally:
            self._disk.release()

    def show(self, key: str) -> tuple[Question, Reply | None]:
        """A question for the page, with the answer it has; reads the disk.

        Raises:
            QueueError: It is no question of this rater, or its answer is final.
        """
        self.look()
        with self._memory:
            question = self._queue.changeable(key)
            self._queue.show(key, time.monotonic())
            return question, self._queue.replies.get(key)

    def answer(self, key: str, data: object, replaces: str | None) -> str:
        """Save an answer, new or changed; when this returns it is on the disk.

        Args:
            key: The question.
            data: The answer as JSON.
            replaces: The time of the answer that the rater changes; None for a new one.

        Returns:
            The answer's time.

        Raises:
            QueueError: It is no question of this rater, its answer is final, or there is another
                answer than the one that was to be changed.
            AnswerError: The answer does not fit the question.
            OSError: It could not be saved.
        """
        with self._memory:
            question = self._queue.changeable(key)
        answer = from_json(data, question)
        at = _now()

        def decide() -> list[dict[str, Any]]:
            nonlocal at
            self._queue.changeable(key)
            before = self._queue.replies.get(key)
            if before and before.at != replaces and before.answer == answer:
                at = before.at  # a page that asks once more, since it got no reply
                return []
            self._queue.check_replaces(key, replaces)
            seconds = self._queue.seconds(key, time.monotonic())
            what = {"question": key, "id": question.id, "answer": answer.to_json()}
            return [{**what, "seconds": seconds, "at": at}]

        self._write(decide)
        return at

    def hand_over(self, listed: Mapping[str, str]) -> int:
        """Make answers final, on the disk first; returns how many became it.

        Args:
            listed: The time of each answer by its question's key, as the rater has seen it.

        Raises:
            QueueError: One of them was changed meanwhile, or is none of this rater's; nothing is
                handed over.
            OSError: It could not be saved; nothing is handed over.
        """
        keys: list[str] = []

        def decide() -> list[dict[str, Any]]:
            keys.extend(self._queue.to_hand_over(listed))
            at = _now()
            return [{"question": key, "handed_over": True, "at": at} for key in keys]

        with self._memory:
            for key in listed:
                self._queue.question(key)
        if listed:
            self._write(decide)
        return len(keys)

    def overview(self) -> tuple[Progress, Sequence[str], Mapping[str, tuple[Question, Reply]]]:
        """Progress, the open questions' keys in their order, and what can be changed.

        Reads the disk.
        """
        self.look()
        with self._memory:
            queue = self._queue
            keys = queue.answered_keys()
            answered = {key: (queue.question(key), queue.replies[key]) for key in keys}
            return queue.progress(), queue.open_keys(), answered

    def _write(self, decide: Callable[[], list[dict[str, Any]]]) -> None:
        """Append what is decided by all that the file says, and take it over from there."""
        with self._disk, self._file.appending() as file:
            self._take_over(file.read_on())
            with self._memory:
                events = decide()
            if events:
                file.append(events)
                self._take_over(file.read_on())

    def _take_over(self, keys: Iterable[str]) -> None:
        """Have the queue say what the file says of some questions; the disk's lock is kept."""
        with self._memory:
            for key in filter(self._queue.may_change, keys):
                reply, final = replay(self._file.events(key), self._queue.question(key))
                if reply is not None:
                    self._queue.answer(key, reply)
                if final:
                    self._queue.hand_over(key)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
