"""From what an explainer says to the explanation itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LIST_MARK = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.)])(?:\s+|$)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "«": "»"}
_LABEL = re.compile(r"^(?:\*\*)?(?:explanation|answer)(?:\*\*)?\s*:(?:\*\*)?\s*", re.IGNORECASE)


def clean_explanation(text: str, openings: Sequence[str]) -> str:
    """Strip what is not part of the explanation, until nothing more comes off.

    Args:
        text: The explainer's answer as it came.
        openings: What the prompt says right before the answer, which some explainers repeat.

    Returns:
        The answer without the prompt's own opening, list marks, a label such as
        ``Explanation:``, quotes around the whole, and surrounding space; may be empty.
    """
    patterns = [_opening_pattern(opening) for opening in openings if opening]
    before = None
    while text != before:
        before = text
        text = text.strip()
        for pattern in (*patterns, _LIST_MARK, _LABEL):
            text = pattern.sub("", text, count=1)
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
            text = text[1:-1]
    return text


def _opening_pattern(opening: str) -> re.Pattern[str]:
    """The opening whatever its case and spacing, as whole words at the beginning."""
    words = r"\s+".join(re.escape(word) for word in opening.split())
    return re.compile(rf"^(?:\.\.\.|…)?\s*{words}(?!\w)\s*[:,]?", re.IGNORECASE)
