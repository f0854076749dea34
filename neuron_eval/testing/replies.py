"""What fake simulators read and write: the bundled pack's prompts, and replies to them.

For `neuron_eval.testing.fake_simulator`; a real simulator sees no more than the prompt either.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from inspect_ai.model import Logprob, TopLogprob

from neuron_eval.formats.base import letter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation.sparse_matching import find_places

Piece = str | float
"""A piece of a reply: text, or a value."""

_NUMBERED = re.compile(r"^(\d+): (\".*\")$")
_LETTERED = re.compile(r"^<([A-Z]+)>(.*?)</\1>$", re.MULTILINE | re.DOTALL)
_UP_TO_TOKEN = re.compile(r"\nText:\n(.*)\n\nLast token of the text: (\".*\")\n.*\Z", re.DOTALL)
_WORD = re.compile(r" ?\w+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, understood."""

    way: Literal["chat", "sparse", "per_token"]
    """Which way to simulate it belongs to."""

    explanation: str
    """What the neuron is said to do."""

    excerpts: Sequence[Sequence[str]]
    """The tokens of each excerpt; ``per_token``: those up to the one asked for."""


class PromptReader:
    """Reads prompts; it knows how some texts fall into tokens."""

    def __init__(self, excerpts: Iterable[Sequence[str]]) -> None:
        """Learn the tokens of excerpts."""
        self._known: dict[str, Sequence[str]] = {}
        self._beginnings: dict[tuple[str, str], Sequence[str]] = {}
        for tokens in excerpts:
            self._known["".join(tokens)] = tokens
            for end, token in enumerate(tokens, start=1):
                self._beginnings["".join(tokens[:end]), token] = tokens[:end]

    def read(self, system: str, user: str) -> Question:
        """Understand a prompt by its two messages."""
        pack = default_pack()
        if pack.sparse is not None and system == pack.sparse.system:
            found = [match[2] for match in _LETTERED.finditer(user)]
            tokens = [self._known.get(text) or _WORD.findall(text) for text in found]
            return Question("sparse", _explanation(user), tokens)
        if pack.per_token is not None and system == pack.per_token.system:
            return Question("per_token", _explanation(user), [self._up_to_token(user)])
        return Question("chat", *read_chat_prompts(user))

    def _up_to_token(self, user: str) -> Sequence[str]:
        shown = _UP_TO_TOKEN.search(user)
        if shown is None:
            raise ValueError(f"not a prompt of simulation=per_token: {user!r}")
        text, token = shown[1], json.loads(shown[2])
        known = self._beginnings.get((text, token))
        return known or [*_WORD.findall(text.removesuffix(token)), token]


def read_chat_prompt(text: str) -> tuple[str, list[str]]:
    """Explanation and tokens of a prompt of ``simulation=chat`` with one excerpt."""
    explanation, (tokens,) = read_chat_prompts(text)
    return explanation, tokens


def read_chat_prompts(text: str) -> tuple[str, list[list[str]]]:
    """Explanation and each excerpt's tokens of a prompt of ``simulation=chat``."""
    excerpts: list[list[str]] = []
    for line in text.split("\n"):
        if numbered := _NUMBERED.match(line):
            excerpts += [[]] if numbered[1] == "1" else []
            excerpts[-1].append(json.loads(numbered[2]))
    return _explanation(text), excerpts


def answer_lines(question: Question, values: Sequence[Sequence[float]]) -> list[list[Piece]]:
    """The lines of a good reply, in pieces.

    Args:
        question: What was asked.
        values: For each excerpt one value a token, in [0, 10].
    """
    lines: list[list[Piece]] = []
    for i, (tokens, given) in enumerate(zip(question.excerpts, values, strict=True)):
        if question.way == "per_token":
            lines.append([given[-1]])
        elif question.way == "sparse":
            lines.append(_sparse_line(letter(i), tokens, given))
        else:
            lines += [[f"{letter(i)}\n"]] if len(question.excerpts) > 1 else []
            lines += [[f"{j}: ", value, "\n"] for j, value in enumerate(given, start=1)]
    return lines


def logprob_of(piece: Piece) -> Logprob:
    """A piece of a reply as one token; a value's distribution has exactly that expectation."""
    if isinstance(piece, str):
        return Logprob(token=piece, logprob=0.0)
    low = min(LEVELS - 1, math.floor(piece))
    masses = {low: 1 - (piece - low), low + 1: piece - low}
    tops = [
        TopLogprob(token=str(level), logprob=math.log(mass))
        for level, mass in masses.items()
        if mass > 0
    ]
    return Logprob(
        token=str(round(piece)), logprob=math.log(masses[round(piece)]), top_logprobs=tops
    )


def _explanation(text: str) -> str:
    return text.partition("it responds to ")[2].partition("\n")[0]


def _sparse_line(name: str, tokens: Sequence[str], values: Sequence[float]) -> list[Piece]:
    line: list[Piece] = [f"{name}: "]
    for index, value in enumerate(values):
        if value > 0:
            line += [", "] if len(line) > 1 else []
            line += [f"{_only(tokens, index)}:", value]
    return [*line, "\n"] if len(line) > 1 else [f"{name}: none\n"]


def _only(tokens: Sequence[str], index: int) -> str:
    """What means this token and no other."""
    name = tokens[index].strip() or tokens[index]
    places = find_places(tokens, name).numbered
    number = f"#{places.index(range(index, index + 1)) + 1}" if len(places) > 1 else ""
    return json.dumps(name, ensure_ascii=False) + number
