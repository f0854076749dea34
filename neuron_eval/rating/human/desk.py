"""Where one rater's questions and answers meet: what is in memory, the file, and several threads.

A question is *open*, then *answered* (saved, and still changeable), then *handed over* (what the
eval has got, and final).

The eval asks in its own thread, the page's server answers in others. What is in memory has a lock
that nobody keeps for long; the file has another, which is kept while the disk works.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Lock, RLock
from time import monotonic, sleep
from typing import Any

from neuron_eval.rating.answer import from_json
from neuron_eval.rating.human.page import own_order
from neuron_eval.rating.human.store import AnswerFile, Reply, replay
from neuron_eval.rating.question import Question, question_key

LOOK_SECONDS = 1.0  # how often the file is looked at for what another process has written


class DeskError(ValueError):
    """What a page asked for does not go with what the rater was asked; says why."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How far a rater has come with the questions that are known so far."""

    # Keys in the rater's order; of no question that everybody who waited for it has left.
    open: list[str]
    # What can be changed, by key, in the order of the first answers.
    answered: dict[str, tuple[Question, Reply]]
    handed_over: int
    # Median seconds an answer, times the open questions; None before the first answer.
    seconds_left: float | None


class Desk:
    """One rater's place; every method may be called from any thread."""

    def __init__(self, rater: str, folder: Path) -> None:
        self.rater = rater
        self._questions: dict[str, Question] = {}
        self._shown: dict[str, float] = {}
        self._replies: dict[str, Reply] = {}
        self._final: set[str] = set()
        self._waiting: Counter[str] = Counter()
        self._memory = RLock()
        self._file = AnswerFile(folder, rater)
        self.path = self._file.path
        self._disk = Lock()  # never asked for by who has the other
        self._looked = 0.0

    @contextmanager
    def waiting(self, key: str) -> Iterator[None]:
        """Wait for the answer to a question, even before it is asked.

        After the last one who waits the question is not shown again, unless it was answered: that
        answer can still be changed and handed over, and counts when the question is asked again.
        """
        with self._memory:
            self._waiting[key] += 1
        try:
            yield
        finally:
            with self._memory:
                self._waiting[key] -= 1

    def ask(self, question: Question) -> str:
        """Put a question, unless it is answered; its key. OSError: the file cannot be read."""
        key = question_key(question)
        with self._disk:
            news = self._file.read_on()
            with self._memory:
                self._questions.setdefault(key, question)
                self._take_over({key, *news})
        return key

    def handed_over(self, key: str) -> Reply | None:
        """The final answer as far as it is known; None until there is one."""
        with self._memory:
            return self._replies[key] if key in self._final else None

    def is_due(self) -> bool:
        """Whether it is time to `look` again; then it is not for whoever else asks."""
        now = monotonic()
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
            self._looked = monotonic()
        except OSError:
            pass  # who asks or answers is told
        finally:
            self._disk.release()

    def show(self, key: str) -> tuple[Question, Reply | None]:
        """A question for the page that is not final, with the answer it has; reads the disk."""
        self.look()
        with self._memory:
            question, reply = self._changeable(key), self._replies.get(key)
            if reply is None:
                self._shown[key] = monotonic()
            return question, reply

    def answer(self, key: str, data: object, replaces: str | None) -> str:
        """Save an answer's JSON, new or changed; when this returns its time, it is on the disk.

        What it ``replaces`` is the time of the answer that the rater changes; None for a new one.
        An `AnswerError` says that it does not fit the question, an OSError that it is not saved.
        """
        with self._memory:
            question = self._changeable(key)
        answer = from_json(data, question)
        at = ""

        def decide() -> list[dict[str, Any]]:
            nonlocal at
            self._changeable(key)
            before = self._replies.get(key)
            if before and before.at != replaces and before.answer == answer:
                at = before.at  # a page that asks once more, since it got no reply
                return []
            if replaces != (before.at if before else None):
                raise DeskError(
                    "another answer was saved meanwhile, in another tab or run; it is shown now"
                )
            seconds = before.seconds if before else None
            if not before and key in self._shown:
                seconds = round(monotonic() - self._shown[key], 1)
            while (at := _now()) == replaces:  # by its time an answer is told from the one before
                sleep(0.001)
            what = {"question": key, "id": question.id, "answer": answer.to_json()}
            return [{**what, "seconds": seconds, "at": at}]

        self._write(decide)
        return at

    def hand_over(self, listed: Mapping[str, str]) -> int:
        """Make answers final, on the disk first, all or none; returns how many became it.

        They are listed with their times, by their questions' keys, as the rater has seen them.
        """
        keys: list[str] = []

        def decide() -> list[dict[str, Any]]:
            for key, at in listed.items():
                if key not in self._replies or self._replies[key].at != at:
                    raise DeskError("an answer was changed meanwhile; see what is saved now")
            keys.extend(key for key in listed if key not in self._final)
            now = _now()
            return [{"question": key, "handed_over": True, "at": now} for key in keys]

        with self._memory:
            for key in listed:
                self._question(key)
        if listed:
            self._write(decide)
        return len(keys)

    def overview(self) -> Overview:
        """How far the rater is; reads the disk."""
        self.look()
        with self._memory:
            replies, final = self._replies, self._final
            known = {
                key: question
                for key, question in self._questions.items()
                if key in replies or self._waiting.get(key, 1) > 0  # or has not begun to wait
            }
            open_ = [key for key in own_order(self.rater, known) if key not in replies]
            keys = [key for key in replies if key not in final]
            keys.sort(key=lambda key: replies[key].place)
            times = [r.seconds for r in replies.values() if r.seconds is not None]
            left = median(times) * len(open_) if times else None
            answered = {key: (self._questions[key], replies[key]) for key in keys}
            return Overview(open_, answered, len(final), left)

    def _question(self, key: str) -> Question:
        if key not in self._questions:
            raise DeskError("this question was not asked of you")
        return self._questions[key]

    def _changeable(self, key: str) -> Question:
        """The question, if its answer may still be given or changed."""
        question = self._question(key)
        if key in self._final:
            raise DeskError("this answer was handed over already and is final")
        return question

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
        """Have the memory say what the file says of some questions; the disk's lock is kept."""
        with self._memory:
            for key in (self._questions.keys() & set(keys)) - self._final:
                reply, final = replay(self._file.events(key), self._questions[key])
                if reply is not None:
                    self._replies[key] = reply
                if final:
                    self._final.add(key)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
