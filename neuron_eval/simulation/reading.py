"""Reading what a simulator wrote: numbers, and the expectation where it wrote them.

Shared by every way that reads replies. All of it takes time linear in the reply's length, whatever
the reply: a pattern's repeated parts are possessive, so that nothing is gone through twice.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from inspect_ai.model import Logprob, ModelOutput

from neuron_eval.models.replies import refusal, without_thinking
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation import Basis, UnreadableReplyError
from neuron_eval.simulation.expected import expectation, last_place, level_masses, level_of

_LINE = re.compile(
    r"^[ \t]*+(?P<index>\d++)(?=\ *+[\t:=])[ \t]*+[:=]?+[ \t]*+"
    r"(?:\"(?:\\.|[^\"\\\n])*+\"[ \t]*+[:=]?+[ \t]*+)?+"  # some simulators repeat the token
    r"(?P<value>[^\s]*+)[ \t]*+\r?$",
    re.MULTILINE,
)
_VALUE = re.compile(r"\d++(?:\.\d++)?+")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "`": "`"}
_CUT_OFF = ("max_tokens", "model_length")

SHOWN = 60  # so many characters of what a reply says stand in a message
DIGITS = 9  # a whole number of more digits counts nothing that a reply is about


def quoted(text: str) -> str:
    """A piece of a reply in a message: in quotes, and short, whatever its length."""
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")


def unquoted(text: str) -> str:
    """A piece of a reply without quotes around the whole, and without space around it."""
    text = text.strip()
    inner, end = text[1:-1], _QUOTES.get(text[:1])
    around = inner and text[-1] == end and end not in inner and text[0] not in inner
    return inner.strip() if around else text


def words_of(text: str) -> list[str]:
    """Its words, by which texts are the same but for case and punctuation."""
    return re.findall(r"\w++", text.casefold())


def whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= DIGITS else None


def readable(output: ModelOutput) -> ModelOutput:
    """A reply with text to read: its answer, without any thinking before it."""
    if (refused := refusal(output)) is not None:
        raise UnreadableReplyError(f"the simulator refused: {refused}")
    if output.empty or not output.completion.strip():
        raise UnreadableReplyError(f"the reply is empty (stop reason: {output.stop_reason})")
    answer = without_thinking(output)
    if answer is None or not answer.completion.strip():
        raise UnreadableReplyError(
            f"the reply is nothing but thinking (stop reason: {output.stop_reason})"
        )
    return answer


def cut_off(output: ModelOutput) -> bool:
    return output.stop_reason in _CUT_OFF


@dataclass(frozen=True, slots=True)
class StatedValue:
    """An activation, in [0, 10], that a reply states."""

    value: float
    start: int | None  # the character at which it is written; None if it is only implied


def stated_value(start: int, text: str) -> StatedValue | None:
    """A value written at a character of the reply; None if it is no number from 0 to 10."""
    if not _VALUE.fullmatch(text) or float(text) > LEVELS:
        return None
    return StatedValue(float(text), start)


def read_values(
    reply: str, count: int, start: int = 0, end: int | None = None
) -> list[StatedValue]:
    """The values of ``count`` tokens, numbered from 1; lines without a number are passed over."""
    stated: list[StatedValue] = []
    for line in _LINE.finditer(reply, start, len(reply) if end is None else end):
        index, text = whole_number(line["index"]), line["value"]
        wanted = len(stated) + 1
        if index != wanted or wanted > count:
            digits = f"an index of {len(line['index'])} digits"
            written = digits if index is None else f"index {index}"
            expected = f"index {wanted}" if wanted <= count else f"no line after index {count}"
            raise UnreadableReplyError(f"found {written} where {expected} should be")
        value = stated_value(line.start("value"), text)
        if value is None:
            raise UnreadableReplyError(
                f"the value at index {index} is {quoted(text)}, not a number from 0 to {LEVELS}"
            )
        stated.append(value)
    if len(stated) < count:
        raise UnreadableReplyError(
            f"index {len(stated) + 1} is missing: {len(stated)} of {count} tokens have a value"
            f"{'' if stated else ', no line states one'}"
        )
    return stated


def take_values(output: ModelOutput, stated: Sequence[StatedValue]) -> tuple[list[float], Basis]:
    """For each stated value, in [0, 10], its expectation, or without these the value itself."""
    logprobs = output.choices[0].logprobs
    implied = stated and all(item.start is None for item in stated)
    if logprobs is not None and not implied:
        expected = expected_values(output.completion, stated, logprobs.content)
        if expected is not None:
            return expected, "log-probabilities"
    return [item.value for item in stated], "values"


def expected_values(
    reply: str, stated: Sequence[StatedValue], logprobs: Sequence[Logprob]
) -> list[float] | None:
    """The expectation over 0..10 at each stated value; of a fraction the value itself.

    A tokenizer may write 10 as "1" and "0". So the mass of "1", where "1" was written, is shared
    between 1 and 10 by what the next position gives to "0". None if the tokens do not spell the
    reply, or a value has no distribution.
    """
    places = token_places(reply, [item.start or 0 for item in stated], logprobs)
    if places is None:
        return None
    values = [_value_at(item, at, logprobs) for item, at in zip(stated, places, strict=True)]
    read = [value for value in values if value is not None]
    return read if len(read) == len(values) else None


def token_places(
    reply: str, starts: Sequence[int], logprobs: Sequence[Logprob]
) -> list[int] | None:
    """In which token each of some characters of a reply is; None if the tokens do not spell it."""
    pieces = [_bytes(token) for token in logprobs]
    # A model that thinks aloud may have drafted the same reply before.
    offset = last_place(b"".join(pieces), _encoded(reply))
    if offset is None:
        return None
    ends = list(accumulate(map(len, pieces)))
    before = None if reply.isascii() else [0, *accumulate(len(_encoded(c)) for c in reply)]
    return [bisect_right(ends, offset + (before[at] if before else at)) for at in starts]


def expected_first(logprobs: Sequence[Logprob]) -> float | None:
    """The expectation over 0..10 of a reply that is nothing but a value.

    A first token that is only space is passed over. None if the reply begins with something other
    than a level: what little mass levels have then says nothing.
    """
    at = 1 if len(logprobs) > 1 and not logprobs[0].token.strip(" \t\r\n▁ĠĊ") else 0
    written = level_of(logprobs[at].token)
    return None if written is None else _expected_at(at, written, logprobs)


def _value_at(item: StatedValue, at: int, logprobs: Sequence[Logprob]) -> float | None:
    written = level_of(logprobs[at].token)
    if item.start is None or written is None or not item.value.is_integer():
        # Only implied; or a fraction, or a token that holds more than the number: the little mass
        # that levels have among its alternatives says nothing.
        return item.value
    return _expected_at(at, written, logprobs)


def _expected_at(at: int, written: int, logprobs: Sequence[Logprob]) -> float | None:
    masses = level_masses(candidates(logprobs[at]))
    if written == 1 and at + 1 < len(logprobs):
        following = candidates(logprobs[at + 1])
        zeros = level_masses((token, p) for token, p in following if token[:1] == "0")
        ten = masses[1] * min(1.0, zeros.get(0, 0.0))
        masses[LEVELS] = masses.get(LEVELS, 0.0) + ten
        masses[1] -= ten
    return expectation(masses)


def candidates(token: Logprob) -> list[tuple[str, float]]:
    """The token and its alternatives, each with its natural-log probability; some occur twice."""
    listed = [(c.token, c.logprob) for c in token.top_logprobs or []]
    return [*listed, (token.token, token.logprob)]


def _bytes(token: Logprob) -> bytes:
    try:
        return _encoded(token.token) if token.bytes is None else bytes(token.bytes)
    except ValueError:  # a number that is no byte
        return _encoded(token.token)


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
