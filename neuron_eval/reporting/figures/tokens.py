"""The figure of scores by prompt tokens, with the frontier of what nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import floor, log10
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import compare, label, scorer_name, scorers, values
from neuron_eval.reporting.figures import drawing
from neuron_eval.reporting.figures.drawing import Drawn, Look
from neuron_eval.reporting.statistics import Estimate, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 1.4  # the axis goes on by this factor beyond the fewest and the most tokens
NEAR = 4.0  # pixels around a mark, and half as many around a line, that no name may cover
# How far from its point a name may be, in heights of its text; further off it is another's.
RINGS = (1.0, 1.6)
# Where it may be, best first: steps to the right and upwards.
SIDES = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
Pixels = tuple[float, float]  # across and up
TICKS = 5  # at most so many ticks
STEPS = (
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
    (1.0, 1.5, 2.0, 3.0, 5.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
"""Where in a decade ticks may be, finest first."""


class Point(NamedTuple):
    """A run's mean prompt tokens of the explainer per neuron, above 0, and its score."""

    tokens: float
    score: Estimate
    run: Run


def draw_tokens(collected: Collected) -> Drawn | str:
    """Mean score against mean prompt tokens on a log axis, with the frontier.

    What is on the frontier has a full mark, the rest a hollow one. A point has its name beside it
    where there is room; the legend has all.
    """
    runs = collected.runs
    every = {scorer: points for scorer in scorers(runs) if (points := _points(runs, scorer))}
    if not every:
        return "No figure of score against tokens: no run has both scores and prompt tokens."
    figure, panels = drawing.stack(runs, "both", len(every), each=1.5, more=0.5)
    by_log = drawing.run_looks(runs)
    sentences: list[str] = []
    for panel, (scorer, points) in zip(panels, every.items(), strict=True):
        best = frontier(points)
        low, high = min(p.score.ends[0] for p in points), max(p.score.ends[1] for p in points)
        margin = 0.1 * ((high - low) or 1)  # room for names above and below
        panel.set_ylim(low - margin, high + margin)
        line = _draw_frontier(panel, best, max(p.tokens for p in points))
        words = []
        for point in points:
            text = _draw_point(panel, point, by_log[point.run.log], point in best)
            words.append(f"{label(point.run, runs)} {text}")
        panel.set_ylabel(drawing.axis_label(scorer))
        panel.locator_params(axis="y", nbins=5)
        sentences.append(f"{scorer_name(scorer)}: {', '.join(words)}")
    _log_axis(panels[-1], [p.tokens for points in every.values() for p in points])
    drawing.legend(figure, runs, "both", more=[line])
    _name_points(figure, dict(zip(panels, every.values(), strict=True)), runs)
    text = "Mean scores with 95 % intervals by prompt tokens."
    return Drawn(figure, f"{text} {'. '.join(sentences)}.")


