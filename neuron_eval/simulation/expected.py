r"""Expected activation, the mean of the distribution over 0..10, and where in a prompt it stands.

The one implementation for every way to simulate that has log-probabilities (Bills et al. 2023
renormalise over the candidates that are exactly "0" … "10" and take the expectation).

Where: no two servers write tokens alike. A token may come as its text; as the tokenizer's own
spelling (``Ġcat``, ``▁cat``); without its space; and one that holds only some bytes of a character
as ``�``, as nothing, as ``bytes:\xe2`` or as ``<0xE2>``. What all write as it is are the visible
ASCII characters, ``!`` to ``~``; so prompt and tokens are compared by these alone, whatever stands
between them. That runs from the end, since servers leave out the first token or add a special one,
and some generate a token behind the prompt. All of the prompt but its first characters must be
there: where one visible character differs, nothing is read.
"""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import AnyStr

from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation import BrokenReplyError

_LEVEL_TEXTS = {str(level): level for level in range(LEVELS + 1)}
_SURROUNDINGS = " \t\r\n:=▁ĠĊ"

ROUNDING = 0.01  # how far above 0 a log-probability may be: servers compute them in half precision

FIRST_TOKEN = 64
"""At most so many visible characters may be missing at the start: the first token has no
log-probability."""

_HIDDEN = re.compile(r"[^!-~]+")
_ESCAPED_BYTE = re.compile(r"\\x([0-9a-fA-F]{2})")
_RAW_BYTE = re.compile(r"<0x([0-9a-fA-F]{2})>")


def level_of(candidate: str) -> int | None:
    """The level, 0..10, that a token writes, whatever space or colon it carries; else None."""
    return _LEVEL_TEXTS.get(candidate.strip(_SURROUNDINGS))


def probability(logprob: float) -> float:
    """The probability, in [0, 1], of a natural-log probability, which must be one."""
    if math.isnan(logprob) or logprob > ROUNDING:
        raise BrokenReplyError(f"a log-probability is {logprob:g}, not a number up to 0")
    return math.exp(min(logprob, 0.0))


def level_masses(candidates: Iterable[tuple[str, float]]) -> dict[int, float]:
    """Probability mass by level, not normalised, of tokens with their natural-log probability.

    A token that a server lists twice, as the chosen one and beside its alternatives, counts once.
    """
    masses: dict[int, float] = {}
    for token, logprob in dict(candidates).items():
        level = level_of(token)
        if level is not None:
            masses[level] = masses.get(level, 0.0) + probability(logprob)
    return masses


def expectation(masses: dict[int, float]) -> float | None:
    """The mean level, in [0, 10], after renormalising; None without any mass."""
    total = math.fsum(masses.values())
    if total <= 0:
        return None
    return math.fsum(level * mass for level, mass in masses.items()) / total


def last_place(text: AnyStr, part: AnyStr) -> int | None:
    """Where a part of a text begins that may stand there several times; None if it does not.

    From behind, because `find` takes linear time and `rfind` does not.
    """
    at = text[::-1].find(part[::-1])
    return None if at < 0 else len(text) - at - len(part)


class AlignmentError(ValueError):
    """The server's tokens do not spell the prompt."""


@dataclass(frozen=True, slots=True)
class PiecePlace:
    """Where an activation begins: in which of the server's tokens, and behind what of that."""

    piece: int
    before: str  # usually nothing, or the tab


def align(segments: Sequence[str], pieces: Sequence[str]) -> list[PiecePlace]:
    """Find where in the tokens each activation begins.

    ``segments`` are the prompt, cut right before each of its N activations: N + 1 texts, of which
    all but the first begin with a visible ASCII character. ``pieces`` are its tokens as the server
    writes them; the first may be missing, and others may follow.
    """
    texts = [unescaped(piece) for piece in pieces]
    ends = list(accumulate(len(_visible(text)) for text in texts))
    spelled = _visible("".join(texts))
    # Some tokenizers compose characters first: the e of a decomposed é is then no letter e.
    for composed in (False, True):
        cut = [_visible(unicodedata.normalize("NFC", s) if composed else s) for s in segments]
        missing = min(FIRST_TOKEN, len(cut[0]))
        first = last_place(spelled, "".join(cut)[missing:])
        if first is not None:
            starts = accumulate(len(segment) for segment in cut[:-1])
            return [_place(first - missing + start, ends, texts) for start in starts]
    raise AlignmentError(
        f"the tokens that the server gives for the prompt ({len(pieces)}) do not spell it: "
        f"they end in {''.join(texts)[-40:]!r}, the prompt in {''.join(segments)[-40:]!r}"
    )


def unescaped(token: str) -> str:
    r"""A token whose bytes are written as ``bytes:\xe2`` or ``<0xE2>``, with those bytes.

    Bytes become the characters of the same number; so tabs and newlines are themselves, and parts
    of characters are something invisible.
    """
    if token.startswith("<0x") and (raw := _RAW_BYTE.fullmatch(token)):
        return chr(int(raw[1], 16))
    # Only behind "bytes:": cl100k and its relatives have a token whose text is \xff.
    if token.startswith("bytes:"):
        rest = token.removeprefix("bytes:")
        read = _ESCAPED_BYTE.sub(lambda byte: chr(int(byte[1], 16)), rest)
        return token if read == rest else read
    return token


def _visible(text: str) -> str:
    return _HIDDEN.sub("", text)


def _place(index: int, ends: Sequence[int], texts: Sequence[str]) -> PiecePlace:
    piece = bisect_right(ends, index)
    text = texts[piece]
    rank = index - (ends[piece - 1] if piece else 0)
    visible = (i for i, character in enumerate(text) if "!" <= character <= "~")
    return PiecePlace(piece, text[: next(islice(visible, rank, None))])
