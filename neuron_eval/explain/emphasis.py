"""Markdown's emphasis: which asterisks and underscores of a text are markup."""

import re
from bisect import bisect_left as bisect
from itertools import chain

# What is quoted is said as it stands: a neuron may be about "**".
_PIECE = re.compile(
    r"(?P<quoted>\"[^\"\n]*+\"|“[^“”\n]*+”|(?<!`)`++[^`\n]++`++)"
    r"|(?P<blank>\n[ \t]*+\n)|(?P<mark>\*++|_++)"
)
_SUBJECT = re.compile(r"\b(?:asterisk|underscore|markdown|(?:bold|italic)s? text)", re.IGNORECASE)
"""A word for the marks themselves."""
_NAME = re.compile(r"\w++")
_AROUND = frozenset(('""', "''", "``", "()", "[]", "{}", "<>", "“”", "‘’", "«»"))
_BEGINS = "\"'`“‘«([{<-*_#>$\\"
LONGEST = 3  # Asterisks of a mark of emphasis at most


def without_emphasis(text: str) -> str:
    r"""The text without the marks of bold and italic passages; all other marks stay.

    Marks are a pair of equal length, outside quotation marks and code, within a paragraph, next to
    what they emphasise and not within a word: ``2**3 and 4**5``, ``**kwargs``, ``"**"``, ``(*)``
    and ``*.py`` stay. So does a name between two pairs of underscores, such as ``__init__``. Where
    the text speaks of such marks, only what stands around a word for them is emphasis: in
    ``asterisks, as in *word*`` the pair is what is said.
    """
    subjects = [word.start() for word in _SUBJECT.finditer(text)]
    opened: list[re.Match[str]] = []
    waiting: dict[str, int] = {}
    gone: list[tuple[int, int]] = []
    for piece in _PIECE.finditer(text):
        if piece["quoted"]:
            continue
        if piece["blank"]:
            opened, waiting = [], {}
            continue
        mark = piece[0]
        if waiting.get(mark) and _closes(text, piece):
            while True:
                other = opened.pop()
                waiting[other[0]] -= 1
                if other[0] == mark:
                    break
            shown = subjects and bisect(subjects, other.end()) == bisect(subjects, piece.start())
            is_name = mark == "__" and _NAME.fullmatch(text, other.end(), piece.start())
            if not (shown or is_name):
                gone += [other.span(), piece.span()]
        elif _opens(text, piece):
            opened.append(piece)
            waiting[mark] = waiting.get(mark, 0) + 1
    ends = [0, *chain(*sorted(gone)), len(text)]
    return "".join(text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True))


def _opens(text: str, mark: re.Match[str]) -> bool:
    before, after = _neighbours(text, mark)
    if not after or after.isspace() or _in_word(before) or before + after in _AROUND:
        return False
    if len(mark[0]) == 1:
        return after.isalnum() or after in _BEGINS
    return len(mark[0]) <= LONGEST


def _closes(text: str, mark: re.Match[str]) -> bool:
    before, after = _neighbours(text, mark)
    return bool(before) and not (before.isspace() or _in_word(after) or before + after in _AROUND)


def _neighbours(text: str, mark: re.Match[str]) -> tuple[str, str]:
    start, end = mark.span()
    return text[start - 1 : start] if start else "", text[end : end + 1]


def _in_word(character: str) -> bool:
    """Whether a mark next to it is within a word; where words have no spaces none is."""
    return character.isascii() and character.isalnum()
