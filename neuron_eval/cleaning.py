"""From what an explainer says to the explanation itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LIST_MARK = re.compile(r"(?:[-*•–]|\(?\d{1,2}[.)])(?:\s++|$)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "«": "»"}
_LABEL = re.compile(r"(?:\*\*)?+(?:explanation|answer)(?:\*\*)?+\s*+:(?:\*\*)?+\s*+", re.IGNORECASE)
_SPACE = re.compile(r"\s*+")


def clean_explanation(text: str, openings: Sequence[str]) -> str:
    """Strip what is not part of the explanation, until nothing more comes off.

    Args:
        text: The explainer's answer as it came.
        openings: What the prompt says right before the answer, which some explainers repeat.

    Returns:
        The answer without the prompt's own opening, list marks, a label such as
        ``Explanation:``, quotes around the whole, and surrounding space; may be empty.
    """
    patterns = [*(_opening_pattern(opening) for opening in openings if opening), _LIST_MARK, _LABEL]
    start, end = 0, len(text.rstrip())
    before = None
    # Two places that move, and no shorter copies of the text: an answer may be nothing but marks.
    while (start, end) != before:
        before = (start, end)
        for pattern in (_SPACE, *patterns):
            if mark := pattern.match(text, start, end):
                start = mark.end()
        if _in_quotes(text, start, end):
            start, end = start + 1, end - 1
            while end > start and text[end - 1].isspace():
                end -= 1
    return text[start:end]


def _in_quotes(text: str, start: int, end: int) -> bool:
    """Whether quotes stand around a part of a text, and not also inside it."""
    if end - start < 2 or _QUOTES.get(text[start]) != text[end - 1]:
        return False
    return text.find(text[start], start + 1, end - 1) < 0


def _opening_pattern(opening: str) -> re.Pattern[str]:
    """The opening whatever its case and spacing, as whole words at the beginning."""
    words = r"\s++".join(re.escape(word) for word in opening.split())
    return re.compile(rf"(?:\.\.\.|…)?+\s*+{words}(?!\w)\s*+[:,]?+", re.IGNORECASE)
