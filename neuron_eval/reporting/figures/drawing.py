"""Figures of one column: what marks look like, the legend, and how panels are laid out.

With one series, a format has a colour and a marker. With several, the colour is the format's and
the marker the series'.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import TYPE_CHECKING, Any, Literal

from neuron_eval.formats import format_names
from neuron_eval.logs.runs import ADACS, SIMULATION, Run
from neuron_eval.messages import visible
from neuron_eval.reporting.comparing import scorer_name
from neuron_eval.reporting.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What the looks in a figure tell apart; the rest is told by where a mark stands.
Key = Literal["series", "formats", "both"]
WIDE = 18  # characters of a legend's entry above which entries stand below each other
COLUMN = 3.3  # width of a figure in inches: one column of a paper of two
ACROSS = 2  # panels beside each other at most, but for those of `stack`
GREY = "#6e6e6e"
DASHED: Any = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (3, 2))}
_UNITS = {SIMULATION: "Pearson r", ADACS: "cosine similarity"}
_SERIES = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")
_COLORS = ("#CC79A7", "#56B4E9", "#6e6e6e", "#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00")
_MARKERS = ("o", "P", "X", "*", "h", "<", ">", "p", "d")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure, not saved, and what one would read from it, with its numbers."""

    figure: Figure
    alt: str


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that differ in their format alone; the name is empty if it is the only one."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A colour of Okabe and Ito's and a marker, so that either alone tells what is meant."""

    color: str
    marker: str

    @property
    def mark(self) -> dict[str, Any]:
        """A mark with an error bar, for matplotlib."""
        return {"fmt": self.marker, "color": self.color, "capsize": 2}


