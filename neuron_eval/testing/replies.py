"""A fake simulator: it reads a pack's prompts, and sees no more than a real one does."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelOutput,
    StopReason,
    TopLogprob,
)

from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation import Piece, Simulation, ways
from neuron_eval.testing.models import Fake, fake, faults_in_turn

Predict = Callable[[str, Sequence[str]], Sequence[float]]

_WORD = re.compile(r" ?\w+|.", re.DOTALL)


class SimulatorQuestion(NamedTuple):
    """A prompt, understood."""

    way: type[Simulation]  # the way to simulate that it belongs to
    explanation: str  # what the neuron is said to do

    excerpts: Sequence[Sequence[str]]
    """The tokens of each excerpt; ``per_token``: those up to the one asked for."""


class PromptReader:
    """Reads prompts; it knows how some texts fall into tokens."""

    def __init__(self, excerpts: Iterable[Sequence[str]], pack: Pack | None = None) -> None:
        """Learn the tokens of excerpts; a pack of None is the bundled one."""
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
    explanation, (tokens,) = read_chat_prompts(text)
    return explanation, tokens


def read_chat_prompts(text: str) -> tuple[str, list[list[str]]]:
    excerpts = ways()["chat"].read_prompt(text, lambda text, last: [text])
    return _explanation(text), [list(tokens) for tokens in excerpts]


def logprob_of(piece: Piece) -> Logprob:
    """A piece of a reply as one token; a value's distribution has exactly that expectation."""
    if isinstance(piece, str):
        return Logprob(token=piece, logprob=0.0)
    low = min(LEVELS - 1, math.floor(piece))
    masses = {low: 1 - (piece - low), low + 1: piece - low}
    logs = {level: math.log(mass) for level, mass in masses.items() if mass > 0}
    tops = [TopLogprob(token=str(level), logprob=value) for level, value in logs.items()]
    best = round(piece)
    return Logprob(token=str(best), logprob=logs[best], top_logprobs=tops)


def _explanation(text: str) -> str:
    return text.partition("it responds to ")[2].partition("\n")[0]


def fake_simulator(
    predict: Predict,
    *,
    logprobs: bool = True,
    faults: Iterable[str] = (),
    excerpts: Iterable[Sequence[str]] = (),
    pack: Pack | None = None,
    name: str = "simulator",
) -> Fake:
    """A simulator that answers every well-asked question with what ``predict`` says.

    It knows the prompts of all ways to simulate whose replies are text, with one or several
    excerpts.

    Args:
        predict: From the explanation and the excerpt's tokens (``per_token``: those up to the
            one asked for) to one value in [0, 10] a token.
        logprobs: Whether the answers come with log-probabilities whose expectation is exactly
            the value; without them values are rounded, as a chat model would.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``truncated``,
            ``missing`` (a token left out; for ``sparse`` an excerpt), ``empty``,
            ``rate-limit``; then all goes well.
        excerpts: Tokens of the excerpts that plain text is taken apart as; other text is taken
            apart into words with the space before them, and single other characters.
        pack: What the prompts are made with; None is the bundled pack.
        name: The model's name.
    """
    next_fault = faults_in_turn(faults)
    reader = PromptReader(excerpts, pack)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        if messages[0].role == "user":  # asks for no simulation, such as what the model can do
            return reply([4.0], config)
        user = next(m.text for m in messages if m.role == "user")
        question = reader.read(messages[0].text, user)
        values = [list(predict(question.explanation, tokens)) for tokens in question.excerpts]
        fault = next_fault()
        lines = question.way.reply(question.excerpts, values)
        if fault in ("truncated", "missing"):
            middle = len(lines) // 2
            del lines[middle : len(lines) if fault == "truncated" else middle + 1]
        words: dict[str, list[Piece]] = {"garbage": ["I would rather not."], "empty": []}
        pieces = words.get(fault, [piece for line in lines for piece in line])
        return reply(pieces, config, "max_tokens" if fault == "truncated" else "stop")

    def reply(
        pieces: Sequence[Piece], config: GenerateConfig, stop: StopReason = "stop"
    ) -> ModelOutput:
        text = "".join(p if isinstance(p, str) else str(round(p)) for p in pieces).strip("\n")
        output = ModelOutput.from_content(f"neuron-fake/{name}", text, stop_reason=stop)
        if logprobs and config.logprobs and text:
            output.choices[0].logprobs = Logprobs(content=[logprob_of(piece) for piece in pieces])
        return output

    return fake(name, respond)
