"""An estimate in words and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuron_eval.compare.counting import EXPLANATION, Counted
from neuron_eval.compare.estimate import EMBEDDER, Estimate, Line, Range
from neuron_eval.compare.plan import EMBEDDING, Plan
from neuron_eval.logs.runs import EXPLAINER
from neuron_eval.prompts.wording import Pack
from neuron_eval.simulation.choose import ROLE
from neuron_eval.task import NO_SIMULATION

if TYPE_CHECKING:
    from rich.table import Table

ROLES = (EXPLAINER, ROLE, EMBEDDER)
"""In the order in which they are asked."""

COLUMNS = ("explanations", "requests", "prompt tokens", "reply tokens", "dollars")


def estimate_table(found: Estimate) -> Table:
    """A row a role, model and format, and the total."""
    from rich import box
    from rich.table import Table

    table = Table(
        title="Estimate",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    table.add_column("role", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("format", no_wrap=True)
    for heading in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    models = list(dict.fromkeys(line.model for line in found.lines))
    before: Line | None = None
    for line in sorted(found.lines, key=lambda o: (ROLES.index(o.role), models.index(o.model))):
        same_role = before is not None and before.role == line.role
        same = same_role and before is not None and before.model == line.model
        if before is not None and not same_role:
            table.add_section()
        names = ("" if same_role else line.role, "" if same else line.model, line.format or "all")
        table.add_row(*names, *_numbers(line))
        before = line
    table.add_section()
    table.add_row("total", "", "", *_totals(found), style="bold")
    return table


def _numbers(line: Line) -> tuple[str, ...]:
    more = "at least " if line.thinks else ""
    if line.own and not (line.dollars and line.dollars.high):
        cost = "own machine"
    else:
        cost = "unknown" if line.dollars is None else more + money(line.dollars)
    return (
        number(line.explanations),
        between(line.requests),
        between(line.input),
        more + between(line.output),
        cost,
    )


def _totals(found: Estimate) -> tuple[str, ...]:
    return (
        number(found.explanations),
        between(found.requests),
        between(sum((line.input for line in found.lines), Range())),
        between(sum((line.output for line in found.lines), Range())),
        total(found),
    )


def total(found: Estimate) -> str:
    """The dollars of all models."""
    if found.unpriced and found.dollars == Range():
        return "unknown"
    return ("at least " if found.at_least else "") + money(found.dollars)


def number(value: float) -> str:
    """A count; from ten thousand on in three digits and a unit."""
    digits, unit = _compact(value)
    return f"{digits} {unit}".rstrip()


def between(value: Range) -> str:
    """A count, or its bounds."""
    (low, small), (high, large) = _compact(value.low), _compact(value.high)
    if (low, small) == (high, large):
        return number(value.low)
    return f"{low if small == large else number(value.low)} – {number(value.high)}"


def _compact(value: float) -> tuple[str, str]:
    """Digits and unit."""
    if value < 10_000:
        return f"{value:,.0f}", ""
    unit, name = (1e3, "k") if value < 999_500 else (1e6, "M") if value < 999.5e6 else (1e9, "G")
    scaled = value / unit
    places = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{places}f}", name


def money(value: Range) -> str:
    """Dollars, or their bounds."""
    low, high = _dollars(value.low), _dollars(value.high)
    return low if low == high else f"{low} – {high}"


def _dollars(value: float) -> str:
    if 0 < value < 0.01:
        return "below $0.01"
    return f"${value:,.2f}"


def assumptions(plan: Plan, pack: Pack, counted: Counted, found: Estimate) -> list[str]:
    """What the estimate rests on, a sentence each."""
    epochs = f", {plan.epochs} times each" if plan.epochs > 1 else ""
    notes = [
        f"{_many(counted.neurons or 1, 'neuron')}{epochs}; {_many(len(plan.formats), 'format')}; "
        f"{_many(len(plan.models), 'explainer')}. Prompts are counted with {counted.label}; an "
        f"explanation is taken to have {len(EXPLANATION.split())} words."
    ]
    if counted.stand_in:
        notes.append(counted.stand_in)
    if found.done:
        notes.append(f"{found.done:,} explanations are in the log folder already and left out.")
    if sentence := _ways(plan, pack):
        notes.append(sentence)
    thinking = dict.fromkeys(line.model for line in found.lines if line.thinks)
    if thinking:
        notes.append(
            f"{', '.join(thinking)}: reasons before it answers, and what that takes is not counted."
        )
    if found.unpriced:
        notes.append(
            f"Unknown prices: {', '.join(found.unpriced)}; name them in a file with --prices."
        )
    notes.append(
        "Not counted: replies that have to be asked for again, and what the provider's or "
        "Inspect's cache saves."
    )
    return notes


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _ways(plan: Plan, pack: Pack) -> str:
    """How it is simulated."""
    if plan.simulation == NO_SIMULATION:
        return "Nothing is simulated: AdaCS alone."
    ways = {way for model in plan.models for way in plan.ways(model, pack)}
    split = "held-out and calibration excerpts" if plan.calibrated else "held-out excerpts alone"
    open_ = sorted(ways - {EMBEDDING})
    if plan.simulation == "auto" and len(open_) > 1:
        return (
            f"Which way the simulator can do shows when it is asked: bounds over "
            f"{' and '.join(open_)}. The first takes a server that gives log-probabilities of the "
            f"prompt (vLLM, SGLang); the second is for all others. Simulated are {split}."
        )
    return f"Simulated by {', '.join(sorted(ways))}: {split}."
