"""What figures have in common: runs as series, scorers as panels, scores with their interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuron_eval.logs.neurons import ADACS, SIMULATION
from neuron_eval.logs.runs import Run
from neuron_eval.messages import visible
from neuron_eval.report.comparing import Compared, scorer_name
from neuron_eval.report.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNITS = {SIMULATION: "Pearson r", ADACS: "cosine similarity"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure and what it shows in words."""

    figure: Figure
    """The figure, not saved."""

    alt: str
    """What one would read from it, with its numbers."""


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that differ in their format alone."""

    name: str
    """What tells it from the others; empty if it is the only one."""

    runs: tuple[Run, ...]
    """One a format."""


def axis_label(scorer: str, wrap: bool = False) -> str:
    """A scorer's name with its unit, on two lines where there is little room."""
    unit = _UNITS.get(scorer)
    name = visible(scorer_name(scorer))
    return name + ("\n" if wrap else " ") + f"({unit})" if unit else name


def formats(runs: Iterable[Run]) -> list[str]:
    """The formats in the order of the runs."""
    return list(dict.fromkeys(run.format for run in runs))


def series(runs: Sequence[Run]) -> list[Series]:
    """Runs grouped by everything but their format; the same twice makes another series."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    for run in runs:
        parts = (run.explainer, run.simulator, run.embedder, run.neurons)
        seen[run.format, *parts] += 1
        again = seen[run.format, *parts]
        groups.setdefault((*parts, f"again {again}" if again > 1 else ""), []).append(run)
    varying = [i for i in range(5) if len({parts[i] for parts in groups}) > 1]
    return [
        Series(", ".join(visible(parts[i]) for i in varying if parts[i]), tuple(group))
        for parts, group in groups.items()
    ]


def neurons_of(compared: Compared, run: Run, scorer: str) -> tuple[str, ...]:
    """The neurons that a run's mean is over: the common ones; without any, its own.

    Empty where the scorer scored nothing in the run.
    """
    if run not in compared.runs:
        return ()
    return compared.ids(run, scorer)


def with_interval(found: Estimate) -> str:
    """For instance ``0.28 (0.25 to 0.31)``."""
    if found.lower is None or found.upper is None:
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} ({found.lower:.2f} to {found.upper:.2f})"


def error(mean: float, lower: float | None, upper: float | None) -> list[list[float]] | None:
    """An interval as matplotlib's error bars want it, shape [2, 1]."""
    if lower is None or upper is None:
        return None
    return [[max(0.0, mean - lower)], [max(0.0, upper - mean)]]
