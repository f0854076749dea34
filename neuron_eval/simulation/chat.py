"""`chat`: any chat model writes one value a token; the reply is read line by line.

With log-probabilities of the reply the expectation over 0..10 is taken at each value's position,
without them the value itself. A bad reply is asked for again up to twice.

Several excerpts may share a request. Each then has a letter, which the reply repeats on a line of
its own, and numbers from 1: a token left out or doubled spoils its own excerpt only.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.formats.base import letter
from neuron_eval.models.requests import simulation_request
from neuron_eval.prompts.filling import fill
from neuron_eval.simulation import Piece, Simulated, Tokenize, Tokens, UnreadableReplyError, way
from neuron_eval.simulation.packing import PackedSimulation, PackQuestion, Part
from neuron_eval.simulation.reading import cut_off, read_values, readable, take_values

EXCERPTS_PER_CALL = 4  # unless the user says: 3 requests for the 10 excerpts of an explanation

PROSE = 64  # output tokens for what a simulator may write before its answer, and between its parts
HEADING = 16  # output tokens for an excerpt's letter, and the words around it
BESIDES = 8  # output tokens of a line besides its number

_HEADING = re.compile(
    r"^[^\w\n\"]*+(?:(?i:tokens of )?(?i:excerpt ))?+(?P<letter>[A-Z]{1,3})[^\w\n\"]*+$",
    re.MULTILINE,
)
_NUMBERED = re.compile(r"^(\d+): (\".*\")$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ChatWording:
    """The literal strings of the simulator's prompt for ``simulation=chat``."""

    must_hold: ClassVar[Mapping[str, str]] = {"explanation": "{explanation}", "heading": "{letter}"}

    system: str  # the system message; it holds for one excerpt and for several in one request
    explanation: str  # opens the user message; holds ``{explanation}``
    tokens: str
    """Stands before the numbered tokens, one JSON string a line, of a request's only excerpt."""

    heading: str  # stands there where a request holds several excerpts; holds ``{letter}``
    closing: str
    """Closes the user message; may hold ``{ranges}``, such as ``1 to 64`` or ``A 1 to 64, …``."""

    retry: str  # asks again; may hold ``{reason}`` and ``{ranges}``


@way("chat")
class ChatSimulation(PackedSimulation):
    """A chat model writes a number beside every token."""

    wording = ChatWording
    excerpts_per_call = EXCERPTS_PER_CALL

    @classmethod
    def question(
        cls, explanation: str, excerpts: Tokens, wording: ChatWording, model: str
    ) -> PackQuestion[Simulated]:
        counts = [len(tokens) for tokens in excerpts]
        return PackQuestion(
            len(counts),
            chat_prompt(explanation, excerpts, wording, model),
            read=lambda output: read_reply(output, counts),
            again=lambda reason: fill(wording.retry, ranges=_ranges(counts), reason=reason),
            stop=reply_ends(counts),
        )

    @classmethod
    def room(cls, excerpts: Tokens) -> int:
        # A digit may be a token. Some simulators repeat the token between number and value.
        lines = (len(str(i)) + BESIDES for tokens in excerpts for i in range(1, len(tokens) + 1))
        return PROSE + HEADING * len(excerpts) + sum(lines)

    @classmethod
    def read_prompt(cls, user: str, tokenize: Tokenize) -> Tokens:
        excerpts: list[list[str]] = []
        for number, token in _NUMBERED.findall(user):
            excerpts += [[]] if number == "1" else []
            excerpts[-1].append(json.loads(token))
        return excerpts

    @classmethod
    def reply(cls, excerpts: Tokens, values: Sequence[Sequence[float]]) -> list[list[Piece]]:
        lines: list[list[Piece]] = []
        for i, given in enumerate(values):
            lines += [[f"{letter(i)}\n"]] if len(excerpts) > 1 else []
            lines += [[f"{j}: ", value, "\n"] for j, value in enumerate(given, start=1)]
        return lines


def reply_ends(counts: Sequence[int]) -> list[str]:
    """What a reply holds only behind what was asked for, from how many tokens excerpts have.

    The first number too many is still read: it says that the simulator has lost count.
    """
    ends = [f"\n{max(counts) + 2}:"]
    return ends if len(counts) == 1 else [*ends, f"\n{letter(len(counts))}\n"]


def chat_prompt(
    explanation: str, excerpts: Tokens, wording: ChatWording, model: str = ""
) -> list[ChatMessage]:
    """The messages for E >= 1 excerpts; ``model`` is the simulator's name, for cache marks."""
    lists = []
    for number, tokens in enumerate(excerpts):
        heading = fill(wording.heading, letter=letter(number))
        lines = (f"{i}: {json.dumps(t, ensure_ascii=False)}" for i, t in enumerate(tokens, start=1))
        lists.append((heading if len(excerpts) > 1 else wording.tokens) + "\n".join(lines))
    closing = fill(wording.closing, ranges=_ranges([len(tokens) for tokens in excerpts]))
    opening = fill(wording.explanation, explanation=explanation)
    return simulation_request(model, wording.system, opening, "\n".join(lists) + closing)


def read_reply(output: ModelOutput, counts: Sequence[int]) -> list[Part]:
    """The expected activations in a reply about E excerpts of so many tokens: E parts.

    A part is bad unless every token has exactly one value.
    """
    output = readable(output)
    reply = output.completion
    if len(counts) == 1:
        return [_read_part(output, counts[0], 0, len(reply), "")]
    letters = [letter(i) for i in range(len(counts))]
    headings = [h for h in _HEADING.finditer(reply) if h["letter"] in letters]
    ends = [*(h.start() for h in headings), len(reply)][1:]
    parts: dict[str, Part] = {}
    for heading, end in zip(headings, ends, strict=True):
        name = heading["letter"]
        here = f"in excerpt {name}, "
        if name in parts:
            parts[name] = UnreadableReplyError(f"{here}the letter is there twice")
        else:
            count = counts[letters.index(name)]
            parts[name] = _read_part(output, count, heading.end(), end, here)
    missing = "no line holds the letter {} of that excerpt"
    return [parts.get(name, UnreadableReplyError(missing.format(name))) for name in letters]


def _read_part(output: ModelOutput, count: int, start: int, end: int, here: str) -> Part:
    try:
        stated = read_values(output.completion, count, start, end)
        values, basis = take_values(output, stated)
    except UnreadableReplyError as error:
        # Only what stands last can have been cut.
        cut = cut_off(output) and end == len(output.completion)
        return type(error)(f"{'the reply was cut off: ' if cut else ''}{here}{error}")
    return Simulated(tuple(values), basis)


def _ranges(counts: Sequence[int]) -> str:
    if len(counts) == 1:
        return f"1 to {counts[0]}"
    return ", ".join(f"{letter(i)} 1 to {count}" for i, count in enumerate(counts))
