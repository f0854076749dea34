"""A pack's words with their marks filled in, and examples as turns of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Inspect takes a second, which who needs no messages does not wait for
    from inspect_ai.model import ChatMessage


def fill(text: str, **values: str) -> str:
    """A text with its marks replaced; what is filled in is not searched for marks."""
    return re.sub(r"\{(\w+)\}", lambda mark: values.get(mark[1], mark[0]), text)


def turns(examples: Iterable[tuple[str, str]]) -> list[ChatMessage]:
    """Questions and their answers, as turns of a conversation, which small models follow best."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser

    return [
        message
        for question, answer in examples
        for message in (ChatMessageUser(content=question), ChatMessageAssistant(content=answer))
    ]


def conversation(
    system: str, examples: Iterable[tuple[str, str]], question: str
) -> list[ChatMessage]:
    """The messages of a prompt with examples."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser

    opening, closing = ChatMessageSystem(content=system), ChatMessageUser(content=question)
    return [opening, *turns(examples), closing]
