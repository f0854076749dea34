"""Who rated, how much of it, and how attentively."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from neuron_eval.rating.judging import consistency
from neuron_eval.report.comparing import rater_label
from neuron_eval.report.raters import Rater
from neuron_eval.report.tables.base import Cell, Column, Table, number, share, whole, words
from neuron_eval.report.tables.reasons import grouped

RATERS = (
    Column("rater"),
    Column("excerpts"),
    Column("neurons", numeric=True),
    Column("rated", numeric=True),
    Column("not rated"),
    Column("seconds a neuron", numeric=True),
    Column("log"),
)
ATTENTION = (
    Column("rater"),
    Column("check"),
    Column("result", numeric=True),
    Column("of", numeric=True),
)
ATTENTION_NOTES = (
    "Shown twice: the mean difference between the two ratings of a format's explanation (0 for a "
    "rater who agrees with itself), and the share of neurons with the same choice.",
    "Planted: another neuron's explanation among a neuron's own. An attentive rater gives it the "
    "lowest rating and never chooses it.",
    "Place: where an explanation stood, over all orders: its rating minus the mean of its "
    "question, and its share of choices minus what chance gives. Without a bias both are near 0.",
)
NO_CHECKS = (
    "Nothing was checked. When rating, repeat=N shows N neurons twice, planted=true plants "
    "another neuron's explanation, orders=K asks a model in K orders."
)


def raters_table(raters: Sequence[Rater]) -> Table:
    """A row a rater: how many neurons it rated, why not the others, how long it took.

    Args:
        raters: At least one.
    """
    rows = tuple(_rater(rater, rater_label(rater, raters)) for rater in raters)
    notes = (
        "Excerpts: train are those that the explainer saw, valid those held out.",
        "Seconds: the median; only people are timed.",
    )
    return Table("raters", "Raters", RATERS, rows, notes)


def attention_table(raters: Sequence[Rater]) -> Table:
    """A row a rater and check that was asked for.

    Args:
        raters: At least one.
    """
    rows = tuple(
        (words(rater_label(rater, raters)), *row) for rater in raters for row in _checks(rater)
    )
    notes = ATTENTION_NOTES if rows else (NO_CHECKS,)
    return Table("attention", "Checks of attention, and bias of place", ATTENTION, rows, notes)


def _rater(rater: Rater, name: str) -> tuple[Cell, ...]:
    reasons = [(rater.log, one.reason) for one in rater.neurons if one.said is None]
    told = "; ".join(f"{one.count}: {one.text}" for one in grouped(reasons))
    times = [one.seconds for one in rater.neurons if one.seconds is not None]
    return (
        words(name),
        words(rater.excerpts),
        whole(len(rater.neurons)),
        whole(len(rater.said)),
        words(told),
        number(median(times) if times else None, ".0f", missing=""),
        words(rater.log.rpartition("/")[2]),
    )


def _checks(rater: Rater) -> Iterator[tuple[Cell, ...]]:
    neurons = rater.neurons
    twice = [(one.said, one.again) for one in neurons if one.said and one.again]
    agreed = consistency((first, second) for first, second in twice)
    if agreed is not None:
        yield words("shown twice: difference"), number(agreed[0], ".2f"), whole(len(twice))
        same = sum(first.best == second.best for first, second in twice)
        yield words("shown twice: same choice"), share(same, len(twice)), whole(len(twice))
    planted = [told for one in neurons for told in one.planted]
    if planted:
        n = whole(len(planted))
        yield words("planted: mean rating"), number(fmean(p.rating for p in planted), ".2f"), n
        yield words("planted: rated lowest"), share(sum(p.lowest for p in planted), len(planted)), n
        yield words("planted: chosen best"), _percent(fmean(p.chosen for p in planted)), n
    for place in rater.places:
        at, n = f"place {place.number}", whole(place.questions)
        yield words(f"{at}: rating above the mean"), number(place.rating, "+.2f"), n
        yield words(f"{at}: chosen above chance"), _percent(place.chosen, "+.0f"), n


def _percent(value: float, spec: str = ".0f") -> Cell:
    return Cell(f"{100 * value:{spec}} %", value)
