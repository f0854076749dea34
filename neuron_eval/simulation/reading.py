"""Reading a chat simulator's reply: one ``index: value`` line a token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inspect_ai.model import Logprob

from neuron_eval.expected import expectation, level_masses
from neuron_eval.formats.base import LEVELS

_LINE = re.compile(
    r"^[ \t]*(?P<index>\d+)[ \t]*[:=\t][ \t]*"
    r"(?:\"(?:\\.|[^\"\\\n])*\"[ \t]*[:=\t]?[ \t]*)?"  # some simulators repeat the token
    r"(?P<value>[^\s]*)[ \t]*\r?$",
    re.MULTILINE,
)
_VALUE = re.compile(r"\d+(?:\.\d+)?")


class UnreadableReplyError(ValueError):
    """A reply that does not give every token exactly one value; the message says how."""


@dataclass(frozen=True, slots=True)
class StatedValue:
    """One value that the reply states, and where."""

    value: float
    """The activation, in [0, 10]."""

    start: int
    """Offset of its first byte in the UTF-8 reply."""

    end: int
    """Offset behind its last byte."""


def read_values(reply: str, count: int) -> list[StatedValue]:
    """The values of ``count`` tokens, numbered from 1; lines without a number are passed over.

    Raises:
        UnreadableReplyError: An index is missing, extra or out of order, or a value is not a
            number from 0 to 10.
    """
    stated: list[StatedValue] = []
    for line in _LINE.finditer(reply):
        index, text = int(line["index"]), line["value"]
        wanted = len(stated) + 1
        if index != wanted or wanted > count:
            expected = f"index {wanted}" if wanted <= count else f"no line after index {count}"
            raise UnreadableReplyError(f"found index {index} where {expected} should be")
        if not _VALUE.fullmatch(text) or float(text) > LEVELS:
            raise UnreadableReplyError(
                f"the value at index {index} is {text!r}, not a number from 0 to {LEVELS}"
            )
        start = len(reply[: line.start("value")].encode())
        stated.append(StatedValue(float(text), start, start + len(text)))
    if len(stated) < count:
        raise UnreadableReplyError(
            f"index {len(stated) + 1} is missing: {len(stated)} of {count} tokens have a value"
        )
    return stated


def expected_values(
    reply: str, stated: Sequence[StatedValue], logprobs: Sequence[Logprob]
) -> list[float] | None:
    """The expectation over 0..10 at each stated value.

    A tokenizer may write 10 as "1" and "0". So the mass of "1", where "1" was written, is shared
    between 1 and 10 by what the next position gives to "0".

    Args:
        reply: The reply's text.
        stated: Its values, shape [T].
        logprobs: The reply's tokens with their alternatives.

    Returns:
        Shape [T]; None if the tokens do not spell the reply, or a value has no distribution.
    """
    pieces = [_bytes(token) for token in logprobs]
    offset = b"".join(pieces).find(reply.encode())
    if offset < 0:
        return None
    starts, position = {}, 0
    for i, piece in enumerate(pieces):
        for byte in range(position, position + len(piece)):
            starts[byte] = i
        position += len(piece)
    values = []
    for item in stated:
        at = starts.get(item.start + offset)
        value = None if at is None else _value_at(item, at, logprobs)
        if value is None:
            return None
        values.append(value)
    return values


def _value_at(item: StatedValue, at: int, logprobs: Sequence[Logprob]) -> float | None:
    if item.value != int(item.value):
        return item.value
    masses = level_masses(_candidates(logprobs[at]))
    if int(item.value) in (1, LEVELS) and at + 1 < len(logprobs) and 1 in masses:
        zero = sum(
            mass
            for level, mass in level_masses(
                (token, p) for token, p in _candidates(logprobs[at + 1]) if token[:1] == "0"
            ).items()
            if level == 0
        )
        ten = masses[1] * min(1.0, zero)
        masses[LEVELS] = masses.get(LEVELS, 0.0) + ten
        masses[1] -= ten
    return expectation(masses)


def _candidates(token: Logprob) -> list[tuple[str, float]]:
    listed = [(c.token, c.logprob) for c in token.top_logprobs or []]
    return [*listed, (token.token, token.logprob)]


def _bytes(token: Logprob) -> bytes:
    return bytes(token.bytes) if token.bytes is not None else token.token.encode()
