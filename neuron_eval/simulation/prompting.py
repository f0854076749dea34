"""What prompts of several ways share: few-shot neurons, and messages that caches of prompts know.

What is the same for every request stands first (the system message), then what is the same for all
of a neuron's (the explanation), then the excerpts. Most providers find the longest prefix that they
know by themselves. Anthropic's and OpenAI's newest models take marks of where it ends: one after
the first part and one after the second, so that no excerpt is paid for as a cache entry that nobody
reads again. Where they know no marks after all, these are passed over. All other providers get
plain text: some servers put line breaks between the parts of a message.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser, ContentText

from neuron_eval.prompts.wording import FewShotNeuron
from neuron_eval.records.activations import highest, normalise

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


def few_shot_excerpts(
    neuron: FewShotNeuron, wording: LineWording, unknown: str | None = None
) -> str:
    """A few-shot neuron's excerpts with their activations on the scale from 0 to 10.

    With ``unknown``, that stands for those that the pack hides; else all are shown.
    """
    maximum, text = highest(neuron.excerpts), ""
    for excerpt, revealed in zip(neuron.excerpts, neuron.revealed_from, strict=True):
        levels = [str(level) for level in normalise(excerpt.activations, maximum)]
        if unknown is not None:
            if revealed is None:
                continue
            levels[:revealed] = [unknown] * revealed
        pairs = zip(excerpt.tokens, levels, strict=True)
        lines = (token + wording.separator + level + wording.line_end for token, level in pairs)
        text += wording.start + "".join(lines) + wording.end
    return text


def numbered(text: str, number: int, explanation: str) -> str:
    """A text of a pack with its ``{number}``, the neuron's place from 1, and ``{explanation}``."""
    # the explanation last, since nothing is replaced within it
    return text.replace("{number}", str(number)).replace("{explanation}", explanation)
