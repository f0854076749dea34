"""Reasons why something has no number, brought together where they say the same."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from neuron_eval.messages import visible

LONGEST = 160
"""Characters of a reason that are shown."""

READ = 2000
"""Characters of a reason that are looked at: a model's words in it may be of any length."""

_QUOTED = re.compile(r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|\"(?:[^\"\\]|\\.)*\"|“[^”]*”|`[^`]*`")
_EXCERPT = re.compile(r"\b(?:top|random) \d+")
_WITH_DIGIT = re.compile(r"[^\s,;:()\[\]{}'\"]*\d[^\s,;()\[\]{}'\"]*")
_REPEATED = re.compile(r"…(?:[\s,;]*…)+")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason and how often it was given."""

    text: str
    """As it was given; where those that say the same differ, with … for what differs."""

    count: int
    """How often."""

    by: dict[Hashable, int]
    """How often by whoever gave it."""


def skeleton(reason: str) -> str:
    """A reason on one line, with … for what is quoted, and for numbers and ids."""
    line = _line(reason)[:READ]
    for pattern in (_QUOTED, _EXCERPT, _WITH_DIGIT, _REPEATED):
        line = pattern.sub("…", line)
    return _short(line)


def grouped(reasons: Iterable[tuple[Hashable, str]]) -> list[Reason]:
    """Reasons with who gave them -> each different one once, the most frequent first."""
    texts: dict[str, set[str]] = {}
    counts: dict[str, dict[Hashable, int]] = {}
    for by, reason in reasons:
        key = skeleton(reason)
        texts.setdefault(key, set()).add(_short(_line(reason)))
        who = counts.setdefault(key, {})
        who[by] = who.get(by, 0) + 1
    found = [Reason(_one(texts[k], k), sum(by.values()), by) for k, by in counts.items()]
    return sorted(found, key=lambda reason: -reason.count)


def _one(texts: set[str], otherwise: str) -> str:
    return next(iter(texts)) if len(texts) == 1 else otherwise


def _line(reason: str) -> str:
    return visible(" ".join(reason.split()))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def told(by: Sequence[tuple[str, int]], everyone: int) -> str:
    """Who gave a reason how often: ``original 3, summary 2``, or ``every run 2``."""
    if len(by) == everyone > 1 and len({count for _, count in by}) == 1:
        return f"every run {by[0][1]:,}"
    return "; ".join(f"{name} {count:,}" for name, count in by)
