"""The paper's table of human ratings; who rated, how much of it, and how attentively."""

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from neuron_eval.rating.judging import consistency
from neuron_eval.reporting.comparing import rater_label
from neuron_eval.reporting.raters import Rater, all_people
from neuron_eval.reporting.statistics import estimate
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, MEANS, Cell, Column, Row, Table
from neuron_eval.reporting.tables.failures import grouped

RATINGS = (
    Column("rater"),
    Column("explanations"),
    Column("neurons", numeric=True),
    Column("rating", True, INTERVAL),
    Column("chosen best", True, INTERVAL),
)
TITLE = "Ratings, 1 to 5, and share of neurons on which an explanation was chosen as the best"
CHOSEN = (
    "Explanations of a neuron that say the same are shown once and credited alike, so the shares "
    "of a rater may add up to more than 1; where another neuron's explanation was planted and "
    "chosen, to less."
)
PEOPLE = "All people: each neuron's mean over the people who rated it, each of whom counts once."
RATERS = (
    Column("rater"),
    Column("excerpts"),
    Column("neurons", numeric=True),
    Column("rated", numeric=True),
    Column("not rated"),
    Column("seconds per neuron", numeric=True),
    Column("log"),
)
RATERS_NOTES = (
    "Excerpts: train are those that the explainer saw, valid those held out.",
    "Seconds: the median; only people are timed.",
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


@base.report_table("ratings")
def ratings_table(raters: Sequence[Rater]) -> Table:
    """A row per rater and format, then the people's means where there are several people."""
    people = all_people(raters)
    named = [(rater_label(rater, raters), rater) for rater in raters]
    named += [(group.name, group) for group, _ in people]
    rows = [row for name, rater in named for row in _ratings(rater, name)]
    best = base.best_notes(RATINGS, rows, " of a rater")
    notes = [MEANS, *best, CHOSEN, *([PEOPLE] if people else [])]
    notes += [
        f"{group.name}: left out for having shown them different explanations: "
        f"{left_out:,} of {left_out + len(group.neurons):,} neurons."
        for group, left_out in people
        if left_out
    ]
    return base.with_note_on_few(Table("ratings", TITLE, RATINGS, tuple(rows), tuple(notes)))


@base.report_table("raters")
def raters_table(raters: Sequence[Rater]) -> Table:
    """A row per rater: how many neurons it rated, why not the others, how long it took."""
    rows = tuple(_rater(rater, rater_label(rater, raters)) for rater in raters)
    return Table("raters", "Raters", RATERS, rows, RATERS_NOTES)


@base.report_table("attention")
def attention_table(raters: Sequence[Rater]) -> Table:
    """A row per rater and check that was asked for."""
    rows = tuple(
        base.row_of(rater_label(rater, raters), *row) for rater in raters for row in _checks(rater)
    )
    notes = ATTENTION_NOTES if rows else (NO_CHECKS,)
    return Table("attention", "Checks of attention, and bias of place", ATTENTION, rows, notes)


def _ratings(rater: Rater, name: str) -> list[Row]:
    judgements = rater.judgements
    ratings = _cells({c: [j.ratings[c] for j in judgements] for c in rater.columns})
    chosen = _cells({c: [j.best[c] for j in judgements] for c in rater.columns})
    none = base.estimate_cell(None)
    return [
        base.row_of(name, c, len(judgements), ratings.get(c, none), chosen.get(c, none))
        for c in rater.columns
    ]


def _cells(values: dict[str, list[float]]) -> dict[str, Cell]:
    means = {column: mean for column, own in values.items() if (mean := estimate(own))}
    return base.beside_the_best(means, values, ".2f")


def _rater(rater: Rater, name: str) -> Row:
    reasons = grouped((rater.log, n.reason) for n in rater.neurons if n.judgement is None)
    times = [n.seconds for n in rater.neurons if n.seconds is not None]
    return base.row_of(
        *(name, rater.excerpts, len(rater.neurons), len(rater.judgements)),
        "; ".join(f"{reason.count}: {reason.text}" for reason in reasons),
        base.number(median(times) if times else None, ".0f", missing=""),
        ", ".join(log.rpartition("/")[2] for log in (rater.log, *rater.further_logs)),
    )


def _checks(rater: Rater) -> Iterator[tuple[str, Cell, int]]:
    """What was checked, the result, and of how many."""
    twice = [(n.judgement, n.again) for n in rater.neurons if n.judgement and n.again]
    n = len(twice)
    if (agreed := consistency(twice)) is not None:
        yield "shown twice: difference", base.number(agreed[0], ".2f"), n
        same = sum(first.best == second.best for first, second in twice)
        yield "shown twice: same choice", base.share(same, n), n
    planted = [planted for neuron in rater.neurons for planted in neuron.planted]
    if n := len(planted):
        yield "planted: mean rating", base.number(fmean(p.rating for p in planted), ".2f"), n
        yield "planted: rated lowest", base.share(sum(p.lowest for p in planted), n), n
        yield "planted: chosen best", _percent(fmean(p.chosen for p in planted)), n
    for place in rater.places:
        at, n = f"place {place.number}", place.questions
        yield f"{at}: rating above the mean", base.number(place.rating, "+.2f"), n
        yield f"{at}: chosen above chance", _percent(place.chosen, "+.0f"), n


def _percent(value: float, spec: str = ".0f") -> Cell:
    return Cell(f"{100 * value:{spec}} %", value)
