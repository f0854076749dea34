"""Which means of a column are the best, and which cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuron_eval.report.statistics import TIE, Estimate, told_apart
from neuron_eval.report.tables.base import MARK, Cell, estimate_cell

MEANS = (
    "Mean over neurons [95 % bootstrap interval over neurons: percentiles of 10,000 resamples, "
    "taken further out for a small number of neurons]. A neuron's epochs are averaged first."
)
BEST = (
    f"Bold: the highest mean{{where}}. {MARK}: not told apart from it, because the 95 % interval "
    "of the difference on the same neurons holds 0."
)


def beside_the_best(
    found: Mapping[str, Estimate], scores: Mapping[str, Sequence[float]], spec: str = ".3f"
) -> dict[str, Cell]:
    """A cell a mean: the highest bold, what is not told apart from it marked.

    Args:
        found: The means, by any name; a single one is no best.
        scores: By the same names, their values on the same neurons in the same order.
        spec: How numbers are written.
    """
    if len(found) < 2:
        return {name: estimate_cell(made, spec=spec) for name, made in found.items()}
    best = max(found, key=lambda name: found[name].mean)
    cells: dict[str, Cell] = {}
    for name, made in found.items():
        bold = found[best].mean - made.mean <= TIE
        marked = not bold and not told_apart(scores[best], scores[name])
        cells[name] = estimate_cell(made, bold, marked, spec)
    return cells
