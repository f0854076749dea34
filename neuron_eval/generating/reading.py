"""Reading the texts that a writer wrote; in time linear in the reply's length."""

from __future__ import annotations

import re
from collections.abc import Collection

from inspect_ai.model import ModelOutput

from neuron_eval.messages import replace_surrogates
from neuron_eval.models.replies import declines
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.reading import cut_off, readable

WORDS = 64
"""The longest text in words; what goes on behind them is cut off."""

CHARACTERS = 600
"""Likewise in characters, for scripts without spaces."""

_NUMBER = re.compile(r"[ \t]*+(?:\*\*)?+[(\[]?+\d{1,3}+[.):\]](?:\*\*)?+(?:[ \t]++|$)")
_BULLET = re.compile(r"[ \t]*+[-*•–](?:[ \t]++|$)")
_WORD = re.compile(r"\S++")
_SPOKEN = re.compile(r"\w++")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "`": "`"}


def read_texts(output: ModelOutput, wanted: int, known: Collection[str] = ()) -> list[str]:
    """The texts in a reply, at most as many as are wanted.

    Each stands on a line with a number, or a bullet; lines without are no texts, unless no line has
    any and there are exactly as many lines as texts. A line that was cut off with the reply is
    passed over, and so is a text that stands there before, or is among those ``known``.

    Raises:
        UnreadableReplyError: There is no text, or the first is a refusal.
    """
    output = readable(output)
    lines = replace_surrogates(output.completion).splitlines(keepends=True)
    if cut_off(output) and lines[-1] == lines[-1].rstrip("\r\n"):
        lines.pop()
    passed = {_folded(text) for text in known}
    texts = []
    for text in map(_bare, _listed(lines, wanted)):
        if text and (folded := _folded(text)) not in passed:
            passed.add(folded)
            texts.append(text)
    if not texts:
        raise UnreadableReplyError("it holds no numbered line with a new text")
    if declines(texts[0]):
        raise UnreadableReplyError("it is a refusal")
    return texts[:wanted]


def repeats(text: str, explanation: str) -> bool:
    """Whether a text is the explanation but for case and punctuation."""
    return _spoken(text) == _spoken(explanation)


def _listed(lines: list[str], wanted: int) -> list[str]:
    """The lines that are texts, without numbers and bullets."""
    for mark in (_NUMBER, _BULLET):
        marked = [line[match.end() :] for line in lines if (match := mark.match(line))]
        if marked:
            return marked
    filled = [line for line in lines if line.strip()]
    plain = len(filled) == wanted and not filled[0].rstrip().endswith(":")
    return filled if plain else []


def _bare(line: str) -> str:
    """A text without quotes around it, and not too long."""
    text = _CONTROL.sub("", line).strip()
    inner = text[1:-1]
    closing = _QUOTES.get(text[:1])
    if inner and text[-1] == closing and closing not in inner and text[0] not in inner:
        text = inner.strip()
    text = text[:CHARACTERS]
    for number, word in enumerate(_WORD.finditer(text), start=1):
        if number == WORDS:
            text = text[: word.end()]
            break
    return text.rstrip()


def _folded(text: str) -> str:
    return " ".join(text.split())


def _spoken(text: str) -> list[str]:
    return _SPOKEN.findall(text.casefold())
