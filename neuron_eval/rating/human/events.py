"""What a line of a rater's file says, and what all lines of a question come to.

    {"rater": "alice", "question": "6e0f…", "id": "smollm2/L8N902", "answer": {"ratings": …},
     "seconds": 31.5, "at": "2026-01-31T12:00:00.000+00:00"}
    {"rater": "alice", "question": "6e0f…", "handed_over": true, "at": …}

Of several answers to a question the last one before it was handed over counts. ``question`` is a
digest of all that the rater saw (`neuron_eval.rating.asked.question_key`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neuron_eval.rating.answer import AnswerError, from_json
from neuron_eval.rating.human.queue import Reply
from neuron_eval.rating.question import Question


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
