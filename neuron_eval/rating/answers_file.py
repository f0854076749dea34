"""Reads the answers that a rater gave on a page without a server, and saved to a file.

    [{"id": "smollm2/L8N902", "value": 4.5, "answer": "A", "explanation": "A 5, B 4",
      "metadata": {"rater": "human/carol", "question": "6e0f…", "seconds": 31.5, "at": "2026-…",
                   "answer": {"ratings": {"A": 5, "B": 4}, "best": "A", "comment": ""}}},
     {"id": "smollm2/L9N1", "epoch": 0, "value": "skipped",
      "metadata": {…, "answer": {"skipped": "I cannot read this language"}}},
     {"id": "smollm2/L9N2", "epoch": 0, "value": "not answered", "metadata": {…, "answer": null}}]

Every question of the page has a record, in the form that Inspect's scorer ``precomputed_scores``
reads too; it matches none that has the epoch 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.messages import InputError
from neuron_eval.rating.answer import Answer, AnswerError, Skipped, from_json, is_duration, shown
from neuron_eval.rating.question import Question, question_key


class AnswersError(InputError):
    """A file of answers that cannot be used; the message names file, record, field and value."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What the file says of one question."""

    number: int  # which record it is, from 1
    rater: str  # whose answer it is, as the log names the rater
    question: str  # the question's key
    answer: Mapping[str, Any] | None  # JSON, not checked against the question, if there is one
    seconds: float | None  # how long the question stood before the rater


@dataclass(frozen=True, slots=True)
class AnswersFile:
    """One rater's answers, by sample id; the name is for messages."""

    name: str
    records: Mapping[str, AnswerRecord]

    def find(
        self, id_: str, rater: str, question: Question
    ) -> tuple[Answer | Skipped | None, float | None]:
        """The rater's answer to a sample's question and the seconds that it took, or None."""
        record = self.records.get(id_)
        if record is None:
            raise AnswersError(
                f"{self.name}: no record of {id_!r}. These are answers of another questionnaire: "
                "a page saves a record for each of its neurons, answered or not"
            )
        where = f"{self.name}, record {record.number} ({id_!r})"
        if record.rater != rater:
            raise AnswersError(
                f"{where}: metadata.rater is {record.rater!r}; the log asks {rater!r}"
            )
        key = question_key(question)
        if record.question != key:
            raise AnswersError(
                f"{where}: metadata.question is {shown(record.question)}; the log's is "
                f"{shown(key)}. These are answers of another questionnaire: the page shows other "
                "excerpts, explanations, words or orders"
            )
        if record.answer is None:
            return None, None
        try:
            return from_json(record.answer, question), record.seconds
        except AnswerError as error:
            raise AnswersError(f"{where}: metadata.answer cannot be used: {error}") from error


def read_answers(path: Path) -> AnswersFile:
    """Read a file that a page saved; an `AnswersError` says what is wrong with it, and where."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise AnswersError(f"{path}: no UTF-8 text; expected the JSON that a page saved") from error
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "the file"
        raise AnswersError(
            f"{path}: {where} is no JSON; expected the file as the page saved it: {error}"
        ) from error
    if not isinstance(data, list) or not data:
        raise AnswersError(f"{path}: {shown(data)}; expected a list of records, one per neuron")
    records: dict[str, AnswerRecord] = {}
    for number, item in enumerate(data, start=1):
        where = f"{path}, record {number}"
        id_ = _text(_object(item, where), "id", where)
        if id_ in records:
            raise AnswersError(
                f"{where}: id {id_!r} stands in record {records[id_].number} too; "
                "expected one record per neuron"
            )
        records[id_] = _record(item.get("metadata"), number, f"{where} ({id_!r}), metadata")
    return AnswersFile(str(path), records)


# By hand: pydantic's errors would all need other words, which took more lines than the checks.
def _record(data: object, number: int, where: str) -> AnswerRecord:
    about = _object(data, where)
    if "answer" not in about:
        raise AnswersError(f"{where}: no field answer; expected ratings and best, skipped, or null")
    answer, seconds = about["answer"], about.get("seconds")
    if answer is not None:
        _object(answer, f"{where}.answer")
    if seconds is not None and not is_duration(seconds):
        raise AnswersError(f"{where}.seconds is {shown(seconds)}; expected seconds from 0, or null")
    rater, key = _text(about, "rater", where), _text(about, "question", where)
    return AnswerRecord(number, rater, key, answer, seconds)


def _object(data: object, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise AnswersError(f"{where} is {shown(data)}; expected a JSON object")
    return data


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        value = shown(value) if name in fields else "missing"
        raise AnswersError(f"{where}: {name} is {value}; expected a text")
    return value