def frontier(points: Sequence[Point]) -> list[Point]:
    """Points with a higher score than every other that is as cheap or cheaper; cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.tokens, -p.score.mean)):
        if not best or point.score.mean > best[-1].score.mean:
            best.append(point)
    return best


def _points(runs: Sequence[Run], scorer: str) -> list[Point]:
    """Tokens and scores over the same neurons; runs whose provider reports no tokens left out."""
    compared = compare(runs, scorer)
    points = []
    for run in compared.runs:
        ids = compared.ids(run)
        used = [tokens for id in ids if (tokens := run.results[id].prompt_tokens) is not None]
        score = estimate(values(run, ids, scorer))
        if score is not None and sum(used) > 0:
            points.append(Point(fmean(used), score, run))
    return points


def _draw_frontier(panel: Axes, best: Sequence[Point], most: float) -> Any:
    """A line in steps, and a tint over what it beats; the line is returned."""
    tokens = [*(p.tokens for p in best), MARGIN * most]
    means = [*(p.score.mean for p in best), best[-1].score.mean]
    (line,) = panel.step(
        tokens, means, where="post", zorder=1, label="frontier", color=drawing.GREY, linewidth=1.4
    )
    floor = panel.get_ylim()[0]
    panel.fill_between(
        tokens, means, floor, step="post", color=drawing.GREY, alpha=0.1, linewidth=0, zorder=0.5
    )
    return line


def _draw_point(panel: Axes, point: Point, look: Look, is_best: bool) -> str:
    """Its mark with the interval; in words."""
    mark = look.mark if is_best else look.mark | {"markerfacecolor": "white"}
    panel.errorbar(point.tokens, point.score.mean, yerr=drawing.error(point.score), **mark)
    words = f"{point.tokens:,.0f} tokens, {drawing.interval_words(point.score)}"
    return f"{words} on the frontier" if is_best else words


def _log_axis(panel: Axes, tokens: Sequence[float]) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    low, high = min(tokens) / MARGIN, max(tokens) * MARGIN
    panel.set_xscale("log")
    panel.set_xlim(low, high)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_formatter(NullFormatter())
    ticks = log_ticks(low, high)
    panel.set_xticks(ticks, [f"{tick:,.{0 if tick >= 10 else 1}f}" for tick in ticks])
    panel.set_xlabel("explainer’s prompt (tokens per neuron, log scale)")


def _name_points(
    figure: Figure, panels: Mapping[Axes, Sequence[Point]], runs: Sequence[Run]
) -> None:
    """Names beside their points where there is room, the frontier's first.

    Of several series, whose names are long, only those on the frontier.
    """
    only_best = len(drawing.series(runs)) > 1
    figure.draw_without_rendering()  # lays the panels out, so that pixels are known
    for panel, points in panels.items():
        best = frontier(points)
        ordered = [*best, *(p for p in points if p not in best and not only_best)]
        texts = [
            panel.annotate(
                drawing.pretty(label(p.run, runs)), (p.tokens, p.score.mean), fontsize=6,
                annotation_clip=False, zorder=4,
            )
            for p in ordered
        ]  # fmt: skip
        sizes = [(box.width, box.height) for box in (text.get_window_extent() for text in texts)]
        at = [tuple(panel.transData.transform((p.tokens, p.score.mean))) for p in ordered]
        left, *ends = panel.get_window_extent().extents
        room = Box(left + NEAR, *ends)
        boxes = place_names(at, sizes, _taken(panel, points, best), room)
        to_data = panel.transData.inverted()
        for text, box in zip(texts, boxes, strict=True):
            text.set_in_layout(False)
            if box is None:
                text.remove()
            else:
                x, y = to_data.transform((box.left, box.bottom))
                text.set_position((x, y))


def _taken(panel: Axes, points: Sequence[Point], best: Sequence[Point]) -> list[Box]:
    """The pixels of marks, intervals and the frontier."""

    def box(x: float, low: float, right: float, high: float, near: float) -> Box:
        (a, b), (c, d) = panel.transData.transform([(x, low), (right, high)])
        return Box(a - near, b - near, c + near, d + near)

    boxes = []
    for tokens, score, _ in points:
        low, high = score.ends
        boxes.append(box(tokens, score.mean, tokens, score.mean, NEAR))
        boxes.append(box(tokens, low, tokens, high, NEAR / 2))
    following: list[Point | None] = [*best[1:], None]
    for point, right in zip(best, following, strict=True):
        level, x = point.score.mean, right.tokens if right else panel.get_xlim()[1]
        boxes.append(box(point.tokens, level, x, level, NEAR / 2))
        if right:
            boxes.append(box(x, level, x, right.score.mean, NEAR / 2))
    return boxes


class Box(NamedTuple):
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)

    def inside(self, other: Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.bottom <= self.bottom and self.top <= other.top


def place_names(
    points: Sequence[Pixels], sizes: Sequence[Pixels], taken: Sequence[Box], room: Box
) -> list[Box | None]:
    """A box for each point's name, earlier ones first; None where there is no room for it.

    Names, of widths and heights ``sizes``, must be in the ``room``, and cover nothing that is
    ``taken``.
    """
    kept, boxes = list(taken), []
    for point, size in zip(points, sizes, strict=True):
        inside = (box for box in _boxes(point, size) if box.inside(room))
        box = next((box for box in inside if not any(map(box.meets, kept))), None)
        boxes.append(box)
        kept += [box] if box else []
    return boxes


def _boxes(point: Pixels, size: Pixels) -> Iterator[Box]:
    (x, y), (width, height) = point, size
    for ring, (right, up) in product(RINGS, SIDES):
        left = x - width / 2 + right * (width / 2 + 0.7 * height)
        # beside its point a name is at once; above and below a little away from it
        bottom = y - height / 2 + up * ring * height
        if right and not up:
            left += right * (ring - 1) * height
        yield Box(left, bottom, left + width, bottom + height)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers in a range of positive ones, at most `TICKS` up to five decades."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    ticks: list[float] = []
    for steps in STEPS:
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) <= TICKS:
            break
    return ticks
