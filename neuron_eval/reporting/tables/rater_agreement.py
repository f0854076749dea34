"""Do raters agree with each other? Krippendorff's alpha, and rank correlation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal

from neuron_eval.reporting.comparing import rater_label
from neuron_eval.reporting.raters import (
    Explanation,
    Rater,
    Value,
    by_explanation,
    choice_units,
    raters_once,
    rating_units,
)
from neuron_eval.reporting.statistics import RESAMPLES, Agreement, Places, clustered, spearman
from neuron_eval.reporting.tables.agreement import agreement_cell, rho_cell
from neuron_eval.reporting.tables.base import Cell, Column, Row, Table, count, report_table, words

Unit = Sequence[Value]  # what several raters said of one thing

ENDS = (" lower", " upper")
COLUMNS = (
    Column("raters"),
    Column("alpha of ratings", True, ENDS),
    Column("explanations", numeric=True),
    Column("alpha of choices", True, ENDS),
    Column("neurons", numeric=True),
    Column("rank correlation", numeric=True),
)
TITLE = "Agreement of raters (Krippendorff's alpha)"
NOTES = (
    "Alpha: 1 where raters agree, 0 where they agree as often as by chance, below 0 where they "
    "contradict each other. Ratings are ordinal, over explanations that two raters or more rated; "
    "choices nominal, over neurons.",
    "Rank correlation: Spearman's, between two raters' ratings of an explanation: what an "
    "automatic score's correlation with a rater can be measured against.",
    "[95 % bootstrap interval over neurons]: for groups, and where there are two raters only.",
    "Undefined: everybody said the same of everything, so nothing can be told from chance. None: "
    "no two saw the same set of explanations of a neuron, so there is no choice to compare.",
)


@report_table("rater_agreement")
def rater_agreement_table(raters: Sequence[Rater]) -> Table:
    """A row for all raters, for the people, for the models, and for every other pair."""
    groups = list(_groups(raters))
    rows = [_row(name, group, True) for name, group in groups]
    for pair in combinations(raters, 2):
        if rating_units(pair) and not any(list(pair) == group for _, group in groups):
            name = " and ".join(rater_label(rater, raters) for rater in pair)
            rows.append(_row(name, pair, len(raters) == 2))
    if not rows:
        why = "one rater" if len(raters) == 1 else "no explanation was rated by two raters"
        return Table("rater_agreement", TITLE, COLUMNS, (), (f"No raters to compare: {why}.",))
    return Table("rater_agreement", TITLE, COLUMNS, tuple(rows), NOTES)


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


def _row(name: str, raters: Sequence[Rater], interval: bool) -> Row:
    ratings, choices = rating_units(raters), choice_units(raters)
    chosen = agreement_cell(krippendorff(choices, "nominal", interval), "z.2f")
    return (
        words(name),
        agreement_cell(krippendorff(ratings, "ordinal", interval), "z.2f"),
        count(sum(len(units) for units in ratings)),
        chosen if choices else Cell("none", extra=(None, None)),
        count(len(choices)),
        _rank(*map(by_explanation, raters)) if len(raters) == 2 else Cell(""),
    )


def _rank(a: Mapping[Explanation, float], b: Mapping[Explanation, float]) -> Cell:
    both = [key for key in a if key in b]
    return rho_cell(spearman([a[key] for key in both], [b[key] for key in both]))


def krippendorff(
    neurons: Sequence[Sequence[Unit]], level: Literal["nominal", "ordinal"], interval: bool = True
) -> Agreement | None:
    """Krippendorff's alpha, as Inspect has it, of each neuron's units, each of two raters or more.

    ``ordinal`` is for ratings, ``nominal`` for choices. None if there are no units, or everybody
    said the same of everything: nothing can be told from chance then.
    """
    from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha

    values = [frozenset(unit) for units in neurons for unit in units]
    if not values:
        return None
    alpha = krippendorff_alpha(level)
    scores = [SampleScore(score=Score(value=list(unit))) for units in neurons for unit in units]

    def statistic(chosen: Places) -> float | None:
        # Where everybody always says the same, Inspect's alpha is 1 by convention.
        if len(frozenset().union(*(values[i] for i in chosen))) < 2:
            return None
        return float(alpha([scores[i] for i in chosen]))  # type: ignore[arg-type]

    # Inspect's takes 3 ms for 1,000 units.
    resamples = max(200, min(RESAMPLES, 400_000 // len(scores)))
    return clustered([len(units) for units in neurons], statistic, resamples if interval else 0)
