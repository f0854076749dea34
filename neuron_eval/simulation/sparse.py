r"""`sparse`: excerpts go out as plain text; the simulator names only the tokens that fire.

Most tokens of most excerpts are silent, so a line per token is mostly zeros that somebody pays for.
Here a reply is one line per excerpt, such as ``A: "barked":9, "the"#2:4`` or ``A: none``; what it
does not name is 0. Every excerpt must have its line, or the reply is bad and asked for again up to
twice. A name that is not in the excerpt counts for nothing, and the score says how many there were:
small models name it again when they are asked again (docs/study.md).

With log-probabilities of the reply a named token has the expectation over 0..10 at its value,
without them the value itself; of a token that is not named there is no distribution to read.
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
from neuron_eval.simulation.reading import cut_off, readable, take_values
from neuron_eval.simulation.sparse_matching import Finder
from neuron_eval.simulation.sparse_reading import SparseAnswer, place, read_answers

EXCERPTS_PER_CALL = 5  # unless the user says: 2 requests for the 10 excerpts of an explanation
USUAL_OUTPUT = 700  # the most output tokens of a reply where excerpts have up to 64 tokens
MOST_OUTPUT = 1400  # of a reply about longer ones: room for some 130 names with their values
NAMED = 10  # output tokens of a name with its value
LOOP = 12  # names in a row that stand for no further token, and so end a line that was cut off
PROSE = 64  # output tokens for what a simulator may write around its answer
HEADING = 8  # output tokens for an excerpt's letter, and ``none``
BESIDES = 8  # output tokens of a name's place and value, and what stands between two

_LETTERED = re.compile(r"^<([A-Z]+)>(.*?)</\1>$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class SparseWording:
    """The literal strings of the simulator's prompt for ``simulation=sparse``."""

    must_hold: ClassVar[Mapping[str, str]] = {"explanation": "{explanation}", "start": "{letter}"}

    system: str  # the system message, with the form of the answer
    explanation: str  # opens the user message; holds ``{explanation}``
    start: str  # stands right before an excerpt's text; holds ``{letter}``
    end: str  # stands right after an excerpt's text; may hold ``{letter}``
    closing: str  # closes the user message; may hold ``{letters}``, such as ``A, B, C``
    retry: str  # asks again; may hold ``{reason}`` and ``{letters}``


@way("sparse")
class SparseSimulation(PackedSimulation):
    """A chat model names the tokens that fire, each with a number."""

    wording = SparseWording
    excerpts_per_call = EXCERPTS_PER_CALL

    @classmethod
    def question(
        cls, explanation: str, excerpts: Tokens, wording: SparseWording, model: str
    ) -> PackQuestion[Simulated]:
        return PackQuestion(
            len(excerpts),
            sparse_prompt(explanation, excerpts, wording, model),
            read=lambda output: read_reply(output, excerpts),
            again=lambda reason: fill(wording.retry, letters=_letters(excerpts), reason=reason),
            stop=[f"\n{letter(len(excerpts))}:"],
        )

    @classmethod
    def room(cls, excerpts: Tokens) -> int:
        """The most tokens of a good reply: room for every token of the longest excerpt.

        All excerpts share it: of most tokens a reply says nothing, and one that names all of them
        is cut off and asked for in smaller parts. With more room a small model
        goes round in circles for longer: of 95 whole replies about five excerpts of 64 tokens (by
        the model of docs/study.md) the longest had 670.
        """
        # A byte may be a token.
        named = sum(
            len(json.dumps(token, ensure_ascii=False).encode(errors="replace")) + BESIDES
            for tokens in excerpts
            for token in tokens
        )
        longest = NAMED * max(map(len, excerpts))
        most = min(MOST_OUTPUT, max(USUAL_OUTPUT, longest))
        return min(most, PROSE + HEADING * len(excerpts) + named)

    @classmethod
    def read_prompt(cls, user: str, tokenize: Tokenize) -> Tokens:
        return [tokenize(shown[2], "") for shown in _LETTERED.finditer(user)]

    @classmethod
    def reply(cls, excerpts: Tokens, values: Sequence[Sequence[float]]) -> list[list[Piece]]:
        lines: list[list[Piece]] = []
        for i, (tokens, given) in enumerate(zip(excerpts, values, strict=True)):
            finder = Finder(tokens)
            line: list[Piece] = [f"{letter(i)}: "]
            for index, value in enumerate(given):
                if value > 0:
                    line += [", "] if len(line) > 1 else []
                    line += [f"{_name(tokens, index, finder)}:", value]
            lines.append([*line, "\n"] if len(line) > 1 else [f"{letter(i)}: none\n"])
        return lines


def sparse_prompt(
    explanation: str, excerpts: Tokens, wording: SparseWording, model: str = ""
) -> list[ChatMessage]:
    """The messages for E >= 1 excerpts; ``model`` is the simulator's name, for cache marks."""
    texts = []
    for i, tokens in enumerate(excerpts):
        start, end = (fill(text, letter=letter(i)) for text in (wording.start, wording.end))
        texts.append(start + "".join(tokens) + end)
    closing = fill(wording.closing, letters=_letters(excerpts))
    opening = fill(wording.explanation, explanation=explanation)
    return simulation_request(model, wording.system, opening, "".join(texts) + closing)


def read_reply(output: ModelOutput, excerpts: Tokens) -> list[Part]:
    """The expected activations in a reply about E excerpts: E parts.

    A part is bad without a line of its own, and with one that cannot be read.
    """
    output = readable(output)
    letters = [letter(i) for i in range(len(excerpts))]
    answers, last = read_answers(output.completion, letters)
    if cut_off(output) and last is not None:
        _close(answers[last], excerpts[letters.index(last)])
    return [
        _read_part(output, name, tokens, answers[name])
        for name, tokens in zip(letters, excerpts, strict=True)
    ]


def _close(answer: SparseAnswer, tokens: Sequence[str]) -> None:
    """End the line in which a reply was cut off, where it only went round in circles.

    Small models repeat a name until they are stopped. Asked again, they do so again.
    """
    before = answer.named[:-LOOP]
    if before and place(tokens, before)[0].keys() == place(tokens, answer.named)[0].keys():
        answer.named, answer.problem = before, ""
    else:
        # A value may have lost its second digit, and a list its end.
        answer.problem = "the reply was cut off"


def _read_part(output: ModelOutput, name: str, tokens: Sequence[str], answer: SparseAnswer) -> Part:
    where = f"in the line of {name}"
    if answer.problem:
        return UnreadableReplyError(f"{where}: {answer.problem}")
    if not answer.answered:
        return UnreadableReplyError(f"there is no line for {name}")
    try:
        values, basis = take_values(output, [item.stated for item in answer.named])
    except UnreadableReplyError as error:
        return type(error)(f"{where}: {error}")
    owners, unplaced = place(tokens, answer.named)
    expected = tuple(values[owners[i]] if i in owners else 0.0 for i in range(len(tokens)))
    return Simulated(expected, basis, unplaced)


def _name(tokens: Sequence[str], index: int, finder: Finder) -> str:
    """What means this token and no other."""
    places = finder.find(tokens[index]).numbered
    number = f"#{places.index(range(index, index + 1)) + 1}" if len(places) > 1 else ""
    return json.dumps(tokens[index], ensure_ascii=False) + number


def _letters(excerpts: Tokens) -> str:
    return ", ".join(letter(i) for i in range(len(excerpts)))
