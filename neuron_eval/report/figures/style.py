"""How every figure looks: as wide as a paper's column, in colours that everyone can tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuron_eval.formats import format_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 3.3
"""Width of a figure in inches: one column of a paper of two."""

DPI = 300
"""Dots an inch of the PNG."""

GREY = "#6e6e6e"

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # names of models and columns may hold a $
    "svg.fonttype": "none",
    "svg.hashsalt": "neuron_eval",
}


@dataclass(frozen=True, slots=True)
class Look:
    """A colour and a marker, so that either alone tells what is meant."""

    color: str
    """From the palette of Okabe and Ito."""

    marker: str
    """A marker of matplotlib's."""


_FIXED = (
    Look("#000000", "o"),
    Look("#0072B2", "s"),
    Look("#E69F00", "^"),
    Look("#009E73", "D"),
    Look("#D55E00", "v"),
)
"""Those of the first formats: one looks the same in every figure, whichever others were run."""

_COLORS = ("#CC79A7", "#56B4E9", "#6e6e6e", "#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00")
_MARKERS = ("o", "P", "X", "*", "h", "<", ">", "p", "d")


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name, all different up to 72 names that are no formats."""
    fixed = dict(zip(format_names(), _FIXED, strict=False))
    found = {name: fixed[name] for name in names if name in fixed}
    others = [name for name in dict.fromkeys(names) if name not in fixed]
    for i, name in enumerate(others):
        found[name] = Look(_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)])
    return found


@contextmanager
def paper_style() -> Iterator[None]:
    """Everything drawn and saved inside looks as the figures do; nothing outside is touched."""
    from matplotlib import rc_context

    with rc_context(_RC), warnings.catch_warnings():
        # a name in a script that the font has not got is drawn as boxes
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


def blank(height: float, width: float = COLUMN) -> Figure:
    """An empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``name.png`` and ``name.svg``; the same figure gives the same bytes.

    Returns:
        The PNG's and the SVG's path.
    """
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(png, dpi=DPI, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return png, svg
