"""The report's tables, one a file: from runs to text and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuron_eval.report.collecting import Collected
from neuron_eval.report.prices import Price
from neuron_eval.report.tables.agreement import agreement_table
from neuron_eval.report.tables.base import Table
from neuron_eval.report.tables.failures import failures_table
from neuron_eval.report.tables.paired import paired_table
from neuron_eval.report.tables.rater_agreement import rater_agreement_table
from neuron_eval.report.tables.raters import attention_table, raters_table
from neuron_eval.report.tables.rating_agreement import rating_agreement_table
from neuron_eval.report.tables.ratings import ratings_table
from neuron_eval.report.tables.scores import BY, scores_table
from neuron_eval.report.tables.tokens import tokens_table
from neuron_eval.report.tables.usage import usage_table

NAMES = (
    "scores",
    *(f"scores_by_{one}" for one in BY),
    "paired",
    "tokens",
    "usage",
    "agreement",
    "failures",
    "ratings",
    "rater_agreement",
    "rating_agreement",
    "attention",
    "raters",
)
"""What every table that there may be is called."""


def all_tables(
    collected: Collected,
    baseline: str = "original",
    prices: Mapping[str, Price] | None = None,
    by: Sequence[str] = (),
) -> list[Table]:
    """Every table of the report, in its order.

    Args:
        collected: The runs and raters, at least one of either.
        baseline: The format that the others are compared with.
        prices: By model, see `neuron_eval.report.prices.read_prices`.
        by: ``layer`` and ``group`` add the score table for each of them.

    Raises:
        ValueError: ``by`` names something else.
    """
    runs, raters = collected.runs, collected.raters
    tables: list[Table] = []
    if runs:
        tables += [
            scores_table(runs),
            *(scores_table(runs, one) for one in dict.fromkeys(by)),
            paired_table(runs, baseline),
            tokens_table(runs, baseline),
            usage_table(runs, prices),
            agreement_table(runs),
            failures_table(runs),
        ]
    if raters:
        tables += [
            ratings_table(raters),
            rater_agreement_table(raters),
            rating_agreement_table(runs, raters),
            attention_table(raters),
            raters_table(raters),
        ]
    return tables
