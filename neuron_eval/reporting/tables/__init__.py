"""The report's tables; each registers itself, and a new one is one file in this folder.

    @report_table("longest")
    def longest_table(runs: Sequence[Run]) -> Table: ...

A user's own package names such a module by an entry point of the group ``neuron_eval.tables``.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence

from neuron_eval.plugins import load_plugins
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.cost import Price
from neuron_eval.reporting.tables.base import MAKERS, Maker, Table, made_tables

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

FIRST = (
    *("scores", "measures", "rescaled", "preference", "paired", "pair", "tokens", "usage"),
    *("agreement", "failures"),
    *("ratings", "rater_agreement", "rating_agreement", "attention", "raters"),
)
"""The order of the paper; others follow, as they were registered."""


def table_names() -> tuple[str, ...]:
    """What every table that there may be is called."""
    return tuple(name for names, _ in _makers() for name in names)


def all_tables(
    collected: Collected,
    baseline: str = "original",
    prices: Mapping[str, Price] | None = None,
    by: Sequence[str] = (),
) -> list[Table]:
    """Every table of the report, in its order; there is at least one run, rater or sanity check.

    ``by`` of ``layer`` or ``group`` adds the score table for each of them.
    """
    parts = ("runs", "controls", "raters", "checks", "pair")
    material = {name: getattr(collected, name) for name in parts}
    material |= {"baseline": baseline, "prices": prices, "by": by}
    return [table for names, make in _makers() for table in made_tables(names, make, material)]


def _makers() -> list[tuple[tuple[str, ...], Maker]]:
    load_plugins("tables")
    place = {name: i for i, name in enumerate(FIRST)}
    return sorted(MAKERS.items(), key=lambda item: place.get(item[0][0], len(place)))
