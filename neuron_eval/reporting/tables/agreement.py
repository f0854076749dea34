"""Table 4: do the measures agree with each other, and with the raters?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

import numpy as np

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import (
    measured_by,
    rater_label,
    scored_ids,
    scorer_name,
    scorers,
    values,
)
from neuron_eval.reporting.raters import Rater, all_people, scores_of_texts, with_ratings
from neuron_eval.reporting.statistics import Agreement, clustered, spearman
from neuron_eval.reporting.tables.base import (
    INTERVAL,
    Cell,
    Column,
    Row,
    Table,
    count,
    interval_text,
    report_table,
    words,
)

OVER_NEURONS_AND_RUNS = (
    Column("over neurons", True, (" lowest run", " highest run")),
    Column("runs", numeric=True),
    Column("neurons", True, (" fewest", " most")),
    Column("over runs", numeric=True),
    Column("common neurons", True, short="common"),
)
COLUMNS = (Column("measure"), Column("other measure", short="other"), *OVER_NEURONS_AND_RUNS)
NOTES = (
    "Over neurons: within each run, over the neurons that both measures scored; the mean of the "
    "runs in which it is defined, whose number and neurons follow.",
    "Over runs: between the means of the runs, each over the common neurons, which both measures "
    "scored in every run. Each run is a format with its models.",
    "Undefined: fewer than three values, or a measure that is the same for all.",
)
RATING = "\0rating"  # what a rating is called among a run's scores; no scorer is called that

RATING_COLUMNS = (
    Column("score"),
    Column("rater"),
    Column("over explanations", True, INTERVAL),
    *OVER_NEURONS_AND_RUNS,
)
RATING_NOTES = (
    "Over explanations: between score and rating of every different explanation of every neuron "
    "[95 % bootstrap interval over neurons].",
    "Over neurons: within each run; the mean of the runs in which it is defined, whose number and "
    "neurons follow. Over runs: between the means of the runs over the common neurons.",
    "Undefined: fewer than three values, or a score or rating that is the same for all.",
)
ScoreAndRating = tuple[float, float]


@report_table("agreement")
def agreement_table(runs: Sequence[Run]) -> Table:
    """A row for every pair of scorers."""
    names = scorers(runs)
    title = "Agreement of measures (Spearman's rank correlation)"
    if len(names) < 2:
        why = f"only {scorer_name(names[0])} has scores" if names else "nothing was scored"
        return Table("agreement", title, COLUMNS, (), (f"No measures to compare: {why}.",))
    rows = tuple(
        (words(scorer_name(a)), words(scorer_name(b)), *_over_neurons_and_runs(runs, a, b))
        for a, b in combinations(names, 2)
    )
    return Table("agreement", title, COLUMNS, rows, NOTES)


@report_table("rating_agreement")
def rating_agreement_table(runs: Sequence[Run], raters: Sequence[Rater]) -> Table:
    """A row a score and rater, then the people together; there may be no runs."""
    named = [(rater_label(rater, raters), rater) for rater in raters]
    named += [(people.rater.name, people.rater) for people in all_people(raters)]
    rows: list[Row] = []
    for name, scorer, of in _scores(scores_of_texts(runs)):
        for label, rater in named:
            rated = with_ratings(of, rater, RATING)
            if points := _points(rated, scorer):
                over = _over_neurons_and_runs(rated, scorer, RATING)
                rows.append((words(name), words(label), _over_explanations(points), *over))
    notes: tuple[str, ...] = RATING_NOTES
    if not rows:
        why = "none of the logs of explanations holds a scored explanation that was rated"
        notes = (f"No scores to compare: {why}.",)
    title = "Agreement of scores with raters (Spearman's rank correlation)"
    return Table("rating_agreement", title, RATING_COLUMNS, tuple(rows), notes)


def rho_cell(rho: float | None) -> Cell:
    return Cell("undefined") if rho is None else Cell(f"{rho:+z.2f}", rho)


def agreement_cell(agreement: Agreement | None, spec: str, more: tuple[int, ...] = ()) -> Cell:
    """A statistic with its interval, if it has one, for a column with its ends and ``more``."""
    if agreement is None:
        return Cell("undefined", extra=(None, None, *more))
    ends = (agreement.lower, agreement.upper)
    interval = "" if agreement.lower is None else f" {interval_text(*ends, spec)}"
    return Cell(f"{agreement.value:{spec}}{interval}", agreement.value, extra=(*ends, *more))


def _over_neurons_and_runs(runs: Sequence[Run], a: str, b: str) -> Row:
    """The cells of `OVER_NEURONS_AND_RUNS` for two scorers."""
    both = {r.log: [i for i in scored_ids(r, a) if b in r.results[i].scores] for r in runs}
    defined = [
        (rho, len(both[run.log]))
        for run in runs
        if (rho := spearman(*(values(run, both[run.log], m) for m in (a, b)))) is not None
    ]
    rhos, counts = [rho for rho, _ in defined], [n for _, n in defined]
    with_both = [run for run in runs if both[run.log]]
    common = set.intersection(*(set(both[run.log]) for run in with_both)) if with_both else set()
    ids = sorted(common)
    means = [[fmean(values(run, ids, m)) for m in (a, b)] for run in with_both] if ids else []
    over_runs = spearman([m[0] for m in means], [m[1] for m in means])
    return (
        _over_neurons(rhos),
        count(len(rhos)),
        _range(counts),
        rho_cell(over_runs),
        count(len(ids)),
    )


def _over_neurons(rhos: Sequence[float]) -> Cell:
    if not rhos:
        return Cell("undefined", extra=(None, None))
    low, high = min(rhos), max(rhos)
    between = f" ({low:+z.2f} to {high:+z.2f})" if len(rhos) > 1 else ""
    return Cell(f"{fmean(rhos):+z.2f}{between}", fmean(rhos), extra=(low, high))


def _range(counts: Sequence[int]) -> Cell:
    """How many neurons the runs have."""
    low, high = min(counts, default=0), max(counts, default=0)
    text = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return Cell(text, low if low == high else fmean(counts), extra=(low, high))


def _scores(runs: Sequence[Run]) -> Iterator[tuple[str, str, list[Run]]]:
    """Each score; apart where different models measured it."""
    for scorer in scorers(runs):
        models = list(dict.fromkeys(measured_by(run, scorer) for run in runs))
        models = [m for m in models if m or len(models) == 1]
        for model in models:
            name = scorer_name(scorer) if len(models) == 1 else f"{scorer_name(scorer)} by {model}"
            yield name, scorer, [run for run in runs if measured_by(run, scorer) == model]


def _over_explanations(neurons: Sequence[Sequence[ScoreAndRating]]) -> Cell:
    points = np.array([point for points in neurons for point in points])
    agreement = clustered([len(p) for p in neurons], lambda at: spearman(*points[at].T))
    return agreement_cell(agreement, "+z.2f", (len(points),))


def _points(runs: Sequence[Run], scorer: str) -> list[list[ScoreAndRating]]:
    """By neuron, a point for each different explanation; its score is the mean of its runs'."""
    neurons: dict[str, dict[str, list[ScoreAndRating]]] = {}
    for run in runs:
        for id, result in run.results.items():
            if scorer in result.scores and RATING in result.scores:
                point = (result.scores[scorer], result.scores[RATING])
                texts = neurons.setdefault(id, {})
                texts.setdefault(result.explanation.strip(), []).append(point)
    return [
        [(fmean(score for score, _ in points), points[0][1]) for points in texts.values()]
        for texts in neurons.values()
    ]
