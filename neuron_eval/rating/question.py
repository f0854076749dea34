"""The question that a rater is asked of a neuron: people and models get the same.

    {"id": "smollm2/L8N902",
     "title": "neuron 902 in layer 8 of smollm2",
     "excerpts": [{"name": "top 0", "tokens": ["The", " cat"], "levels": [0, 10],
                   "highlighted": [false, true]}],
     "options": [{"letter": "A", "explanation": "cats."}, {"letter": "B", "explanation": "pets."}],
     "scale": {"least": 1, "most": 5, "least_means": "not at all", "most_means": "exactly"},
     "instructions": "Rate each explanation."}

It is the user message's ``metadata["question"]``; the message's text says the same in words.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from inspect_ai.model import ChatMessage, ChatMessageUser
from pydantic import Field, SkipValidation, StrictBool, StrictStr, TypeAdapter, ValidationError

from neuron_eval.formats.base import letter
from neuron_eval.messages import InputError
from neuron_eval.records.activations import LEVELS

KEY = "question"  # where a user message's metadata hold the question

NotEmpty = Field(min_length=1)
Level = Annotated[int, Field(strict=True, ge=0, le=LEVELS)]


class QuestionError(InputError):
    """A question that breaks the contract; the message names field and value."""


@dataclass(frozen=True, slots=True)
class ShownExcerpt:
    """An excerpt as a rater sees it."""

    name: StrictStr  # where it stands in the neuron's record, such as ``top 0``
    # The tokens as they are (markup and control characters are theirs), how much the neuron
    # activates on each, 0 to 10, and which activate highly: each of shape [T], T >= 1.
    tokens: Annotated[tuple[StrictStr, ...], NotEmpty]
    levels: Annotated[tuple[Level, ...], NotEmpty]
    highlighted: Annotated[tuple[StrictBool, ...], NotEmpty]


@dataclass(frozen=True, slots=True)
class Option:
    """An explanation to rate, unlabelled."""

    letter: StrictStr  # A, B, C, … in the order in which they are shown
    explanation: StrictStr


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of ratings: whole numbers, with the ends in words."""

    least: SkipValidation[int]
    most: SkipValidation[int]
    least_means: StrictStr
    most_means: StrictStr


@dataclass(frozen=True, slots=True)
class Question:
    """What a rater is asked of one neuron."""

    id: StrictStr  # the sample's id
    title: StrictStr  # the neuron in words
    excerpts: Annotated[tuple[ShownExcerpt, ...], NotEmpty]  # what is shown of it, at least one
    # The explanations, shuffled, no two alike, at least one; lettered from A on.
    options: Annotated[tuple[Option, ...], NotEmpty]
    scale: Scale
    instructions: StrictStr

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(option.letter for option in self.options)

    def to_json(self) -> dict[str, Any]:
        """The question as the module's docstring shows it."""
        data: dict[str, Any] = _QUESTION.dump_python(self, mode="json")
        return data


_QUESTION = TypeAdapter(Question)

_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list that holds something",
    "too_short": "a list that holds something",
}


def from_json(data: object) -> Question:
    """Read and check a question; a `QuestionError` says which field is wrong."""
    try:
        question = _QUESTION.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise QuestionError(_problem(first["type"], first["loc"], first["input"])) from error
    for i, excerpt in enumerate(question.excerpts):
        tokens = len(excerpt.tokens)
        for name, values in (("levels", excerpt.levels), ("highlighted", excerpt.highlighted)):
            if len(values) != tokens:
                at = f"question.excerpts[{i}].{name}"
                raise QuestionError(f"{at}: {len(values)} values for {tokens} tokens")
    expected = tuple(letter(i) for i in range(len(question.options)))
    if question.letters != expected:
        raise QuestionError(
            f"question.options: letters {', '.join(question.letters)}; "
            f"expected {', '.join(expected)}"
        )
    if len({option.explanation for option in question.options}) < len(expected):
        raise QuestionError("question.options: an explanation stands there twice")
    least, most = question.scale.least, question.scale.most
    if type(least) is not int or type(most) is not int or not least < most:
        raise QuestionError(
            f"question.scale: from {least!r} to {most!r}; expected whole numbers, the lower one "
            "first"
        )
    return question


def _problem(kind: str, path: Sequence[str | int], value: object) -> str:
    """What pydantic found, in a sentence."""
    if kind == "missing":
        return f"{_place(path[:-1])}: no field {path[-1]!r}"
    if kind == "dataclass_type":
        return f"{_place(path)} is a {type(value).__name__}; expected a JSON object"
    expected = _EXPECTED.get(kind, f"a whole number from 0 to {LEVELS}")
    return f"{_place(path)} is {value!r}; expected {expected}"


def _place(path: Sequence[str | int]) -> str:
    return "question" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)


def question_in(messages: Sequence[ChatMessage]) -> Question | None:
    """The question of the last user message; None if it carries none."""
    last = next((m for m in reversed(messages) if isinstance(m, ChatMessageUser)), None)
    data = (last.metadata or {}).get(KEY) if last else None
    return None if data is None else from_json(data)


def question_key(question: Question) -> str:
    """A digest of everything that the rater sees: another order or wording is another question."""
    return digest(json.dumps(question.to_json(), sort_keys=True))


def digest(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
