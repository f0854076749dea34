"""The question that a rater is asked of a neuron, as JSON: people and models get the same.

    {"id": "smollm2/L8N902",
     "title": "neuron 902 in layer 8 of smollm2",
     "excerpts": [{"name": "top 0", "tokens": ["The", " cat"], "levels": [0, 10],
                   "highlighted": [false, true]}],
     "options": [{"letter": "A", "explanation": "cats."}, {"letter": "B", "explanation": "pets."}],
     "scale": {"least": 1, "most": 5, "least_means": "not at all", "most_means": "exactly"},
     "instructions": "Rate each explanation."}

It is the user message's ``metadata["question"]``; the message's text says the same in words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser

from neuron_eval.formats.base import bracketed, letter
from neuron_eval.prompts.rating import RatingWording
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.records.scale import LEVELS

KEY = "question"
"""Where a user message's metadata hold the question."""


class QuestionError(ValueError):
    """A question that breaks the contract; the message names field and value."""


@dataclass(frozen=True, slots=True)
class ShownExcerpt:
    """An excerpt as a rater sees it."""

    name: str
    """Where it stands in the neuron's record, such as ``top 0``."""

    tokens: tuple[str, ...]
    """The tokens as they are, shape [T], T >= 1; markup and control characters are theirs."""

    levels: tuple[int, ...]
    """How much the neuron activates on each token, 0 to 10, shape [T]."""

    highlighted: tuple[bool, ...]
    """Which tokens activate highly, shape [T]."""


@dataclass(frozen=True, slots=True)
class Option:
    """An explanation to rate, unlabelled."""

    letter: str
    """A, B, C, … in the order in which they are shown."""

    explanation: str
    """The text as it was written."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of ratings: whole numbers."""

    least: int
    """The worst rating."""

    most: int
    """The best rating."""

    least_means: str
    """The worst rating in words."""

    most_means: str
    """The best rating in words."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a rater is asked of one neuron."""

    id: str
    """The sample's id."""

    title: str
    """The neuron in words."""

    excerpts: tuple[ShownExcerpt, ...]
    """What is shown of it, at least one."""

    options: tuple[Option, ...]
    """The explanations, shuffled, no two alike, at least one; lettered from A on."""

    scale: Scale
    """What each is rated on."""

    instructions: str
    """What the rater shall do."""

    @property
    def letters(self) -> tuple[str, ...]:
        """The options' letters."""
        return tuple(option.letter for option in self.options)

    def to_json(self) -> dict[str, Any]:
        """The question as the module's docstring shows it."""
        scale = self.scale
        return {
            "id": self.id,
            "title": self.title,
            "excerpts": [
                {
                    "name": excerpt.name,
                    "tokens": list(excerpt.tokens),
                    "levels": list(excerpt.levels),
                    "highlighted": list(excerpt.highlighted),
                }
                for excerpt in self.excerpts
            ],
            "options": [{"letter": o.letter, "explanation": o.explanation} for o in self.options],
            "scale": {
                "least": scale.least,
                "most": scale.most,
                "least_means": scale.least_means,
                "most_means": scale.most_means,
            },
            "instructions": self.instructions,
        }


def from_json(data: object) -> Question:
    """Read and check a question.

    Raises:
        QuestionError: A field is missing, of the wrong kind or out of its range.
    """
    fields = _mapping(data, "question")
    options = tuple(
        Option(_text(one, "letter", at), _text(one, "explanation", at))
        for at, one in _items(fields, "options", "question")
    )
    expected = [letter(i) for i in range(len(options))]
    if [option.letter for option in options] != expected:
        found = ", ".join(option.letter for option in options)
        raise QuestionError(f"question.options: letters {found}; expected {', '.join(expected)}")
    if len({option.explanation for option in options}) < len(options):
        raise QuestionError("question.options: an explanation stands there twice")
    return Question(
        id=_text(fields, "id", "question"),
        title=_text(fields, "title", "question"),
        excerpts=tuple(_excerpt(one, at) for at, one in _items(fields, "excerpts", "question")),
        options=options,
        scale=_scale(_mapping(_field(fields, "scale", "question"), "question.scale")),
        instructions=_text(fields, "instructions", "question"),
    )


def _excerpt(fields: Mapping[str, Any], at: str) -> ShownExcerpt:
    tokens = _list(fields, "tokens", at)
    levels, highlighted = _list(fields, "levels", at), _list(fields, "highlighted", at)
    for i, token in enumerate(tokens):
        if not isinstance(token, str):
            raise QuestionError(f"{at}.tokens[{i}] is {token!r}; expected a text")
    for name, values in (("levels", levels), ("highlighted", highlighted)):
        if len(values) != len(tokens):
            raise QuestionError(f"{at}.{name}: {len(values)} values for {len(tokens)} tokens")
    for i, level in enumerate(levels):
        if type(level) is not int or not 0 <= level <= LEVELS:
            raise QuestionError(
                f"{at}.levels[{i}] is {level!r}; expected a whole number from 0 to {LEVELS}"
            )
    for i, mark in enumerate(highlighted):
        if not isinstance(mark, bool):
            raise QuestionError(f"{at}.highlighted[{i}] is {mark!r}; expected true or false")
    return ShownExcerpt(_text(fields, "name", at), tuple(tokens), tuple(levels), tuple(highlighted))


