"""The question in words: the messages that a rater gets, and the message that asks again."""

from __future__ import annotations

import json

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser

from neuron_eval.formats.base import bracketed
from neuron_eval.prompts.rating import RatingWording
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.rating.question import KEY, Question, ShownExcerpt


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
    excerpts = [_excerpt_in_words(i, one, wording) for i, one in enumerate(question.excerpts, start=1)]
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
