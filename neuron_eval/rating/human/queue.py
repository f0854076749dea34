"""What one rater was asked and has answered: pure state, without files, locks or a clock.

A question is *open*, then *answered* (saved, and still changeable), then *handed over* (what the
eval has got, and final).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from neuron_eval.rating.answer import Answer, Skipped
from neuron_eval.rating.build import AGAIN
from neuron_eval.rating.question import Question, digest


class QueueError(ValueError):
    """What a page asked for does not go with what the rater was asked; says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A rater's answer to one question."""

    answer: Answer | Skipped
    seconds: float | None
    """From when the question was shown to when it was first answered; None where not known."""

    at: str
    """When it was answered, ISO 8601; another answer has another time."""

    place: int = 0
    """Sorts answers by when each question was first answered."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rater has come with the questions that are known so far."""

    open: int
    answered: int
    handed_over: int
    seconds_left: float | None
    """Median seconds an answer, times the open questions; None before the first answer."""


class Queue:
    """One rater's questions, by key; the rater's name is part of the order they are shown in."""

    def __init__(self, rater: str) -> None:
        """Start without questions."""
        self.rater = rater
        self.replies: dict[str, Reply] = {}
        self._questions: dict[str, Question] = {}
        self._shown: dict[str, float] = {}
        self._handed_over: set[str] = set()
        self._waiting: Counter[str] = Counter()

    def ask(self, key: str, question: Question) -> None:
        """Add a question; one that is known already is not asked again."""
        self._questions.setdefault(key, question)

    def wait(self, key: str) -> None:
        """Note that somebody waits for the answer, even before the question is asked."""
        self._waiting[key] += 1

    def leave(self, key: str) -> None:
        """Note that one of those who wait does so no longer.

        After the last one the question is not shown again, unless it was answered: that answer
        can still be changed and handed over, and counts when the question is asked again.
        """
        self._waiting[key] -= 1

    def question(self, key: str) -> Question:
        """A question by its key; a `QueueError` if this rater was never asked it."""
        if key not in self._questions:
            raise QueueError("this question was not asked of you")
        return self._questions[key]

    def changeable(self, key: str) -> Question:
        """The question, if its answer may still be given or changed; else a `QueueError`."""
        question = self.question(key)
        if key in self._handed_over:
            raise QueueError("this answer was handed over already and is final")
        return question

    def may_change(self, key: str) -> bool:
        """Whether the question was asked and its answer is not final."""
        return key in self._questions and key not in self._handed_over

    def show(self, key: str, now: float) -> None:
        """Note that the question stands before the rater from now on, if it is open."""
        if key not in self.replies:
            self._shown[key] = now

    def seconds(self, key: str, now: float) -> float | None:
        """How long the answer took: as noted with the first one, else since it was shown."""
        if key in self.replies:
            return self.replies[key].seconds
        return round(now - self._shown[key], 1) if key in self._shown else None

    def answer(self, key: str, reply: Reply) -> None:
        """Answer a question, or change the answer; a `QueueError` if that cannot be."""
        self.changeable(key)
        self.replies[key] = reply

    def check_replaces(self, key: str, replaces: str | None) -> None:
        """Refuse an answer that was given without knowledge of the one there is.

        Args:
            key: The question.
            replaces: The time of the answer that it is to replace; None for none.

        Raises:
            QueueError: There is another answer.
        """
        reply = self.replies.get(key)
        if replaces != (reply.at if reply else None):
            raise QueueError(
                "another answer was saved meanwhile, in another tab or run; it is shown now"
            )

    def hand_over(self, key: str) -> None:
        """Make an answer final; a `QueueError` if there is none."""
        if key not in self.replies:
            raise QueueError("this question has no answer yet")
        self._handed_over.add(key)

    def to_hand_over(self, listed: Mapping[str, str]) -> list[str]:
        """Which of the answers that a rater has seen are not final yet.

        Args:
            listed: Each answer's time by the question's key.

        Raises:
            QueueError: One of them was changed meanwhile, or never given.
        """
        for key, at in listed.items():
            reply = self.replies.get(key)
            if reply is None or reply.at != at:
                raise QueueError("an answer was changed meanwhile; see what is saved now")
        return [key for key in listed if key not in self._handed_over]

    def handed_over(self, key: str) -> Reply | None:
        """The answer that the eval may have; None until it is handed over."""
        return self.replies[key] if key in self._handed_over else None

    def open_keys(self) -> list[str]:
        """Questions without an answer, in an order of the rater's own.

        One that everybody who waited for it has left is none of them.
        """
        known = {key: question for key, question in self._questions.items() if self._counts(key)}
        return [key for key in own_order(self.rater, known) if key not in self.replies]

    def answered_keys(self) -> list[str]:
        """Questions whose answers can be changed, in the order of their first answers."""
        keys = [key for key in self.replies if key not in self._handed_over]
        return sorted(keys, key=lambda key: self.replies[key].place)

    def progress(self) -> Progress:
        open_ = sum(self._counts(key) and key not in self.replies for key in self._questions)
        answered = len(self.replies) - len(self._handed_over)
        times = [r.seconds for r in self.replies.values() if r.seconds is not None]
        left = median(times) * open_ if times else None
        return Progress(open_, answered, len(self._handed_over), left)

    def _counts(self, key: str) -> bool:
        """Whether a question is answered or somebody waits, or has not begun to wait."""
        return key in self.replies or self._waiting.get(key, 1) > 0


def own_order(rater: str, questions: Mapping[str, Question]) -> list[str]:
    """The questions' keys in an order of the rater's own, drawn by rater and sample id.

    A neuron that is shown twice comes the second time half of these questions (rounded down)
    after the first: a rater who remembers an answer of a moment ago would agree with it.

    Args:
        rater: The rater's name.
        questions: By key, all that are known.
    """
    drawn = sorted(questions, key=lambda key: (digest(f"{rater}/{questions[key].id}"), key))
    again = _pairs(drawn, questions)
    half = len(drawn) // 2
    once = [key for key in drawn if key not in again and key not in again.values()]
    early = {*again, *once[: half - len(again)]}
    first_half = [key for key in drawn if key in early]
    late = iter(once[half - len(again) :])
    # a second time stands in its half where the first stands in the other
    second_half = [again[key] if key in again else next(late) for key in first_half]
    return [*first_half, *second_half, *late]


def _pairs(keys: list[str], questions: Mapping[str, Question]) -> dict[str, str]:
    """The key of the second time by that of the first, where both are known."""
    seconds = [key for key in keys if questions[key].id.endswith(AGAIN)]
    firsts = {questions[key].id: key for key in keys if key not in seconds}
    bases = {key: questions[key].id.removesuffix(AGAIN) for key in seconds}
    return {firsts[base]: key for key, base in bases.items() if base in firsts}
