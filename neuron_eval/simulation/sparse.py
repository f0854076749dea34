r"""`sparse`: excerpts go out as plain text; the simulator names only the tokens that fire.

Most tokens of most excerpts are silent, so a line a token is mostly zeros that somebody pays for.
Here a reply is one line an excerpt, such as ``A: "barked":9, "the"#2:4`` or ``A: none``; what it
does not name is 0 (see `neuron_eval.simulation.sparse_reading`). Every excerpt must have its line,
or the reply is bad and asked for again up to twice. What a line names is looked for in the excerpt
(`neuron_eval.simulation.sparse_matching`). A line of which no name is there is as bad as none.
Where only some are not, they count for nothing, and the score says how many there were: small
models name them again when they are asked again (docs/study.md).

With log-probabilities of the reply a named token has the expectation over 0..10 at its value,
without them the value itself. All others are exactly 0 either way: of a token that is not named
there is no distribution to read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.formats.base import letter
from neuron_eval.prompts.wording import SparseWording
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Outcome, Simulated, UnreadableReplyError
from neuron_eval.simulation.pack_replies import Asked, Part, ask_pack
from neuron_eval.simulation.packing import Packs
from neuron_eval.simulation.reading import cut_off, readable, take_values
from neuron_eval.simulation.request import simulation_request
from neuron_eval.simulation.sparse_reading import Answer, place, read_answers

EXCERPTS_PER_CALL = 5
"""What a user gets who does not say: 2 requests for the 10 excerpts of an explanation."""

MOST_OUTPUT = 1400
"""The most output tokens of a reply: room for some 130 names with their values."""

PROSE = 64
"""Output tokens for what a simulator may write around its answer."""

HEADING = 8
"""Output tokens for an excerpt's letter, and ``none``."""

BESIDES = 8
"""Output tokens of a name's place and value, and what stands between two."""


class SparseSimulation:
    """Simulate with a chat model that names what fires."""

    name = "sparse"

    def __init__(
        self, asker: Asker, wording: SparseWording, excerpts_per_call: int = EXCERPTS_PER_CALL
    ) -> None:
        """Bind to a model.

        Args:
            asker: The simulator.
            wording: The prompt's literal strings.
            excerpts_per_call: How many excerpts may share a request, at least 1.
        """
        self.model = asker.name
        self._asker = asker
        self._wording = wording
        self._size = excerpts_per_call

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `neuron_eval.simulation.base.Simulation`."""

        async def ask(group: Sequence[Excerpt], room: int, attempts: int) -> list[Asked]:
            tokens = [excerpt.record.tokens for excerpt in group]
            return await ask_pack(
                self._asker,
                len(group),
                sparse_prompt(explanation, tokens, self._wording, self.model),
                read=lambda output: read_reply(output, tokens),
                again=lambda reason: _retry(self._wording, reason, len(group)),
                max_tokens=room,
                attempts=attempts,
                stop=[f"\n{letter(len(group))}:"],
            )

        return await Packs(self.name, self._asker, self._size, _room, ask).outcomes(excerpts)


def reply_room(excerpts: Sequence[Sequence[str]]) -> int:
    """The most tokens of a good reply, in any tokenizer.

    Room for every token of two excerpts of usual length. More excerpts, or longer ones, share it:
    of most tokens a reply says nothing, and one that names all of them is cut off and asked for in
    smaller parts.

    Args:
        excerpts: The tokens of the request's E excerpts.
    """
    # A byte may be a token.
    named = sum(
        len(json.dumps(token, ensure_ascii=False).encode(errors="replace")) + BESIDES
        for tokens in excerpts
        for token in tokens
    )
    return min(MOST_OUTPUT, PROSE + HEADING * len(excerpts) + named)


def _room(excerpts: Sequence[Excerpt]) -> int:
    return reply_room([excerpt.record.tokens for excerpt in excerpts])


def sparse_prompt(
    explanation: str,
    excerpts: Sequence[Sequence[str]],
    wording: SparseWording,
    model: str = "",
) -> list[ChatMessage]:
    """The messages for excerpts that share a request.

    Args:
        explanation: What the neuron is said to do.
        excerpts: The tokens of E >= 1 excerpts.
        wording: The prompt's literal strings.
        model: The simulator's name, for cache marks.
    """
    texts = [
        _lettered(wording.start, i) + "".join(tokens) + _lettered(wording.end, i)
        for i, tokens in enumerate(excerpts)
    ]
    closing = wording.closing.replace("{letters}", _letters(len(excerpts)))
    opening = wording.explanation.replace("{explanation}", explanation)
    return simulation_request(model, wording.system, opening, "".join(texts) + closing)


def read_reply(output: ModelOutput, excerpts: Sequence[Sequence[str]]) -> list[Part]:
    """The expected activations in a reply.

    Args:
        output: What the simulator gave back.
        excerpts: The tokens of the request's E excerpts.

    Returns:
        E parts. A part is bad without a line of its own, with one that cannot be read, and with
        one that names only what is not in its excerpt.

    Raises:
        UnreadableReplyError: The reply is empty, or nothing but thinking.
    """
    output = readable(output)
    reply = output.completion
    letters = [letter(i) for i in range(len(excerpts))]
    answers, last = read_answers(reply, letters)
    if cut_off(output) and last is not None:
        # A value may have lost its second digit, and a list its end.
        answers[last].problem = "the reply was cut off"
    return [
        _read_part(output, name, tokens, answers[name])
        for name, tokens in zip(letters, excerpts, strict=True)
    ]


def _read_part(output: ModelOutput, name: str, tokens: Sequence[str], answer: Answer) -> Part:
    if answer.problem:
        return UnreadableReplyError(f"in the line of {name}: {answer.problem}")
    if not answer.answered:
        return UnreadableReplyError(f"there is no line for {name}")
    where = f"in the line of {name}"
    try:
        values, basis = take_values(output, [item.stated for item in answer.named])
    except UnreadableReplyError as error:
        return type(error)(f"{where}: {error}")
    found = place(tokens, answer.named)
    expected = tuple(0.0 if i is None else values[i] for i in found.owners)
    if found.problems and len(found.problems) == len(answer.named):
        return UnreadableReplyError(f"{where}: {found.problems[0]}")
    return Simulated(expected, basis, len(found.problems))


def _retry(wording: SparseWording, reason: str, count: int) -> str:
    return wording.retry.replace("{letters}", _letters(count)).replace("{reason}", reason)


def _letters(count: int) -> str:
    return ", ".join(letter(i) for i in range(count))


def _lettered(text: str, index: int) -> str:
    return text.replace("{letter}", letter(index))
