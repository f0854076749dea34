"""Texts cut into windows of text tokens; no model is needed here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from neuron_eval.records.tokens import Offsets, text_tokens

Tokenise = Callable[[str], tuple[Sequence[int], Offsets]]
"""A text to its model tokens and their offsets."""


@dataclass(frozen=True, slots=True)
class Window:
    """One excerpt to be: consecutive text tokens of one text."""

    index: int
    """Its place among all windows, from 0, in the order of the texts."""

    tokens: tuple[str, ...]
    """The text tokens, shape [L]; slices of the text, so that they join back to it."""

    ids: tuple[int, ...]
    """The model tokens, shape [P], P >= L."""

    starts: tuple[int, ...]
    """Where in `ids` each text token starts, shape [L], ascending from 0."""


@dataclass(slots=True)
class Tally:
    """What became of the texts so far."""

    texts: int = 0
    """Texts begun."""

    windows: int = 0
    """Windows handed out."""

    repeated: int = 0
    """Windows skipped because the same text had been handed out before."""

    leftover: int = 0
    """Text tokens at the ends of texts, too few for a window."""


def cut(
    text: str, ids: Sequence[int], offsets: Offsets, length: int
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]]:
    """Cut one tokenised text into consecutive windows of ``length`` text tokens.

    Yields:
        Tokens, ids and starts as in `Window`. A rest of fewer than ``length`` tokens comes last
        and is shorter than the others.
    """
    starts, ends = text_tokens(len(text), offsets)
    lefts, stops = [0, *ends[:-1]], [*starts[1:], len(ids)]
    for first in range(0, len(starts), length):
        last = min(first + length, len(starts))
        tokens = tuple(text[lefts[i] : ends[i]] for i in range(first, last))
        base = starts[first]
        pieces = tuple(start - base for start in starts[first:last])
        yield tokens, tuple(ids[base : stops[last - 1]]), pieces


def windows(
    texts: Iterable[str],
    tokenise: Tokenise,
    length: int,
    max_tokens: int | None = None,
    tally: Tally | None = None,
) -> Iterator[Window]:
    """Cut texts into distinct windows.

    A window whose text was seen before is skipped: the same text in two splits would be fitted
    and scored. Sixteen bytes are remembered of every window.

    Args:
        texts: The texts, in order; no window spans two of them.
        tokenise: The subject model's tokenizer, without special tokens.
        length: Text tokens a window, at least 1.
        max_tokens: Stop before more text tokens than this are handed out; None for all.
        tally: Counted up on the way.
    """
    tally = Tally() if tally is None else tally
    seen: set[bytes] = set()
    for text in texts:
        tally.texts += 1
        ids, offsets = tokenise(text)
        for tokens, pieces, starts in cut(text, ids, offsets, length):
            if len(tokens) < length:
                tally.leftover += len(tokens)
                continue
            digest = hashlib.blake2b("".join(tokens).encode(), digest_size=16).digest()
            if digest in seen:
                tally.repeated += 1
                continue
            if max_tokens is not None and (tally.windows + 1) * length > max_tokens:
                return
            seen.add(digest)
            yield Window(tally.windows, tokens, pieces, starts)
            tally.windows += 1
