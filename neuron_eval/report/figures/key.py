"""Which colour and marker a run has, and the legend that says so.

With one series, a format has a colour and a marker. With several, the colour is the format's and
the marker the series'.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from neuron_eval.logs.runs import Run
from neuron_eval.messages import visible
from neuron_eval.report.figures.series import formats, series
from neuron_eval.report.figures.style import GREY, Look, looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Key = Literal["series", "formats", "both"]
"""What the looks in a figure tell apart; the rest is told by where a mark stands."""

WIDE = 18
"""Characters of a legend's entry above which entries stand below each other."""

_SERIES = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")


def run_looks(runs: Sequence[Run]) -> dict[str, Look]:
    """A look for each run, by log."""
    by_format, groups = looks(formats(runs)), series(runs)
    if len(groups) == 1:
        return {run.log: by_format[run.format] for run in runs}
    return {
        run.log: Look(by_format[run.format].color, _SERIES[i % len(_SERIES)])
        for i, group in enumerate(groups)
        for run in group.runs
    }


def pretty(name: str) -> str:
    """A name as a figure shows it."""
    return visible(name).replace("_", " ")


def legend_lines(runs: Sequence[Run], key: Key) -> int:
    """How many lines of text `legend` takes, about."""
    names = [name for name, _, _ in _entries(runs, key)]
    lines = sum(len(name.split("\n")) for name in names)
    return lines if _columns(names) == 1 else -(-(lines + 1) // 3)


def legend(figure: Figure, runs: Sequence[Run], key: Key, more: Sequence[Any] = ()) -> None:
    """Put a legend under everything, where it hides no data; none if it would say nothing.

    Args:
        figure: Where.
        runs: What was drawn.
        key: What the look of a mark says.
        more: Further labelled artists, before the others.
    """
    from matplotlib.lines import Line2D

    entries = _entries(runs, key)
    handles = [*more, *(Line2D([], [], ls="", color=c, marker=m) for _, c, m in entries)]
    names = [*(str(one.get_label()) for one in more), *(name for name, _, _ in entries)]
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=_columns(names))


def _entries(runs: Sequence[Run], key: Key) -> list[tuple[str, str, str]]:
    """Name, colour and marker of what the legend explains."""
    groups, by_format = series(runs), looks(formats(runs))
    several = len(groups) > 1 and key != "formats"
    entries = [
        ("\n".join(textwrap.wrap(pretty(name), 50)), look.color, "s" if several else look.marker)
        for name, look in by_format.items()
        if key != "series"
    ]
    if several:
        entries += [
            ("\n".join(textwrap.wrap(group.name, 50)), GREY, _SERIES[i % len(_SERIES)])
            for i, group in enumerate(groups)
        ]
    return entries


def _columns(names: Sequence[str]) -> int:
    return 3 if max(map(len, names), default=0) <= WIDE else 1
