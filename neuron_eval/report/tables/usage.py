"""Table 3, second half: requests, tokens and dollars by role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

from neuron_eval.logs.runs import EXPLAINER, Run, Spent
from neuron_eval.report.prices import Price, dollars, price_of
from neuron_eval.report.tables.base import Cell, Column, Table, share, whole, words

COLUMNS = (
    Column("role"),
    Column("model"),
    Column("requests", numeric=True),
    Column("from Inspect's cache", numeric=True),
    Column("prompt tokens", numeric=True),
    Column("cached by the provider", numeric=True),
    Column("output tokens", numeric=True),
    Column("dollars", numeric=True),
    Column("price"),
)
NOTES = (
    "All runs together. Requests that Inspect's cache answered cost nothing and have no tokens "
    "here: without the cache the same runs would cost more.",
    "Prompt tokens: all of them, those that the provider had cached included.",
)
UNPRICED = "Unknown prices can be given in a prices file; until then the total leaves them out."


def usage_table(runs: Sequence[Run], prices: Mapping[str, Price] | None = None) -> Table:
    """A row a role and model, over all runs, and the total.

    Args:
        runs: At least one.
        prices: A file's prices.
    """
    rows: list[tuple[Cell, ...]] = []
    spent = add_up(one for run in runs for one in run.spent)
    costs: list[float | None] = []
    for one in spent:
        price = price_of(one.model, prices)
        costs.append(dollars(one, price))
        rows.append(_row(one, _dollars(costs[-1]), _source(price, costs[-1])))
    if not rows:
        notes: tuple[str, ...] = ("No requests to a model are in the logs.",)
        return Table("usage", "Usage and cost by role", COLUMNS, (), notes)
    unknown = any(cost is None for cost in costs)
    known = [cost for cost in costs if cost is not None]
    total = replace(_sum(spent), role="total", model="")
    rows.append(_row(total, *_total(known, unknown)))
    notes = (*NOTES, UNPRICED) if unknown else NOTES
    return Table("usage", "Usage and cost by role", COLUMNS, tuple(rows), notes)


def add_up(spent: Iterable[Spent]) -> list[Spent]:
    """What was spent, by role and model; the explainer first."""
    found: dict[tuple[str, str], list[Spent]] = {}
    for one in spent:
        found.setdefault((one.role, one.model), []).append(one)
    order = sorted(found, key=lambda at: (at[0] != EXPLAINER, at))
    return [_sum(found[at]) for at in order]


def money(value: float) -> str:
    """Dollars, to the cent, or to two digits where that shows nothing."""
    if value == 0 or value >= 0.095:
        return f"${value:,.2f}"
    return "under $0.000001" if value < 1e-6 else f"${float(f'{value:.2g}'):.7f}".rstrip("0")


def _sum(spent: Sequence[Spent]) -> Spent:
    counts = [f.name for f in fields(Spent) if f.name not in ("model", "role")]
    return replace(spent[0], **{name: sum(getattr(one, name) for one in spent) for name in counts})


def _row(one: Spent, cost: Cell, source: Cell) -> tuple[Cell, ...]:
    prompt = one.input_tokens + one.cache_read_tokens + one.cache_write_tokens
    return (
        words(one.role),
        words(one.model),
        whole(one.requests),
        share(one.cached, one.requests),
        whole(prompt),
        share(one.cache_read_tokens, prompt),
        whole(one.output_tokens),
        cost,
        source,
    )


def _dollars(cost: float | None) -> Cell:
    return Cell("unknown") if cost is None else Cell(money(cost), cost)


def _source(price: Price | None, cost: float | None) -> Cell:
    if price is None:
        return words("unknown")
    return words(price.source if cost is not None else f"{price.source}, in part")


def _total(known: Sequence[float], unknown: bool) -> tuple[Cell, Cell]:
    if not unknown:
        return Cell(money(sum(known)), sum(known)), words("")
    if not sum(known):
        return Cell("unknown"), words("unknown")
    return Cell(f"at least {money(sum(known))}", sum(known)), words("unknown in part")
