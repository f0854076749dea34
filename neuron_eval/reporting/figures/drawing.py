"""What figures have in common: series of runs, looks, panels, marks and the legend.

With one series, a format has a colour and a marker. With several, the colour is the format's and
the marker the series'.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neuron_eval.formats import format_names
from neuron_eval.logs.runs import ADACS, SIMULATION, Run
from neuron_eval.messages import visible
from neuron_eval.reporting.comparing import scorer_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Key = Literal["series", "formats", "both"]
"""What the looks in a figure tell apart; the rest is told by where a mark stands."""

WIDE = 18  # characters of a legend's entry above which entries stand below each other

GREY = "#6e6e6e"
GREYS = ("#3c3c3c", "#9a9a9a")
DASHES: Any = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), "solid")
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


_FIXED = (
    Look("#000000", "o"),
    Look("#0072B2", "s"),
    Look("#E69F00", "^"),
    Look("#009E73", "D"),
    Look("#D55E00", "v"),
)
"""Those of the first formats: one looks the same in every figure, whichever others were run."""


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
    fixed, distinct = dict(zip(format_names(), _FIXED, strict=False)), dict.fromkeys(names)
    others = [name for name in distinct if name not in fixed]
    return {name: fixed[name] for name in distinct if name in fixed} | {
        name: Look(_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(others)
    }


def run_looks(runs: Sequence[Run]) -> dict[str, Look]:
    by_format, groups = looks(formats(runs)), series(runs)
    if len(groups) == 1:
        return {run.log: by_format[run.format] for run in runs}
    return {
        run.log: Look(by_format[run.format].color, _SERIES[i % len(_SERIES)])
        for i, group in enumerate(groups)
        for run in group.runs
    }


def pretty(name: str) -> str:
    return visible(name).replace("_", " ")


def wrapped(name: str) -> str:
    """A name in lines of at most some twenty characters."""
    lines = textwrap.wrap(pretty(name), 22) or [""]
    return "\n".join([*lines[:2], "…"] if len(lines) > 3 else lines)


def axis_label(scorer: str) -> str:
    """A scorer's name, with its unit on a second line."""
    unit, name = _UNITS.get(scorer), visible(scorer_name(scorer))
    return f"{name}\n({unit})" if unit else name


def interval_words(mean: float, lower: float | None, upper: float | None, spec: str = ".2f") -> str:
    """For instance ``0.28 (0.25 to 0.31)``."""
    if lower is None or upper is None:
        return f"{mean:{spec}}"
    return f"{mean:{spec}} ({lower:{spec}} to {upper:{spec}})"


def error(mean: float, lower: float | None, upper: float | None) -> list[list[float]] | None:
    """An interval as matplotlib's error bars want it, shape [2, 1]."""
    if lower is None or upper is None:
        return None
    return [[max(0.0, mean - lower)], [max(0.0, upper - mean)]]


def offset(i: int, of: int) -> float:
    """Where the i-th of some marks stands within its row, from -0.3 to 0.3."""
    return 0.0 if of == 1 else 0.6 * (i / (of - 1)) - 0.3


def line_styles(names: Iterable[str]) -> dict[str, Any]:
    """For each name the colour and dashes of a line that stands for it, for matplotlib."""
    return {
        name: {"color": GREYS[i // 4 % 2], "linewidth": 1, "linestyle": DASHES[i % 4], "zorder": 1}
        for i, name in enumerate(dict.fromkeys(names))
    }


def labelled(styles: Mapping[str, Any]) -> list[Any]:
    """The lines as a legend shows them."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], label=pretty(name), **style) for name, style in styles.items()]


def legend_lines(runs: Sequence[Run], key: Key, more: Iterable[str] = ()) -> int:
    """How many lines of text `legend` takes, about, with ``more`` names."""
    names = [*map(pretty, more), *(name for name, _, _ in _entries(runs, key))]
    lines = sum(len(name.split("\n")) for name in names)
    return lines if _columns(names) == 1 else -(-(lines + 1) // 3)


def legend(figure: Figure, runs: Sequence[Run], key: Key, more: Sequence[Any] = ()) -> None:
    """Put a legend under everything, where it hides no data; none if it would say nothing.

    ``more`` are further labelled artists, before the others.
    """
    from matplotlib.lines import Line2D

    entries = _entries(runs, key)
    handles = [*more, *(Line2D([], [], ls="", color=c, marker=m) for _, c, m in entries)]
    names = [*(str(artist.get_label()) for artist in more), *(name for name, _, _ in entries)]
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=_columns(names))


def _entries(runs: Sequence[Run], key: Key) -> list[tuple[str, str, str]]:
    """Name, colour and marker of what the legend explains."""
    groups, by_format = series(runs), looks(formats(runs))
    several = len(groups) > 1 and key != "formats"
    entries: list[tuple[str, str, str]] = []
    if key != "series":
        for name, look in by_format.items():
            entries.append((pretty(name), look.color, "s" if several else look.marker))
    if several:
        for i, group in enumerate(groups):
            entries.append((group.name, GREY, _SERIES[i % len(_SERIES)]))
    return [("\n".join(textwrap.wrap(name, 50)), color, at) for name, color, at in entries]


def _columns(names: Sequence[str]) -> int:
    return 3 if max(map(len, names), default=0) <= WIDE else 1