def _scale(fields: Mapping[str, Any]) -> Scale:
    at = "question.scale"
    least, most = _field(fields, "least", at), _field(fields, "most", at)
    if type(least) is not int or type(most) is not int or not least < most:
        raise QuestionError(
            f"{at}: from {least!r} to {most!r}; expected whole numbers, the lower one first"
        )
    return Scale(least, most, _text(fields, "least_means", at), _text(fields, "most_means", at))


def _items(
    fields: Mapping[str, Any], name: str, at: str
) -> Sequence[tuple[str, Mapping[str, Any]]]:
    here = f"{at}.{name}"
    return [
        (f"{here}[{i}]", _mapping(one, f"{here}[{i}]"))
        for i, one in enumerate(_list(fields, name, at))
    ]


def _list(fields: Mapping[str, Any], name: str, at: str) -> list[Any]:
    value = _field(fields, name, at)
    if not isinstance(value, list) or not value:
        raise QuestionError(f"{at}.{name} is {value!r}; expected a list that holds something")
    return value


def _text(fields: Mapping[str, Any], name: str, at: str) -> str:
    value = _field(fields, name, at)
    if not isinstance(value, str):
        raise QuestionError(f"{at}.{name} is {value!r}; expected a text")
    return value


def _field(fields: Mapping[str, Any], name: str, at: str) -> Any:
    if name not in fields:
        raise QuestionError(f"{at}: no field {name!r}")
    return fields[name]


def _mapping(data: object, at: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise QuestionError(f"{at} is a {type(data).__name__}; expected a JSON object")
    return data


def question_in(messages: Sequence[ChatMessage]) -> Question | None:
    """The question of the last user message; None if it carries none.

    Raises:
        QuestionError: What it carries is no question.
    """
    last = next((m for m in reversed(messages) if isinstance(m, ChatMessageUser)), None)
    data = (last.metadata or {}).get(KEY) if last else None
    return None if data is None else from_json(data)


def question_key(question: Question) -> str:
    """A digest of everything that the rater sees: another order or wording is another question."""
    return digest(json.dumps(question.to_json(), sort_keys=True))


def digest(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def rating_wording(pack: Pack) -> RatingWording:
    """A pack's wording for raters.

    Raises:
        PackError: It has none.
    """
    if pack.rating is None:
        raise PackError(f"prompt pack {pack.name!r} has no section rating")
    return pack.rating


def messages(question: Question, wording: RatingWording) -> list[ChatMessage]:
    """The messages; the user's holds the question as JSON in its metadata, for people's pages."""
    return [
        ChatMessageSystem(content=wording.system),
        ChatMessageUser(content=in_words(question, wording), metadata={KEY: question.to_json()}),
    ]


def in_words(question: Question, wording: RatingWording) -> str:
    """The question as a text, see `neuron_eval.prompts.rating`."""
    excerpts = [
        _excerpt_in_words(i, one, wording) for i, one in enumerate(question.excerpts, start=1)
    ]
    options = [
        fill(wording.option, letter=one.letter, explanation=_quoted(one.explanation))
        for one in question.options
    ]
    parts = (
        f"{question.instructions}\n",
        fill(wording.title, title=question.title),
        *excerpts,
        wording.options_heading,
        *options,
        _about(wording.closing, question),
    )
    return "".join(parts)


def asks_again(question: Question, wording: RatingWording, reason: str) -> str:
    """What a language model is told whose answer could not be used.

    Args:
        question: What was asked.
        wording: The pack's.
        reason: What was wrong, in a clause.
    """
    return fill(_about(wording.retry, question), reason=reason)


def fill(text: str, **values: str) -> str:
    """A text with its marks replaced; what is filled in is not searched for marks."""
    out, place = "", 0
    while place < len(text):
        mark = next((m for m in values if text.startswith(f"{{{m}}}", place)), None)
        out += text[place] if mark is None else values[mark]
        place += 1 if mark is None else len(mark) + 2
    return out


def _excerpt_in_words(number: int, excerpt: ShownExcerpt, wording: RatingWording) -> str:
    items = [
        f"{_quoted(token)}: {level}"
        for token, level, mark in zip(
            excerpt.tokens, excerpt.levels, excerpt.highlighted, strict=True
        )
        if mark
    ]
    body = bracketed(excerpt.tokens, excerpt.highlighted)
    listed = wording.list_separator.join(items) or wording.list_empty
    heading = fill(wording.heading, number=str(number))
    shown = f"{heading}{wording.start}{body}{wording.end}"
    return f"{shown}{wording.list_heading}{listed}{wording.list_end}"


def _about(text: str, question: Question) -> str:
    scale = question.scale
    return fill(
        text,
        letters=", ".join(question.letters),
        least=str(scale.least),
        most=str(scale.most),
        least_means=scale.least_means,
        most_means=scale.most_means,
    )


def _quoted(text: str) -> str:
    # A line break or a letter of its own could otherwise pass for another explanation.
    return json.dumps(text, ensure_ascii=False)
