"""Where a named piece of text stands in an excerpt, in tokens.

A simulator that saw plain text names what it saw: a word, a part of one, a punctuation mark, with
or without the space before it. The rules, of which the first that finds anything decides:

1. Space around a name and around tokens is ignored. A name that is nothing but space means the
   tokens that equal it, or, if there are none, the tokens of nothing but space that contain it.
2. *Standing whole*: the name stands in the text with no letter or digit of the same word beside
   it; where it begins or ends with another character, a token begins or ends there. It covers
   every token that it touches: all the pieces of a word, or the one token that holds it and more.
3. *Pieces*: the name stands inside a word, but begins and ends where tokens do.
4. The same, now ignoring case and the shape of quotation marks.

Without a number, a name means all places where it stands whole, or, if there are none, all its
pieces. With the number n it means the nth of the places where it stands whole, and behind them of
its pieces. So counting words by eye gives the right number, and every token can be named alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SHAPES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\xa0": " "})


@dataclass(frozen=True, slots=True)
class Places:
    """Where a name stands; each place is the range of the tokens that it covers."""

    standing: tuple[range, ...]  # where it stands whole, in the order of the text
    pieces: tuple[range, ...]  # where it stands inside a word, in the order of the text

    @property
    def numbered(self) -> tuple[range, ...]:
        """All places, in the order in which they are counted from 1."""
        return self.standing + self.pieces

    @property
    def meant(self) -> tuple[range, ...]:
        """The places that the name means without a number."""
        return self.standing or self.pieces


class Finder:
    """Finds names in one excerpt of tokens, none of them empty; each name is looked for once."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._exact = _Text(tokens)
        self._shaped = _Text([_shaped(token) for token in tokens])
        self._places: dict[str, Places] = {}

    def find(self, name: str) -> Places:
        # What is longer than the text is not in it, and is not kept.
        if len(name.strip()) > len(self._exact.text):
            return Places((), ())
        if name not in self._places:
            self._places[name] = self._find(name)
        return self._places[name]

    def _find(self, name: str) -> Places:
        core = name.strip()
        if not core:
            return self._blanks(name)
        places = self._exact.find(core)
        return places if places.numbered else self._shaped.find(_shaped(core))

    def _blanks(self, name: str) -> Places:
        equal = [i for i, token in enumerate(self._tokens) if token == name]
        blank = (i for i, token in enumerate(self._tokens) if name in token and not token.strip())
        return Places(tuple(range(i, i + 1) for i in equal or blank if name), ())


class _Text:
    """An excerpt's text, and which tokens own it."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.text = "".join(tokens)
        self._owners = [i for i, token in enumerate(tokens) for _ in token]
        self._begins, self._ends = _edges(tokens)

    def find(self, core: str) -> Places:
        standing, pieces = [], []
        for begin in self._starts(core):
            end = begin + len(core)
            cover = range(self._owners[begin], self._owners[end - 1] + 1)
            before, after = self.text[begin - 1 : begin], self.text[end : end + 1]
            starts, stops = begin in self._begins, end in self._ends
            if _stands(core[0], before, starts) and _stands(core[-1], after, stops):
                standing.append(cover)
            elif starts and stops:
                pieces.append(cover)
        return Places(tuple(standing), tuple(pieces))

    def _starts(self, core: str) -> Iterator[int]:
        """Places may overlap: "a a" stands twice in "a a a"."""
        at = self.text.find(core)
        while at >= 0:
            yield at
            at = self.text.find(core, at + 1)


def _shaped(text: str) -> str:
    """A text without case and shapes of quotation marks, of the same length."""
    return "".join(c if len(c.lower()) > 1 else c.lower() for c in text.translate(_SHAPES))


def _stands(edge: str, neighbour: str, aligned: bool) -> bool:
    return not _in_word(neighbour) if _in_word(edge) else aligned


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _edges(tokens: Sequence[str]) -> tuple[set[int], set[int]]:
    begins, ends, at = set(), set(), 0
    for token in tokens:
        begins.add(at + len(token) - len(token.lstrip()))
        ends.add(at + len(token.rstrip()))
        at += len(token)
    return begins, ends
