"""Figures for a paper: PNG and SVG at column width, and words for who cannot see them."""

import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.messages import visible
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.figures.by_format import draw_differences, draw_distribution, draw_scores
from neuron_eval.reporting.figures.curves import draw_calibration, draw_layers
from neuron_eval.reporting.figures.drawing import Drawn
from neuron_eval.reporting.figures.pair import draw_pair
from neuron_eval.reporting.figures.tokens import draw_tokens

DPI = 300  # dots an inch of the PNG

# Names of models and columns may hold a $, so that no text is parsed as mathematics.
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
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "neuron_eval",
}

FIGURES: dict[str, tuple[Callable[..., Drawn | str], str]] = {
    "scores": (draw_scores, "Score by format: mean over neurons with 95 % interval"),
    "differences": (draw_differences, "Paired difference to the baseline: mean with 95 % interval"),
    "pair": (
        draw_pair,
        "Score of each neuron in two runs: above the line the run named at the left is higher",
    ),
    "distribution": (
        draw_distribution,
        "Distribution of scores: one dot per neuron, boxes from quartile to quartile",
    ),
    "tokens": (
        draw_tokens,
        "Score against prompt tokens: full marks are on the frontier, which nothing cheaper beats",
    ),
    "calibration": (
        draw_calibration,
        "Calibration: mean true activation of tokens by simulated activation, with 95 % interval",
    ),
    "layers": (
        draw_layers,
        "Score by layer: mean over neurons with 95 % interval; other formats are grey",
    ),
}
"""Every figure that there may be, in the order of the report: what draws it, and its caption."""


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure on disk, with its caption and, for who cannot see it, its numbers in words."""

    name: str
    title: str
    png: Path
    svg: Path
    alt: str

    @property
    def address(self) -> str:
        """The PNG as a page takes it that loads nothing."""
        return f"data:image/png;base64,{b64encode(self.png.read_bytes()).decode()}"


def write_figures(
    collected: Collected, folder: Path, baseline: str = "original"
) -> tuple[list[FigureFile], list[str]]:
    """Draw figures into a folder, made if missing; a sentence for each that could not be drawn.

    Without the runs' excerpts there is no calibration figure; the same numbers give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[FigureFile] = []
    notes: list[str] = []
    for name, (draw, title) in FIGURES.items():
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"
        with paper_style():
            drawn = draw(collected, baseline) if draw is draw_differences else draw(collected)
            if isinstance(drawn, str):
                notes += [drawn] if drawn else []
                continue
            drawn.figure.savefig(png, dpi=DPI, metadata={"Software": None})
            drawn.figure.savefig(svg, metadata={"Date": None, "Creator": None})
        files.append(FigureFile(name, title, png, svg, visible(drawn.alt)))
    return files, notes


@contextmanager
def paper_style() -> Iterator[None]:
    """Everything drawn and saved inside looks as the figures do; nothing outside is touched."""
    from matplotlib import rc_context

    with rc_context(_RC), warnings.catch_warnings():
        # a name in a script that the font has not got is drawn as boxes
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield
