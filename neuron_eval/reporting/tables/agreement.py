"""Agreement by rank of measures, and of scores with raters; and of raters, by their alpha."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

import numpy as np

from neuron_eval.logs.runs import Run
from neuron_eval.reporting import comparing
from neuron_eval.reporting.comparing import measured_by, rater_label, scorer_name, scorers
from neuron_eval.reporting.raters import (
    Rater,
    all_people,
    by_explanation,
    choice_units,
    krippendorff,
    raters_once,
    rating_units,
    scores_of_texts,
    with_ratings,
)
from neuron_eval.reporting.statistics import Estimate, clustered, spearman
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, Cell, Column, Row, Table

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

ENDS = (" lower", " upper")
RATER_COLUMNS = (
    Column("raters"),
    Column("alpha of ratings", True, ENDS),
    Column("explanations", numeric=True),
    Column("alpha of choices", True, ENDS),
    Column("neurons", numeric=True),
    Column("rank correlation", numeric=True),
)
RATERS_TITLE = "Agreement of raters (Krippendorff's alpha)"
RATER_NOTES = (
    "Alpha: 1 where raters agree, 0 where they agree as often as by chance, below 0 where they "
    "contradict each other. Ratings are ordinal, over explanations that two raters or more rated; "
    "choices nominal, over neurons.",
    "Rank correlation: Spearman's, between two raters' ratings of an explanation: what an "
    "automatic score's correlation with a rater can be measured against.",
    "[95 % bootstrap interval over neurons]: for groups, and where there are two raters only.",
    "Undefined: everybody said the same of everything, so nothing can be told from chance. None: "
    "no two saw the same set of explanations of a neuron, so there is no choice to compare.",
)

ScoreAndRating = tuple[float, float]


@base.report_table("agreement")
def agreement_table(runs: Sequence[Run]) -> Table:
    """A row for every pair of scorers."""
    names = scorers(runs)
    title = "Agreement of measures (Spearman's rank correlation)"
    why = f"only {scorer_name(names[0])} has scores" if names else "nothing was scored"
    rows = tuple(
        base.row_of(scorer_name(a), scorer_name(b), *_over_neurons_and_runs(runs, a, b))
        for a, b in combinations(names, 2)
    )
    notes = NOTES if rows else (f"No measures to compare: {why}.",)
    return Table("agreement", title, COLUMNS, rows, notes)


@base.report_table("rating_agreement")
def rating_agreement_table(runs: Sequence[Run], raters: Sequence[Rater]) -> Table:
    """A row a score and rater, then the people together; there may be no runs."""
    named = [(rater_label(rater, raters), rater) for rater in raters]
    named += [(people.name, people) for people, _ in all_people(raters)]
    rows: list[Row] = []
    for name, scorer, of in _scores(scores_of_texts(runs)):
        for label, rater in named:
            rated = with_ratings(of, rater, RATING)
            if neurons := _points(rated, scorer):
                over = _over_neurons_and_runs(rated, scorer, RATING)
                rows.append(base.row_of(name, label, _over_explanations(neurons), *over))
    why = "none of the logs of explanations holds a scored explanation that was rated"
    notes = RATING_NOTES if rows else (f"No scores to compare: {why}.",)
    title = "Agreement of scores with raters (Spearman's rank correlation)"
    return Table("rating_agreement", title, RATING_COLUMNS, tuple(rows), notes)


def _rho(rho: float | None) -> Cell:
    return Cell("undefined") if rho is None else Cell(f"{rho:+z.2f}", rho)


def _statistic(agreement: Estimate | None, spec: str, more: tuple[int, ...] = ()) -> Cell:
    """A statistic with its interval, if it has one, for a column with its ends and ``more``."""
    if agreement is None:
        return Cell("undefined", extra=(None, None, *more))
    interval = "" if agreement.lower is None else f" {base.interval_text(agreement, spec)}"
    text = f"{agreement.mean:{spec}}{interval}"
    return Cell(text, agreement.mean, extra=(agreement.lower, agreement.upper, *more))


def _over_neurons_and_runs(runs: Sequence[Run], a: str, b: str) -> Row:
    """The cells of `OVER_NEURONS_AND_RUNS` for two scorers."""
    scored = {run.log: comparing.scored_ids(run, a) for run in runs}
    both = {r.log: [i for i in scored[r.log] if b in r.results[i].scores] for r in runs}
    values = comparing.values
    by_run = {r.log: spearman(*(values(r, both[r.log], m) for m in (a, b))) for r in runs}
    rhos = [rho for rho in by_run.values() if rho is not None]
    counts = [len(both[log]) for log, rho in by_run.items() if rho is not None]
    with_both = [run for run in runs if both[run.log]]
    common = set.intersection(*(set(both[run.log]) for run in with_both)) if with_both else set()
    ids = sorted(common)
    means = [[fmean(values(run, ids, m)) for m in (a, b)] for run in with_both] if ids else []
    fewest, most = min(counts, default=0), max(counts, default=0)
    text = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    neurons = Cell(text, fewest if fewest == most else fmean(counts), extra=(fewest, most))
    over_runs = spearman([m[0] for m in means], [m[1] for m in means])
    return base.row_of(_over_neurons(rhos), len(rhos), neurons, _rho(over_runs), len(ids))


def _over_neurons(rhos: Sequence[float]) -> Cell:
    if not rhos:
        return Cell("undefined", extra=(None, None))
    low, high = min(rhos), max(rhos)
    between = f" ({low:+z.2f} to {high:+z.2f})" if len(rhos) > 1 else ""
    return Cell(f"{fmean(rhos):+z.2f}{between}", fmean(rhos), extra=(low, high))


def _scores(runs: Sequence[Run]) -> Iterator[tuple[str, str, list[Run]]]:
    """Each score; apart where different models measured it."""
    for scorer in scorers(runs):
        models = list(dict.fromkeys(measured_by(run, scorer) for run in runs))
        models = [m for m in models if m or len(models) == 1]
        for model in models:
            name = scorer_name(scorer) if len(models) == 1 else f"{scorer_name(scorer)} by {model}"
            yield name, scorer, [run for run in runs if measured_by(run, scorer) == model]


def _over_explanations(neurons: Sequence[Sequence[ScoreAndRating]]) -> Cell:
    points = np.concatenate(neurons)
    agreement = clustered([len(p) for p in neurons], lambda at: spearman(*points[at].T))
    return _statistic(agreement, "+z.2f", (len(points),))


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


@base.report_table("rater_agreement")
def rater_agreement_table(raters: Sequence[Rater]) -> Table:
    """A row for all raters, for the people, for the models, and for every other pair."""
    groups = list(_groups(raters))
    rows = [_raters(name, group, True) for name, group in groups]
    for pair in combinations(raters, 2):
        if rating_units(pair) and not any(list(pair) == group for _, group in groups):
            name = " and ".join(rater_label(rater, raters) for rater in pair)
            rows.append(_raters(name, pair, len(raters) == 2))
    why = "one rater" if len(raters) == 1 else "no explanation was rated by two raters"
    notes = RATER_NOTES if rows else (f"No raters to compare: {why}.",)
    return Table("rater_agreement", RATERS_TITLE, RATER_COLUMNS, tuple(rows), notes)


def _groups(raters: Sequence[Rater]) -> Iterator[tuple[str, list[Rater]]]:
    """All, people and models where they are not the same; each rater once, of all its logs."""
    settings = list(dict.fromkeys((rater.excerpts, rater.pack) for rater in raters))
    for number, setting in enumerate(settings, start=1):
        once = raters_once([r for r in raters if (r.excerpts, r.pack) == setting])
        suffix = f", {setting[0]}" if len({excerpts for excerpts, _ in settings}) > 1 else ""
        if len({excerpts for excerpts, _ in settings}) < len(settings):
            suffix += f", wording {number}"
        groups = {
            "all raters": once,
            "all people": [rater for rater in once if rater.person],
            "all models": [rater for rater in once if not rater.person],
        }
        shown: list[list[Rater]] = []
        for name, group in groups.items():
            if len(group) > 1 and len(raters) > 2 and group not in shown and rating_units(group):
                shown.append(group)
                yield f"{name} ({len(group)}){suffix}", group


def _raters(name: str, raters: Sequence[Rater], interval: bool) -> Row:
    ratings, choices = rating_units(raters), choice_units(raters)
    chosen = _statistic(krippendorff(choices, "nominal", interval), "z.2f")
    rank = Cell("")
    if len(raters) == 2:
        first, second = map(by_explanation, raters)
        both = [key for key in first if key in second]
        rank = _rho(spearman([first[key] for key in both], [second[key] for key in both]))
    return base.row_of(
        name,
        _statistic(krippendorff(ratings, "ordinal", interval), "z.2f"),
        sum(len(units) for units in ratings),
        chosen if choices else Cell("none", extra=(None, None)),
        len(choices),
        rank,
    )
