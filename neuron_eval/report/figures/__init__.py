"""Figures for a paper: PNG and SVG at column width, and words for who cannot see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from neuron_eval.messages import visible
from neuron_eval.report.collecting import Collected
from neuron_eval.report.figures import (
    calibration,
    differences,
    distribution,
    layers,
    scores,
    tokens,
)
from neuron_eval.report.figures.series import Drawn
from neuron_eval.report.figures.style import paper_style, save

NAMES = tuple(one.NAME for one in (scores, differences, tokens, layers, distribution, calibration))
"""What every figure that there may be is called."""


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure on disk."""

    name: str
    """Its file name without an ending."""

    title: str
    """A caption: what is shown, and what the intervals are."""

    png: Path
    """300 dots an inch."""

    svg: Path
    """With its text as text."""

    alt: str
    """What one would read from it, with its numbers."""


def write_figures(
    collected: Collected, folder: Path, baseline: str = "original"
) -> tuple[list[FigureFile], list[str]]:
    """Draw every figure that there are numbers for.

    Args:
        collected: The runs; without their excerpts there is no calibration figure.
        folder: Where the files go; made if missing.
        baseline: The format that the others are compared with.

    Returns:
        The figures, and a sentence for each that could not be drawn.

    Raises:
        OSError: A file cannot be written.
    """
    drawers: tuple[tuple[str, str, Callable[[Collected], Drawn | str]], ...] = (
        (scores.NAME, scores.TITLE, scores.draw),
        (differences.NAME, differences.TITLE, partial(differences.draw, baseline=baseline)),
        (tokens.NAME, tokens.TITLE, tokens.draw),
        (layers.NAME, layers.TITLE, layers.draw),
        (distribution.NAME, distribution.TITLE, distribution.draw),
        (calibration.NAME, calibration.TITLE, calibration.draw),
    )
    folder.mkdir(parents=True, exist_ok=True)
    files: list[FigureFile] = []
    notes: list[str] = []
    for name, title, draw in drawers:
        with paper_style():
            drawn = draw(collected)
            if isinstance(drawn, str):
                notes.append(drawn)
                continue
            png, svg = save(drawn.figure, folder, name)
        files.append(FigureFile(name, title, png, svg, visible(drawn.alt)))
    return files, notes
