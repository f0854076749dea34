"""Tokens as tokenizers store them, made text again.

Tokenizers write spaces and bytes in two ways, and files of other projects hold both:

- byte-level (GPT-2, Llama 3): every byte of the text is a letter, so that a space is Ġ, a newline
  Ċ, and é is Ã©;
- sentencepiece (Llama 2, Gemma): a space is ▁, and a byte of a rare character is ``<0x0A>``.

Which one an excerpt is in is told from the whole excerpt (`clean`), since a single Ã or Ġ may as
well be a letter of the text.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from neuron_eval.messages import REPLACEMENT
from neuron_eval.records import ActivationRecord

# Tokens that a tokenizer adds, such as ``<|endoftext|>``; they are never encoded
SPECIAL = re.compile(r"<[|｜][^<>]*[|｜]>")
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_MARKS = {"Ġ": " ", "Ċ": "\n", "ĉ": "\t", "č": "\r"}  # white space in byte-level tokens
_MARKS_ONLY = re.compile(r"(?:[ĠĊĉč]|[^\w])+")  # a token with no letter or digit besides marks


def _letters() -> dict[str, int]:
    """GPT-2's letter for each byte: printable Latin-1 as it is, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    shifted = {chr(0x100 + place): byte for place, byte in enumerate(others)}
    return {chr(byte): byte for byte in printable} | shifted


_BYTE_OF = _letters()
_LETTERS = frozenset(_BYTE_OF)
# The character of Latin-1 with the byte that a letter stands for
_LATIN = {ord(c): byte for c, byte in _BYTE_OF.items()}


def _class(first: int, last: int) -> str:
    return "".join(f"\\u{ord(c):04x}" for c, byte in _BYTE_OF.items() if first <= byte <= last)


_HIGH = re.compile(f"[{_class(0x80, 0xFF)}]")
_NEXT = f"[{_class(0x80, 0xBF)}]"
# A character beyond ASCII, written in letters for its bytes
_SEQUENCE = re.compile(
    f"[{_class(0xC2, 0xDF)}]{_NEXT}|[{_class(0xE0, 0xEF)}]{_NEXT}{{2}}"
    f"|[{_class(0xF0, 0xF4)}]{_NEXT}{{3}}"
)


def byte_level(token: str) -> bytes:
    """The bytes that a byte-level token stands for; other characters stand for themselves."""
    if _LETTERS.issuperset(token):
        return token.translate(_LATIN).encode("latin-1")
    return b"".join(bytes([_BYTE_OF[c]]) if c in _BYTE_OF else _utf8(c) for c in token)


def sentencepiece(token: str) -> bytes:
    """The bytes that a sentencepiece token stands for."""
    if SPECIAL.fullmatch(token):
        return _utf8(token)
    return _byte_token(token) or _utf8(token.replace("▁", " "))


