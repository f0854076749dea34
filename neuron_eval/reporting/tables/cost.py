"""Table 3: how long each run's prompts are; requests, tokens and dollars by role."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from neuron_eval.logs.runs import Run
from neuron_eval.logs.spending import EXPLAINER, Spent, added_up
from neuron_eval.reporting.comparing import is_baseline, label
from neuron_eval.reporting.cost import Price, dollars, price_of
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import Cell, Column, Row, Table

TOKENS_NOTE = (
    "Tokens of the explainer's whole prompt, few-shot neurons included, as its provider counts "
    "them; mean over neurons. The ratio is over the neurons that both runs have, with the same "
    "explainer."
)
USAGE_COLUMNS = (
    Column("role"),
    Column("model"),
    Column("requests", numeric=True),
    Column("from Inspect's cache", True, short="cached"),
    Column("prompt tokens", True, short="prompt"),
    Column("cached by the provider", True, short="by provider"),
    Column("output tokens", True, short="output"),
    Column("dollars", numeric=True),
    Column("price"),
)
USAGE_NOTES = (
    "All runs together. Requests that Inspect's cache answered cost nothing and have no tokens "
    "here: without the cache the same runs would cost more.",
    "Prompt tokens: all of them, those that the provider had cached included.",
)
UNPRICED = "Unknown prices can be given in a prices file; until then the total leaves them out."


@base.report_table("tokens")
def tokens_table(runs: Sequence[Run], baseline: str = "original") -> Table:
    """A row per run: the explainer's prompt tokens per neuron, and how many times fewer."""
    columns = (
        Column("run"),
        Column("neurons", True, (" counted",), "n"),
        Column("prompt tokens per neuron", True, short="prompt tokens"),
        Column(f"fewer than {baseline}", True, short="fewer"),
    )
    notes = [TOKENS_NOTE]
    if not any(is_baseline(run, baseline) for run in runs):
        notes.append(f"There is no run of {baseline} to compare with.")
    rows = tuple(_tokens(run, runs, baseline) for run in runs)
    return Table("tokens", "Prompt tokens of the explainer", columns, rows, tuple(notes))


def _tokens(run: Run, runs: Sequence[Run], baseline: str) -> Row:
    counts = prompt_counts(run)
    used = any(spent.role == EXPLAINER and spent.requests for spent in run.spent)
    missing = "unknown" if used else "no model was asked"
    of_baseline = (other for other in runs if is_baseline(other, baseline))
    ratios = (times_fewer(run, b) for b in of_baseline if b.explainer == run.explainer)
    return base.row_of(
        label(run, runs),
        replace(base.count(len(run.results)), extra=(len(counts),)),
        base.number(fmean(counts.values()) if counts else None, ",.0f", missing),
        base.number(next((r for r in ratios if r is not None), None), ".2f", unit=" x"),
    )


def times_fewer(run: Run, other: Run) -> float | None:
    """How many times fewer prompt tokens a run takes than another, on neurons counted in both."""
    own, theirs = prompt_counts(run), prompt_counts(other)
    both = [id for id in own if id in theirs]
    tokens = sum(own[id] for id in both)
    return sum(theirs[id] for id in both) / tokens if tokens else None


def prompt_counts(run: Run) -> dict[str, float]:
    """The explainer's prompt tokens by neuron, where its provider reports them."""
    counts = {id: result.prompt_tokens for id, result in run.results.items()}
    return {id: tokens for id, tokens in counts.items() if tokens is not None}


@base.report_table("usage")
def usage_table(
    runs: Sequence[Run], prices: Mapping[str, Price] | None = None, controls: Sequence[Run] = ()
) -> Table:
    """A row a role and model, over all runs, and the total; a file's prices come first."""
    title = "Usage and cost by role"
    by_model = added_up(spent for run in (*runs, *controls) for spent in run.spent)
    if not by_model:
        why = "No requests to a model are in the logs."
        return Table("usage", title, USAGE_COLUMNS, (), (why,))
    rows: list[Row] = []
    known: list[float] = []
    for spent in by_model:
        price = price_of(spent.model, prices)
        cost = dollars(spent, price)
        source = price.source if price else "unknown"
        source += ", in batches" if spent.batched else ""
        if cost is None:
            rows.append(_usage(spent, "unknown", None, f"{source}, in part" if price else source))
        else:
            known.append(cost)
            rows.append(_usage(spent, money(cost), cost, source))
    unknown, cost = len(known) < len(by_model), sum(known)
    (total,) = added_up(replace(s, role="total", model="", batched=False) for s in by_model)
    if not unknown:
        rows.append(_usage(total, money(cost), cost, ""))
    elif cost:
        rows.append(_usage(total, f"at least {money(cost)}", cost, "unknown in part"))
    else:
        rows.append(_usage(total, "unknown", None, "unknown"))
    notes = (*USAGE_NOTES, UNPRICED) if unknown else USAGE_NOTES
    return Table("usage", title, USAGE_COLUMNS, tuple(rows), notes)


def money(value: float) -> str:
    """Dollars, to the cent, or to two digits where that shows nothing."""
    if value == 0 or value >= 0.095:
        return f"${value:,.2f}"
    return "under $0.000001" if value < 1e-6 else f"${float(f'{value:.2g}'):.7f}".rstrip("0")


def _usage(spent: Spent, text: str, cost: float | None, source: str) -> Row:
    prompt, read = spent.prompt_tokens, spent.cache_read_tokens
    cached = base.share(spent.cached, spent.requests)
    return base.row_of(
        *(spent.role, spent.model, spent.requests, cached, prompt),
        *(base.share(read, prompt), spent.output_tokens, Cell(text, cost), source),
    )