# Those of the first formats: one looks the same in every figure, whichever others were run.
_FIXED = tuple(map(Look, ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00"), "os^Dv"))


def formats(runs: Iterable[Run]) -> list[str]:
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


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name, all different up to 72 names that are no formats."""
    fixed = dict(zip(format_names(), _FIXED, strict=False))
    others = map(Look, cycle(_COLORS), cycle(_MARKERS))
    ordered = sorted(dict.fromkeys(names), key=lambda name: name not in fixed)
    return {name: fixed.get(name) or next(others) for name in ordered}


def run_looks(runs: Sequence[Run]) -> dict[str, Look]:
    by_format, groups = looks(formats(runs)), series(runs)
    if len(groups) == 1:
        return {run.log: by_format[run.format] for run in runs}
    return {
        run.log: Look(by_format[run.format].color, marker)
        for marker, group in zip(cycle(_SERIES), groups, strict=False)
        for run in group.runs
    }


def pretty(name: str) -> str:
    return visible(name).replace("_", " ")


def wrapped(name: str) -> str:
    """A name in lines of at most some twenty characters."""
    lines = textwrap.wrap(pretty(name), 22) or [""]
    return "\n".join([*lines[:2], "…"] if len(lines) > 3 else lines)


def axis_label(scorer: str) -> str:
    unit, name = _UNITS.get(scorer), visible(scorer_name(scorer))
    return f"{name}\n({unit})" if unit else name


def interval_words(mean: Estimate, spec: str = ".2f") -> str:
    """For instance ``0.28 (0.25 to 0.31)``."""
    if mean.lower is None or mean.upper is None:
        return f"{mean.mean:{spec}}"
    return f"{mean.mean:{spec}} ({mean.lower:{spec}} to {mean.upper:{spec}})"


def error(mean: Estimate) -> list[list[float]] | None:
    """An interval as matplotlib's error bars want it, shape [2, 1]."""
    if mean.lower is None or mean.upper is None:
        return None
    return [[max(0.0, mean.mean - mean.lower)], [max(0.0, mean.upper - mean.mean)]]


def legend_lines(runs: Sequence[Run], key: Key, more: Iterable[str] = ()) -> int:
    """How many lines of text `legend` takes, about, with ``more`` names."""
    names = [*map(pretty, more), *(name for name, _, _ in _entries(runs, key))]
    lines = sum(len(name.split("\n")) for name in names)
    return lines if _columns(names) == 1 else -(-(lines + 1) // 3)


def legend(figure: Figure, runs: Sequence[Run], key: Key, more: Sequence[Any] = ()) -> None:
    """Put a legend under everything, of ``more`` labelled artists first; none if it is empty."""
    from matplotlib.lines import Line2D

    entries = _entries(runs, key)
    handles = [*more, *(Line2D([], [], ls="", color=c, marker=m) for _, c, m in entries)]
    names = [*(str(artist.get_label()) for artist in more), *(name for name, _, _ in entries)]
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=_columns(names))


def _entries(runs: Sequence[Run], key: Key) -> list[tuple[str, str, str]]:
    groups, by_format = series(runs), looks(formats(runs))
    several = len(groups) > 1 and key != "formats"
    entries: list[tuple[str, str, str]] = []
    if key != "series":
        for name, look in by_format.items():
            entries.append((pretty(name), look.color, "s" if several else look.marker))
    if several:
        names = (group.name for group in groups)
        entries += zip(names, repeat(GREY), cycle(_SERIES), strict=False)
    return [("\n".join(textwrap.wrap(name, 50)), color, at) for name, color, at in entries]


def _columns(names: Sequence[str]) -> int:
    return 3 if max(map(len, names), default=0) <= WIDE else 1


def _blank(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(COLUMN, height), layout="constrained")


def panels(
    scorers: Sequence[str], each: float, more: float = 0.0, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A panel a scorer, `ACROSS` beside each other, each line of them so many inches high."""
    lines, across = -(-len(scorers) // ACROSS), min(ACROSS, len(scorers))
    figure = _blank(lines * each + more)
    made = list(figure.subplots(lines, across, squeeze=False, **options).flat)
    for panel in made[len(scorers) :]:
        panel.remove()
    return figure, made[: len(scorers)]


def stack(
    runs: Sequence[Run], key: Key, panels: int, each: float, more: float
) -> tuple[Figure, list[Axes]]:
    """Panels below each other over one x axis, ``each`` so many inches, with room for a legend."""
    figure = _blank(more + each * panels + 0.15 * legend_lines(runs, key))
    return figure, list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])


def grid(
    scorers: Sequence[str], rows: Sequence[str], marks: int, legend: int
) -> tuple[Figure, list[Axes]]:
    """A panel a scorer, with the names of the rows on the left of each line of panels.

    Within a row stand so many marks, one below the other; below all a legend of so many lines.
    """
    height = max(0.9, len(rows) * max(0.2, 0.08 + 0.17 * 0.6 * marks))
    figure, made = panels(scorers, height + 0.45, 0.14 * legend, sharey=True)
    for panel, scorer in zip(made, scorers, strict=True):
        panel.set_xlabel(axis_label(scorer))
        panel.set_yticks(range(len(rows)), [wrapped(row) for row in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=False, axis="y")
        panel.locator_params(axis="x", nbins=4)
    return figure, made


def columns(
    scorers: Sequence[str], rows: Sequence[str], legend: int
) -> tuple[Figure, list[list[Axes]]]:
    """A column of small panels per scorer, in the order of the rows, whose names are above them.

    A column's panels share their axes; below all there is a legend of so many lines.
    """
    lines = -(-len(scorers) // ACROSS)
    figure = _blank(lines * (0.66 * len(rows) + 0.55) + 0.14 * legend)
    parts = figure.subfigures(lines, min(ACROSS, len(scorers)), squeeze=False).flat
    made = []
    for scorer, part in zip(scorers, parts, strict=False):
        part.suptitle(axis_label(scorer), fontsize=7)
        panels = list(part.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0])
        for panel, row in zip(panels, rows, strict=True):
            panel.set_title(wrapped(row), loc="left", fontsize=6.5, pad=2)
        made.append(panels)
    return figure, made