def join_pieces(pieces: Sequence[bytes]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Text tokens from pieces of UTF-8, shape [P].

    Pieces that share a character form one text token, so that the text tokens joined are the
    text. A byte that belongs to no character is `REPLACEMENT`.

    Returns:
        The text tokens, shape [L], none of them empty, L <= P; and the piece that each starts
        with, ascending from 0. Both are empty if no piece holds anything.
    """
    try:
        texts = tuple(piece.decode() for piece in pieces)
    except UnicodeDecodeError:
        texts = ()
    if texts and all(texts):
        return texts, tuple(range(len(texts)))
    text = b"".join(pieces).decode("utf-8", "surrogateescape")
    # The character that each byte is of, and one past the last.
    owners = [i for i, c in enumerate(text) for _ in range(1 if _escaped(c) else len(c.encode()))]
    owners.append(len(text))
    offsets, begin = [], 0
    for piece in pieces:
        end = begin + len(piece)
        offsets.append((owners[begin], owners[end - 1] + 1 if piece else owners[begin]))
        begin = end
    starts, ends = text_tokens(len(text), offsets)
    shown = "".join(REPLACEMENT if _escaped(c) else c for c in text)
    return tuple(shown[a:b] for a, b in pairwise([0, *ends])), tuple(starts)


def clean(tokens: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Text tokens from the tokens of an excerpt, in whichever way they are written.

    - Sentencepiece if a ▁ is in it and no space.
    - Byte-level if every character is one of GPT-2's 256 letters, and there is a Ġ or Ċ, or
      there are sequences such as Ã© and nothing that could not be one.
    - Otherwise it is text, perhaps cleaned by half (some tools replace Ġ alone). Unless letters
      such as the é of plain text, which are part of no such sequence, are as many as the
      sequences, these are replaced; so are Ġ, Ċ, ĉ and č in tokens without other letters or
      digits, if the excerpt does not hold the same white space as it is. Nothing else changes
      but tokens such as ``<0x0A>``.

    Returns:
        As `join_pieces`: text tokens, and the token that each starts with.
    """
    return join_pieces(_pieces(tokens))


def is_stored(tokens: Sequence[str]) -> bool:
    """Whether tokens are as tokenizers store them: a quarter with Ġ or ▁ first, and no space."""
    marked = sum(token[0] in "Ġ▁" for token in tokens)
    return 4 * marked >= len(tokens) and not any(" " in token for token in tokens)


def clean_record(record: ActivationRecord) -> ActivationRecord:
    """An excerpt with its tokens cleaned; a text token has the highest activation of its pieces."""
    tokens, starts = clean(record.tokens)
    values = tuple(max(record.activations[a:b]) for a, b in pairwise([*starts, len(record.tokens)]))
    return replace(record, tokens=tokens, activations=values)


def _pieces(tokens: Sequence[str]) -> list[bytes]:
    plain = "".join(token for token in tokens if not SPECIAL.fullmatch(token))
    if "▁" in plain and " " not in plain:
        return [sentencepiece(token) for token in tokens]
    sound, lost, _ = _sequences(plain)
    if _LETTERS.issuperset(plain) and ("Ġ" in plain or "Ċ" in plain or (sound and not lost)):
        return [byte_level(token) for token in tokens]
    if sound > lost or not lost:
        return _repaired(tokens, plain)
    return [_byte_token(token) or _utf8(token) for token in tokens]


def _repaired(tokens: Sequence[str], plain: str) -> list[bytes]:
    """The pieces of an excerpt that is cleaned by half."""
    _, _, places = _sequences("".join(tokens))
    pieces, at = [], 0
    for token in tokens:
        shown = token
        if _MARKS_ONLY.fullmatch(token):
            shown = "".join(c if _MARKS.get(c, c) in plain else _MARKS.get(c, c) for c in token)
        inside = (
            bytes([_BYTE_OF[c]]) if at + i in places else _utf8(c) for i, c in enumerate(shown)
        )
        pieces.append(_byte_token(token) or b"".join(inside))
        at += len(token)
    return pieces


def _sequences(text: str) -> tuple[int, int, set[int]]:
    """Sequences such as Ã©: how many, how many of their letters are in none, where they stand."""
    count, places = 0, set[int]()
    for match in _SEQUENCE.finditer(text):
        try:
            bytes(_BYTE_OF[c] for c in match[0]).decode()
        except UnicodeDecodeError:
            continue
        count += 1
        places.update(range(*match.span()))
    return count, len(_HIGH.findall(text)) - len(places), places


def _byte_token(token: str) -> bytes:
    """The byte of a token such as ``<0x0A>``; empty for other tokens."""
    byte = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else b""


def _utf8(text: str) -> bytes:
    """UTF-8, also of the lone surrogates that JSON may hold."""
    return text.encode("utf-8", "surrogatepass")


def _escaped(character: str) -> bool:
    return "\udc80" <= character <= "\udcff"


Offsets = Sequence[tuple[int, int]]
"""For each model token the characters ``[start, end)`` that it stands for."""


def text_tokens(size: int, offsets: Offsets) -> tuple[list[int], list[int]]:
    """Group model tokens so that every group is a slice of the text and the slices tile it.

    Byte-level tokenizers may split one character over several model tokens, which then share
    its offset; such pieces form one text token. Characters that no model token stands for (some
    tokenizers drop white space) go to the text token after them, at the end to the last one.

    Returns:
        For each text token its first model token, and the character after its last one.
    """
    starts: list[int] = []
    ends: list[int] = []
    begin = end = 0
    for piece, (left, right) in enumerate(offsets):
        # A group without a character takes in the next piece; an empty piece opens no group.
        if not starts or (end > begin and left >= end and right > left):
            if starts:
                ends.append(end)
            starts.append(piece)
            begin = end
        end = max(end, right)
    if starts and size > begin:
        ends.append(size)
    return starts[: len(ends)], ends
