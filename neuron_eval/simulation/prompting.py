"""What prompts of several ways share: few-shot neurons, and messages that caches of prompts know.

What is the same for every request stands first (the system message), then what is the same for
all of a neuron's (the explanation), then the excerpts. Most providers find the longest prefix
that they know by themselves. Anthropic's and OpenAI's newest models take marks of where it ends;
there a mark stands after the first part and one after the second, so that no excerpt is paid for
as a cache entry that nobody reads again. Where the model behind such a name knows no marks, or
the prefix is shorter than what it caches, Inspect and the provider pass over them. All other
providers get plain text: some servers put line breaks between the parts of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    ContentText,
)

MARKING = ("anthropic/", "openai/")  # how the names of models begin whose providers take marks


def simulation_request(model: str, system: str, explanation: str, rest: str) -> list[ChatMessage]:
    """The messages of one request to ``model``, the simulator with its provider.

    ``system`` is the same for every request, ``explanation``, which is not blank, for every request
    about one; ``rest`` are the excerpts, and what closes the prompt.
    """
    if not model.startswith(MARKING):
        return [ChatMessageSystem(content=system), ChatMessageUser(content=explanation + rest)]
    return [
        ChatMessageSystem(content=[ContentText(text=system, cache_breakpoint=True)]),
        ChatMessageUser(
            content=[ContentText(text=explanation, cache_breakpoint=True), ContentText(text=rest)]
        ),
    ]


@dataclass(frozen=True, slots=True)
class LineWording:
    """How an excerpt is shown with its activations: ``start``, a line per token, ``end``.

    A line is the token, ``separator``, the activation, ``line_end``.
    """

    start: str
    separator: str
    line_end: str
    end: str


def excerpt_lines(tokens: Sequence[str], activations: Sequence[str], wording: LineWording) -> str:
    """An excerpt of T tokens with what stands for each one's activation, shape [T]."""
    lines = (
        token + wording.separator + activation + wording.line_end
        for token, activation in zip(tokens, activations, strict=True)
    )
    return wording.start + "".join(lines) + wording.end


def numbered(text: str, number: int, explanation: str) -> str:
    """A text of a pack with its ``{number}``, the neuron's place from 1, and ``{explanation}``."""
    # the explanation last, since nothing is replaced within it
    return text.replace("{number}", str(number)).replace("{explanation}", explanation)
