"""The paper's table of human ratings: how each format is rated, and how often it is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.report.comparing import rater_label
from neuron_eval.report.people import People, all_people
from neuron_eval.report.raters import Rater
from neuron_eval.report.statistics import estimate
from neuron_eval.report.tables.base import (
    INTERVAL,
    Cell,
    Column,
    Table,
    estimate_cell,
    few_neurons,
    whole,
    words,
)
from neuron_eval.report.tables.best import BEST, MEANS, beside_the_best

COLUMNS = (
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


def ratings_table(raters: Sequence[Rater]) -> Table:
    """A row a rater and format, then the people's means where there are several people.

    Args:
        raters: At least one.
    """
    people = all_people(raters)
    named = [(rater_label(one, raters), one) for one in raters]
    named += [(one.rater.name, one.rater) for one in people]
    rows = [row for name, rater in named for row in _rows(rater, name)]
    counts = [int(row[3].extra[-1] or 0) for row in rows]
    notes = [MEANS, BEST.format(where=" of a rater"), CHOSEN, *_about(people)]
    return Table("ratings", TITLE, COLUMNS, tuple(rows), (*notes, *few_neurons(counts)))


def _about(people: Sequence[People]) -> list[str]:
    left_out = [
        f"{one.rater.name}: left out for having shown them different explanations: "
        f"{one.left_out:,} of {one.left_out + len(one.rater.neurons):,} neurons."
        for one in people
        if one.left_out
    ]
    return [*([PEOPLE] if people else []), *left_out]


def _rows(rater: Rater, name: str) -> list[tuple[Cell, ...]]:
    said = rater.said
    ratings = {column: [one.ratings[column] for one in said] for column in rater.columns}
    chosen = {column: [one.best[column] for one in said] for column in rater.columns}
    rating_cells, chosen_cells = _cells(ratings), _cells(chosen)
    return [
        (
            words(name),
            words(column),
            whole(len(said)),
            rating_cells.get(column) or estimate_cell(None),
            chosen_cells.get(column) or estimate_cell(None),
        )
        for column in rater.columns
    ]


def _cells(values: dict[str, list[float]]) -> dict[str, Cell]:
    found = {column: made for column, mine in values.items() if (made := estimate(mine))}
    return beside_the_best(found, values, ".2f")
