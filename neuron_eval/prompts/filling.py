"""A pack's words with their marks filled in, and the messages of a prompt with examples."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str  # to the byte


def fill(text: str, **values: str) -> str:
    """A text with its marks replaced; what is filled in is not searched for marks."""
    return re.sub(r"\{(\w+)\}", lambda mark: values.get(mark[1], mark[0]), text)


def turns(examples: Iterable[tuple[str, str]]) -> list[Message]:
    """Questions and their answers, as turns of a conversation, which small models follow best."""
    return [
        message
        for question, answer in examples
        for message in (Message("user", question), Message("assistant", answer))
    ]


def conversation(system: str, examples: Iterable[tuple[str, str]], question: str) -> list[Message]:
    return [Message("system", system), *turns(examples), Message("user", question)]
