"""What fake simulators read and write: a pack's prompts, and replies to them.

For `neuron_eval.testing.fake_simulator`; a real simulator sees no more than the prompt either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inspect_ai.model import Logprob, TopLogprob

from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation import Piece, Simulation, ways

_WORD = re.compile(r" ?\w+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SimulatorQuestion:
    """A prompt, understood."""

    way: type[Simulation]
    """The way to simulate that it belongs to."""

    explanation: str
    """What the neuron is said to do."""

    excerpts: Sequence[Sequence[str]]
    """The tokens of each excerpt; ``per_token``: those up to the one asked for."""


class PromptReader:
    """Reads prompts; it knows how some texts fall into tokens."""

    def __init__(self, excerpts: Iterable[Sequence[str]], pack: Pack | None = None) -> None:
        """Learn the tokens of excerpts.

        Args:
            excerpts: Their tokens.
            pack: What the prompts are made with; None is the bundled pack.
        """
        self._pack = pack
        self._known: dict[tuple[str, str], Sequence[str]] = {}
        for tokens in excerpts:
            self._known["".join(tokens), ""] = tokens
            for end, token in enumerate(tokens, start=1):
                self._known["".join(tokens[:end]), token] = tokens[:end]

    def read(self, system: str, user: str) -> SimulatorQuestion:
        """Understand a prompt by its two messages; what no way's system message opens is chat's."""
        wordings = (self._pack or default_pack()).simulation
        named = (
            name for name, wording in wordings.items() if getattr(wording, "system", None) == system
        )
        way = ways()[next(named, "chat")]
        return SimulatorQuestion(way, _explanation(user), way.read_prompt(user, self._tokens))

    def _tokens(self, text: str, last: str) -> Sequence[str]:
        known = self._known.get((text, last))
        return known or [*_WORD.findall(text.removesuffix(last)), *([last] if last else [])]


def read_chat_prompt(text: str) -> tuple[str, list[str]]:
    """Explanation and tokens of a prompt of ``simulation=chat`` with one excerpt."""
    explanation, (tokens,) = read_chat_prompts(text)
    return explanation, tokens


def read_chat_prompts(text: str) -> tuple[str, list[list[str]]]:
    """Explanation and each excerpt's tokens of a prompt of ``simulation=chat``."""
    found = ways()["chat"].read_prompt(text, lambda text, last: [text])
    return _explanation(text), [list(tokens) for tokens in found]


def answer_lines(
    question: SimulatorQuestion, values: Sequence[Sequence[float]]
) -> list[list[Piece]]:
    """The lines of a good reply, in pieces.

    Args:
        question: What was asked.
        values: For each excerpt one value a token, in [0, 10].
    """
    return question.way.reply(question.excerpts, values)


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
