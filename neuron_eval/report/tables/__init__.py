"""The report's tables, one a file: from runs to text and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuron_eval.report.prices import Price
from neuron_eval.report.runs import Collected
from neuron_eval.report.tables.agreement import agreement_table
from neuron_eval.report.tables.base import Table
from neuron_eval.report.tables.failures import failures_table
from neuron_eval.report.tables.paired import paired_table
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
        collected: The runs, at least one.
        baseline: The format that the others are compared with.
        prices: By model, see `neuron_eval.report.prices.read_prices`.
        by: ``layer`` and ``group`` add the score table for each of them.

    Raises:
        ValueError: ``by`` names something else.
    """
    runs = collected.runs
    return [
        scores_table(runs),
        *(scores_table(runs, one) for one in dict.fromkeys(by)),
        paired_table(runs, baseline),
        tokens_table(runs, baseline),
        usage_table(runs, prices),
        agreement_table(runs),
        failures_table(runs),
    ]
