"""Where one rater's questions and answers meet: the queue, the file, and two threads.

The eval asks in its own thread, the page's server answers in another; a lock keeps them apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from neuron_eval.human.queue import Progress, Queue, Reply
from neuron_eval.human.store import AnswerFile
from neuron_eval.rating.answer import AnswerError, from_json
from neuron_eval.rating.asked import question_key
from neuron_eval.rating.question import Question


class Desk:
    """One rater's place; every method may be called from any thread."""

    def __init__(self, rater: str, folder: Path) -> None:
        """Prepare the desk; nothing is read or written yet.

        Args:
            rater: Who sits here.
            folder: Where the answers are kept.
        """
        self.rater = rater
        self._queue = Queue(rater)
        self._file = AnswerFile(folder, rater)
        self._lock = Lock()

    @property
    def path(self) -> Path:
        """The file of answers."""
        return self._file.path

    def ask(self, question: Question) -> str:
        """Put a question, unless this rater has answered it, in this run or an earlier one.

        Returns:
            The question's key.

        Raises:
            OSError: The file of answers cannot be read.
        """
        key = question_key(question)
        with self._lock:
            if not self._queue.knows(key):
                self._recall(key, question)
        return key

    def handed_over(self, key: str) -> Reply | None:
        """The final answer; None until there is one."""
        with self._lock:
            return self._queue.handed_over(key)

    def show(self, key: str) -> tuple[Question, Reply | None]:
        """A question for the page, with the answer it has.

        Raises:
            QueueError: It is no question of this rater, or its answer is final.
        """
        with self._lock:
            question = self._queue.changeable(key)
            self._queue.show(key, time.monotonic())
            return question, self._queue.reply(key)

    def answer(self, key: str, data: object) -> None:
        """Save an answer, new or changed; when this returns it is on the disk.

        Args:
            key: The question.
            data: The answer as JSON.

        Raises:
            QueueError: It is no question of this rater, or its answer is final.
            AnswerError: The answer does not fit the question.
            OSError: It could not be saved.
        """
        with self._lock:
            question = self._queue.changeable(key)
            answer = from_json(data, question)
            reply = Reply(answer, self._queue.seconds(key, time.monotonic()), _now())
            event = {
                "question": key,
                "id": question.id,
                "answer": answer.to_json(),
                "seconds": reply.seconds,
                "at": reply.at,
            }
            self._file.append([event])
            self._queue.answer(key, reply)

    def hand_over(self) -> int:
        """Make every answer final, on the disk first; returns how many became it.

        Raises:
            OSError: It could not be saved; nothing is handed over.
        """
        with self._lock:
            keys = self._queue.answered_keys()
            if keys:
                at = _now()
                self._file.append([{"question": k, "handed_over": True, "at": at} for k in keys])
            for key in keys:
                self._queue.hand_over(key)
            return len(keys)

    def overview(self) -> tuple[Progress, Sequence[str], Mapping[str, tuple[Question, Reply]]]:
        """Progress, the open questions' keys in their order, and what can be changed."""
        with self._lock:
            queue = self._queue
            answered: dict[str, tuple[Question, Reply]] = {}
            for key in queue.answered_keys():
                reply = queue.reply(key)
                assert reply is not None
                answered[key] = (queue.question(key), reply)
            return queue.progress(), queue.open_keys(), answered

    def _recall(self, key: str, question: Question) -> None:
        """Ask a question, with the answer that the file has."""
        saved = self._file.find(key)
        self._queue.ask(key, question)
        if saved is None:
            return
        try:
            answer = from_json(saved.answer, question)
        except AnswerError:
            return  # the file was changed by hand
        self._queue.answer(key, Reply(answer, saved.seconds, saved.at))
        if saved.handed_over:
            self._queue.hand_over(key)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
