"""Do raters agree with each other?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from neuron_eval.report.agreeing import Agreement, krippendorff
from neuron_eval.report.comparing import rater_label
from neuron_eval.report.people import whole_raters
from neuron_eval.report.rated import by_explanation, choice_units, rating_units
from neuron_eval.report.raters import Rater
from neuron_eval.report.statistics import spearman
from neuron_eval.report.tables.base import Cell, Column, Table, interval_text, whole, words

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


def rater_agreement_table(raters: Sequence[Rater]) -> Table:
    """A row for all raters, for the people, for the models, and for every other pair.

    Args:
        raters: At least one.
    """
    groups = list(_groups(raters))
    rows = [_row(name, group, True) for name, group in groups]
    for pair in combinations(raters, 2):
        told = any(list(pair) == group for _, group in groups)
        if rating_units(pair) and not told:
            name = " and ".join(rater_label(one, raters) for one in pair)
            rows.append(_row(name, pair, len(raters) == 2))
    if not rows:
        why = "one rater" if len(raters) == 1 else "no explanation was rated by two raters"
        return Table("rater_agreement", TITLE, COLUMNS, (), (f"No raters to compare: {why}.",))
    return Table("rater_agreement", TITLE, COLUMNS, tuple(rows), NOTES)


def _groups(raters: Sequence[Rater]) -> Iterator[tuple[str, list[Rater]]]:
    """All, people and models where they are not the same; each rater once, of all its logs."""
    settings = list(dict.fromkeys((one.excerpts, one.pack) for one in raters))
    for number, setting in enumerate(settings, start=1):
        once = whole_raters([one for one in raters if (one.excerpts, one.pack) == setting])
        suffix = f", {setting[0]}" if len({excerpts for excerpts, _ in settings}) > 1 else ""
        if len({excerpts for excerpts, _ in settings}) < len(settings):
            suffix += f", wording {number}"
        groups = {
            "all raters": once,
            "all people": [one for one in once if one.person],
            "all models": [one for one in once if not one.person],
        }
        told: list[list[Rater]] = []
        for name, group in groups.items():
            if len(group) > 1 and len(raters) > 2 and group not in told and rating_units(group):
                told.append(group)
                yield f"{name} ({len(group)}){suffix}", group


def _row(name: str, raters: Sequence[Rater], interval: bool) -> tuple[Cell, ...]:
    ratings, choices = rating_units(raters), choice_units(raters)
    return (
        words(name),
        _alpha(krippendorff(ratings, "ordinal", interval)),
        whole(sum(len(units) for units in ratings)),
        _alpha(krippendorff(choices, "nominal", interval))
        if choices
        else Cell("none", extra=(None, None)),
        whole(len(choices)),
        _rank(raters) if len(raters) == 2 else Cell(""),
    )


def _alpha(found: Agreement | None) -> Cell:
    if found is None:
        return Cell("undefined", extra=(None, None))
    ends = (found.lower, found.upper)
    text = f"{found.value:z.2f}"
    if found.lower is not None:
        text = f"{text} {interval_text(*ends, 'z.2f')}"
    return Cell(text, found.value, extra=ends)


def _rank(raters: Sequence[Rater]) -> Cell:
    first, second = map(by_explanation, raters)
    both = [(first[one], second[one]) for one in first if one in second]
    rho = spearman([a for a, _ in both], [b for _, b in both])
    return Cell("undefined") if rho is None else Cell(f"{rho:+z.2f}", rho)
