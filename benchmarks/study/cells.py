"""Tables in Markdown, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from results import SCORES, Row, by_neuron

from neuron_eval.reporting.statistics import estimate, paired

NOTHING = "–"
"""Where nothing was run."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def mean(values: Iterable[float]) -> str:
    """A mean with its interval."""
    found = estimate(list(values))
    return NOTHING if found is None else f"{found.mean:.3f} [{found.lower:.3f}, {found.upper:.3f}]"


def means(rows: Sequence[Row]) -> list[str]:
    """The mean of each score of explanations."""
    return [mean(by_neuron(rows, score).values()) for score in SCORES.values()]


def average(values: Iterable[float], form: str = ".0f") -> str:
    """A mean without one."""
    found = list(values)
    return format(fmean(found), form) if found else NOTHING


def gain(mine: Mapping[str, float], base: Mapping[str, float]) -> tuple[str, float | None]:
    """The mean difference on the same neurons with its interval, and p."""
    both = sorted(mine.keys() & base.keys())
    found = paired([mine[n] for n in both], [base[n] for n in both])
    if found is None:
        return NOTHING, None
    return f"{found.mean:+.3f} [{found.lower:+.3f}, {found.upper:+.3f}]", found.p
