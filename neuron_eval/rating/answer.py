"""A rater's answer, as JSON: ratings and the best, or that the neuron was skipped.

    {"ratings": {"A": 4, "B": 2}, "best": "A", "comment": ""}
    {"skipped": "I cannot read this language"}

It is the completion's text.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inspect_ai.model import ResponseSchema
from inspect_ai.util import JSONSchema

from neuron_eval.messages import replace_surrogates
from neuron_eval.models.replies import answer_text
from neuron_eval.rating.question import Question

MAX_TEXT = 10_000  # characters that a comment or a reason may have
READINGS = 20  # an answer's text is gone through at most so many times in search of JSON
FAILING = 1000  # what an attempt costs that fails at once, in characters

_START = re.compile(r'\{(?=\s*+")')


class AnswerError(ValueError):
    """An answer that cannot be used; the message says in a clause what is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rater thinks of a question's options."""

    ratings: Mapping[str, int]  # by letter, one for every option, on the question's scale
    best: str  # the letter of the option that describes the neuron best
    comment: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Skipped:
    """The rater did not want to, or could not, judge the neuron."""

    reason: str  # why, in the rater's words

    def to_json(self) -> dict[str, Any]:
        return {"skipped": self.reason}


def parse_answer(text: str, question: Question) -> Answer | Skipped:
    """Read an answer out of a completion.

    Other text may stand around the JSON object, as language models write it; of several objects
    the last that is an answer counts. What stands within the model's thinking counts for nothing.
    Further fields are ignored. An `AnswerError` says what is missing or wrong.
    """
    answer = answer_text(text)
    if answer is None:
        raise AnswerError("it ends within the rater's thinking")
    answers = [data for data in _objects(answer) if data.keys() & {"ratings", "best", "skipped"}]
    if not answers:
        raise AnswerError("it holds no JSON object with the fields ratings and best")
    for part in (answers[-1], answers[-1].get("ratings")):
        if isinstance(part, _Fields) and part.twice:
            raise AnswerError(f"the field {shown(part.twice[0])} stands there twice")
    return from_json(answers[-1], question)


def from_json(data: object, question: Question) -> Answer | Skipped:
    """Check an answer that is parsed already; raises as `parse_answer` does."""
    if not isinstance(data, Mapping):
        raise AnswerError(f"it is a {type(data).__name__}, not a JSON object")
    if "skipped" in data:
        reason = _text(data, "skipped")
        if not reason.strip():
            raise AnswerError("the reason for skipping is empty")
        return Skipped(reason)
    best = data.get("best")
    if not isinstance(best, str) or best not in question.letters:
        raise AnswerError(f"best is {shown(best)}, not one of {', '.join(question.letters)}")
    return Answer(_ratings(data.get("ratings"), question), best, _text(data, "comment"))


def _ratings(data: object, question: Question) -> dict[str, int]:
    letters, scale = question.letters, question.scale
    if not isinstance(data, Mapping):
        raise AnswerError(f"ratings is {shown(data)}, not an object with a rating for each letter")
    unknown = [name for name in data if name not in letters]
    if unknown:
        raise AnswerError(f"there is no explanation {shown(unknown[0])} to rate")
    missing = [name for name in letters if name not in data]
    if missing:
        raise AnswerError(f"the rating of {', '.join(missing)} is missing")
    for name, value in data.items():
        if type(value) is not int or not scale.least <= value <= scale.most:
            raise AnswerError(
                f"the rating of {name} is {shown(value)}, not a whole number from {scale.least} "
                f"to {scale.most}"
            )
    return {name: data[name] for name in letters}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if value is None and name == "comment":
        return ""
    if not isinstance(value, str):
        raise AnswerError(f"{name} is {shown(value)}, not a text")
    if len(value) > MAX_TEXT:
        raise AnswerError(f"{name} has {len(value)} characters; {MAX_TEXT} are allowed")
    # JSON spells half a character, in a comment that was cut off within an emoji for instance
    return replace_surrogates(value)


class _Fields(dict[str, Any]):
    """A JSON object; of fields that stand in it twice nobody knows which one is meant."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.twice = [name for name, count in times.items() if count > 1]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects of a text, in order, if these are found in sensible time."""
    decoder = json.JSONDecoder(object_pairs_hook=_Fields)
    left = READINGS * len(text) + 100 * FAILING
    start = _START.search(text)
    while start:
        place = start.start()
        try:
            data, end = decoder.raw_decode(text, place)
        except RecursionError:
            raise AnswerError("it is nested too deeply") from None
        except ValueError as error:  # no JSON, or a number of more digits than Python reads
            left -= FAILING + getattr(error, "pos", len(text)) - place
            if left < 0:
                raise AnswerError("it holds too many unfinished JSON objects") from None
            end = place + 1
        else:
            yield data
        start = _START.search(text, end)


def is_duration(seconds: object) -> bool:
    """Whether it is a finite number of seconds from 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return 0 <= seconds < float("inf")


def shown(value: object) -> str:
    """A value in a message, short; what a rater sent may be of any length."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def answer_schema(question: Question) -> ResponseSchema:
    """The form of an answer to a question, in the subset of JSON Schema that providers share.

    It has no comment: small models that have to write one do not come to an end.
    """
    scale = question.scale
    # Not minimum and maximum: Inspect leaves them out of a strict schema, as OpenAI refuses them.
    rating = JSONSchema(type="integer", enum=list(range(scale.least, scale.most + 1)))
    fields = {
        "ratings": _strict_object(dict.fromkeys(question.letters, rating)),
        "best": JSONSchema(type="string", enum=list(question.letters)),
    }
    return ResponseSchema(name="rating", json_schema=_strict_object(fields), strict=True)


def _strict_object(properties: dict[str, JSONSchema]) -> JSONSchema:
    return JSONSchema(
        type="object", properties=properties, required=list(properties), additionalProperties=False
    )
