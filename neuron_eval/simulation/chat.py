"""`chat`: the simulator answers one ``index: value`` line a token.

Tokens go out numbered and as JSON strings, so that tabs, newlines and other tokenizers cannot
shift anything. With log-probabilities of the reply the expectation over 0..10 is taken at each
value, without them the value itself. A bad reply is asked for again up to twice.

Several excerpts may share a request. Each then has a letter, which the reply repeats on a line of
its own, and numbers from 1: a token left out or doubled spoils the count of its own excerpt only,
where numbers that ran on would shift every excerpt behind it unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.formats.base import letter
from neuron_eval.prompts.wording import ChatWording
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Outcome, Simulated, UnreadableReplyError
from neuron_eval.simulation.pack_replies import Asked, Part, ask_pack
from neuron_eval.simulation.packing import Packs
from neuron_eval.simulation.reading import cut_off, read_values, readable, take_values
from neuron_eval.simulation.request import simulation_request

EXCERPTS_PER_CALL = 4
"""What a user gets who does not say: 3 requests for the 10 excerpts of an explanation."""

PROSE = 64
"""Output tokens for what a simulator may write before its answer, and between its parts."""

HEADING = 16
"""Output tokens for an excerpt's letter, and the words around it."""

BESIDES = 8
"""Output tokens of a line besides its number."""

_HEADING = re.compile(
    r"^[^\w\n\"]*+(?:(?i:tokens of )?(?i:excerpt ))?+(?P<letter>[A-Z]{1,3})[^\w\n\"]*+$",
    re.MULTILINE,
)


class ChatSimulation:
    """Simulate with a chat model."""

    name = "chat"

    def __init__(self, asker: Asker, wording: ChatWording, excerpts_per_call: int = 1) -> None:
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
            counts = [len(each) for each in tokens]
            return await ask_pack(
                self._asker,
                len(group),
                chat_prompt(explanation, tokens, self._wording, self.model),
                read=lambda output: read_reply(output, counts),
                again=lambda reason: _retry(self._wording, reason, counts),
                max_tokens=room,
                attempts=attempts,
                stop=reply_ends(counts),
            )

        return await Packs(self.name, self._asker, self._size, _room, ask).outcomes(excerpts)


def reply_room(counts: Sequence[int]) -> int:
    """The most tokens of a good reply, in any tokenizer.

    Args:
        counts: How many tokens each excerpt of the request has, shape [E].
    """
    # A digit may be a token. Some simulators repeat the token between number and value.
    lines = sum(len(str(i)) + BESIDES for count in counts for i in range(1, count + 1))
    return PROSE + HEADING * len(counts) + lines


def reply_ends(counts: Sequence[int]) -> list[str]:
    """What a reply holds only behind what was asked for.

    The first number too many is still read: it says that the simulator has lost count.

    Args:
        counts: How many tokens each excerpt of the request has, shape [E].
    """
    ends = [f"\n{max(counts) + 2}:"]
    return ends if len(counts) == 1 else [*ends, f"\n{letter(len(counts))}\n"]


def _room(excerpts: Sequence[Excerpt]) -> int:
    return reply_room([len(excerpt.record.tokens) for excerpt in excerpts])


def chat_prompt(
    explanation: str,
    excerpts: Sequence[Sequence[str]],
    wording: ChatWording,
    model: str = "",
) -> list[ChatMessage]:
    """The messages for excerpts that share a request.

    Args:
        explanation: What the neuron is said to do.
        excerpts: The tokens of E >= 1 excerpts.
        wording: The prompt's literal strings.
        model: The simulator's name, for cache marks.
    """
    headings = [wording.tokens]
    if len(excerpts) > 1:
        headings = [wording.heading.replace("{letter}", letter(i)) for i in range(len(excerpts))]
    lists = [h + _numbered(tokens) for h, tokens in zip(headings, excerpts, strict=True)]
    closing = wording.closing.replace("{ranges}", _ranges([len(tokens) for tokens in excerpts]))
    opening = wording.explanation.replace("{explanation}", explanation)
    return simulation_request(model, wording.system, opening, "\n".join(lists) + closing)


def read_reply(output: ModelOutput, counts: Sequence[int]) -> list[Part]:
    """The expected activations in a reply.

    Args:
        output: What the simulator gave back.
        counts: How many tokens each excerpt of the request has, shape [E].

    Returns:
        E parts. A part is bad unless every token has exactly one value.

    Raises:
        UnreadableReplyError: The reply is empty, or nothing but thinking.
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
            index = letters.index(name)
            parts[name] = _read_part(output, counts[index], heading.end(), end, here)
    return [
        parts.get(name, UnreadableReplyError(f"no line holds the letter {name} of that excerpt"))
        for name in letters
    ]


def _read_part(output: ModelOutput, count: int, start: int, end: int, here: str) -> Part:
    try:
        stated = read_values(output.completion, count, start, end)
        values, basis = take_values(output, stated)
    except UnreadableReplyError as error:
        # Only what stands last can have been cut.
        cut = cut_off(output) and end == len(output.completion)
        return type(error)(f"{'the reply was cut off: ' if cut else ''}{here}{error}")
    return Simulated(tuple(values), basis)


def _numbered(tokens: Sequence[str]) -> str:
    return "\n".join(
        f"{i}: {json.dumps(token, ensure_ascii=False)}" for i, token in enumerate(tokens, start=1)
    )


def _retry(wording: ChatWording, reason: str, counts: Sequence[int]) -> str:
    return wording.retry.replace("{ranges}", _ranges(counts)).replace("{reason}", reason)


def _ranges(counts: Sequence[int]) -> str:
    if len(counts) == 1:
        return f"1 to {counts[0]}"
    return ", ".join(f"{letter(i)} 1 to {count}" for i, count in enumerate(counts))
