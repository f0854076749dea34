"""Do the automatic scores agree with the raters?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np

from neuron_eval.logs.runs import Run
from neuron_eval.report.agreeing import clustered
from neuron_eval.report.comparing import measured_by, rater_label, scorer_name, scorers
from neuron_eval.report.people import all_people
from neuron_eval.report.rated import scores_of_texts, with_ratings
from neuron_eval.report.raters import Rater
from neuron_eval.report.statistics import spearman
from neuron_eval.report.tables.agreement import OVER_NEURONS, OVER_RUNS, over_neurons_and_runs
from neuron_eval.report.tables.base import INTERVAL, Cell, Column, Table, interval_text, words

RATING = "\0rating"
"""What a rating is called among a run's scores; no scorer is called that."""

COLUMNS = (
    Column("score"),
    Column("rater"),
    Column("over explanations", True, INTERVAL),
    *OVER_NEURONS,
    *OVER_RUNS,
)
TITLE = "Agreement of scores with raters (Spearman's rank correlation)"
NOTES = (
    "Over explanations: between score and rating of every different explanation of every neuron "
    "[95 % bootstrap interval over neurons].",
    "Over neurons: within each run; the mean of the runs in which it is defined, whose number and "
    "neurons follow. Over runs: between the means of the runs over the common neurons.",
    "Undefined: fewer than three values, or a score or rating that is the same for all.",
)
Point = tuple[float, float]
"""A score and a rating."""


def rating_agreement_table(runs: Sequence[Run], raters: Sequence[Rater]) -> Table:
    """A row a score and rater, then the people together.

    Args:
        runs: The runs whose explanations were rated; may be none.
        raters: At least one.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, scorer, of in _scores(scores_of_texts(runs)):
        for label, rater in _raters(raters):
            rated = with_ratings(of, rater, RATING)
            if _points(rated, scorer):
                rows.append(_row(name, label, scorer, rated))
    if not rows:
        why = "none of the logs of explanations holds a scored explanation that was rated"
        return Table("rating_agreement", TITLE, COLUMNS, (), (f"No scores to compare: {why}.",))
    return Table("rating_agreement", TITLE, COLUMNS, tuple(rows), NOTES)


def _scores(runs: Sequence[Run]) -> Iterator[tuple[str, str, list[Run]]]:
    """Each score; apart where different models measured it."""
    for scorer in scorers(runs):
        models = list(dict.fromkeys(measured_by(run, scorer) for run in runs))
        models = [m for m in models if m or len(models) == 1]
        for model in models:
            name = scorer_name(scorer) if len(models) == 1 else f"{scorer_name(scorer)} by {model}"
            yield name, scorer, [run for run in runs if measured_by(run, scorer) == model]


def _raters(raters: Sequence[Rater]) -> list[tuple[str, Rater]]:
    named = [(rater_label(one, raters), one) for one in raters]
    return named + [(one.rater.name, one.rater) for one in all_people(raters)]


def _row(name: str, rater: str, scorer: str, runs: Sequence[Run]) -> tuple[Cell, ...]:
    over = over_neurons_and_runs(runs, scorer, RATING)
    return (words(name), words(rater), _over_explanations(runs, scorer), *over)


def _over_explanations(runs: Sequence[Run], scorer: str) -> Cell:
    neurons = _points(runs, scorer)
    scores = np.array([score for points in neurons for score, _ in points])
    ratings = np.array([rating for points in neurons for _, rating in points])
    n = scores.size
    found = clustered([len(p) for p in neurons], lambda at: spearman(scores[at], ratings[at]))
    if found is None:
        return Cell("undefined", extra=(None, None, n))
    ends = (found.lower, found.upper)
    interval = "" if found.lower is None else f" {interval_text(*ends, '+z.2f')}"
    return Cell(f"{found.value:+z.2f}{interval}", found.value, extra=(*ends, n))


def _points(runs: Sequence[Run], scorer: str) -> list[list[Point]]:
    """By neuron, a point for each different explanation; its score is the mean of its runs'."""
    found: dict[str, dict[str, list[Point]]] = {}
    for run in runs:
        for id, one in run.results.items():
            if scorer in one.scores and RATING in one.scores:
                point = (one.scores[scorer], one.scores[RATING])
                text = one.explanation.strip()
                found.setdefault(id, {}).setdefault(text, []).append(point)
    return [
        [(fmean(score for score, _ in points), points[0][1]) for points in of.values()]
        for of in found.values()
    ]
