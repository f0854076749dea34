"""Which question was asked: where messages hold it, and its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from inspect_ai.model import ChatMessage, ChatMessageUser

from neuron_eval.rating.question import KEY, Question, from_json


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
