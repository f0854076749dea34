"""The figure of two runs against each other, a dot per neuron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import label, scorer_name, scorers
from neuron_eval.reporting.differences import paired_scores
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of dots on which one run or the other is higher: Okabe and Ito's, one darker than the other.
ABOVE, BELOW = "#0072B2", "#D55E00"


def draw_pair(collected: Collected) -> Drawn | str:
    """The runs of the pair that is set against each other; nothing to be told without one."""
    pair = collected.pair
    if pair is None:
        return ""
    names = (label(pair.run, collected.runs), label(pair.other, collected.runs))
    both = {scorer: paired_scores(pair, scorer) for scorer in scorers((pair.run, pair.other))}
    return draw_against({s: np.array([*of.values()]).T for s, of in both.items()}, names)


def draw_against(scores: Mapping[str, ArrayLike], names: tuple[str, str]) -> Drawn | str:
    """The first run's score of each neuron, upwards, against the second's; a panel per scorer.

    The scores, of shape [2, N], of two runs of these names are of the same neurons in one order.
    """
    measured = {scorer: np.array(pair, dtype=float) for scorer, pair in scores.items()}
    measured = {scorer: pair for scorer, pair in measured.items() if pair.size}
    if not measured:
        return f"No figure of {' against '.join(names)}: no neuron was scored in both."
    across = min(drawing.ACROSS, len(measured))
    figure, panels = drawing.panels(list(measured), drawing.COLUMN / across + 0.3)
    sentences = []
    for panel, (scorer, (first, second)) in zip(panels, measured.items(), strict=True):
        counts = _draw(panel, first, second)
        panel.set_title(drawing.axis_label(scorer))
        panel.set_xlabel(drawing.wrapped(names[1]))
        higher = [f"{count} higher with {name}" for count, name in zip(counts, names, strict=False)]
        sentences.append(f"{scorer_name(scorer)}: {', '.join(higher)}, {counts[2]} equal")
    for panel in panels[:: drawing.ACROSS]:
        panel.set_ylabel(drawing.wrapped(names[0]))
    text = f"Scores of each neuron with {names[0]} against those with {names[1]}."
    return Drawn(figure, f"{text} {'. '.join(sentences)}.")


def _draw(panel: Axes, first: NDArray[np.float64], second: NDArray[np.float64]) -> list[int]:
    """Dots, and how many neurons the first is higher on, the second, and neither."""
    sides = [first > second, first < second, first == second]
    counts = [int(side.sum()) for side in sides]
    for side, color, marker in zip(sides, (ABOVE, BELOW, drawing.GREY), "^vo", strict=True):
        panel.plot(
            second[side], first[side], marker, color=color, markersize=3, alpha=0.6,
            markeredgewidth=0,
        )  # fmt: skip
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    margin = 0.06 * ((high - low) or 1)
    limits = (low - margin, high + margin)
    panel.plot(limits, limits, zorder=1, **drawing.DASHED)
    panel.set(xlim=limits, ylim=limits, aspect="equal")
    panel.locator_params(nbins=4)
    for word, x, y, across, up, color, count in (
        ("above", 0.03, 0.97, "left", "top", ABOVE, counts[0]),
        ("below", 0.97, 0.03, "right", "bottom", BELOW, counts[1]),
    ):
        panel.text(
            x, y, f"{count} {word}", transform=panel.transAxes, ha=across, va=up, color=color,
            fontsize=6, zorder=4,
        )  # fmt: skip
    return counts
