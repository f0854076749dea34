"""The estimate that a person reads, as one sentence and as a table."""

from rich import box
from rich.table import Table

from neuron_eval.comparison.costs import EMBEDDER, CostEstimate, Line, Range
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.simulation.choose import ROLE

ROLES = (EXPLAINER, ROLE, EMBEDDER)  # in the order in which they are asked

COLUMNS = (
    *("explanations", "requests", "prompt tokens", "reply tokens", "tokens between"),
    "dollars between",
)


def headline(cost: CostEstimate, start: str = "About") -> str:
    """The expected requests, tokens and dollars in one sentence, and their range."""
    if not cost.explanations:
        return "Nothing is left to ask for."
    more = "at least " if any(line.thinks for line in cost.lines) else ""
    tokens = more + number(cost.tokens.expected)
    amount = f"{start} {number(cost.requests.expected)} requests, {tokens} tokens"
    amount_within = amount if more else amount + _range(between(cost.tokens))
    if cost.free:
        return f"{amount_within}, no dollars: all models run on this machine."
    if total(cost) == "unknown":
        models = ", ".join(cost.unpriced)
        return f"{amount_within}, unknown dollars: there is no price for {models}."
    return f"{amount}, {total(cost)}{'' if cost.at_least else _range(money(cost.dollars))}."


def _range(text: str) -> str:
    return f" (between {text.replace(' – ', ' and ')})" if " – " in text else ""


def estimate_table(cost: CostEstimate) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("role", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("format", no_wrap=True)
    for heading in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    models = list(dict.fromkeys(line.model for line in cost.lines))
    role = model = ""
    for line in sorted(cost.lines, key=lambda o: (ROLES.index(o.role), models.index(o.model))):
        if role and role != line.role:
            table.add_section()
        same_role = role == line.role
        same_model = same_role and model == line.model
        role, model = line.role, line.model
        names = ("" if same_role else role, "" if same_model else model, line.format or "all")
        table.add_row(*names, *_numbers(line))
    table.add_section()
    tokens = (sum(line.input.expected for line in cost.lines),
              sum(line.output.expected for line in cost.lines))  # fmt: skip
    expected = map(number, (cost.explanations, cost.requests.expected, *tokens))
    known = None if total(cost) == "unknown" else cost.dollars
    dollars = _dollars(cost.free, known, "at least " if cost.at_least else "")
    table.add_row("total", "", "", *expected, between(cost.tokens), dollars, style="bold")
    return table


def _numbers(line: Line) -> tuple[str, ...]:
    more = "at least " if line.thinks else ""
    return (
        *map(number, (line.explanations, line.requests.expected, line.input.expected)),
        more + number(line.output.expected),
        between(line.tokens),
        _dollars(line.free, line.dollars, more),
    )


def _dollars(free: bool, known: Range | None, more: str) -> str:
    if free:
        return "own machine"
    return "unknown" if known is None else more + money(known)


def total(cost: CostEstimate) -> str:
    if cost.unpriced and cost.dollars == Range():
        return "unknown"
    return ("at least " if cost.at_least else "") + money_of(cost.dollars.expected)


def number(value: float) -> str:
    """A count; from ten thousand on in three digits and a unit."""
    return " ".join(filter(None, _compact(value)))


def between(value: Range) -> str:
    (low, small), (high, large) = _compact(value.low), _compact(value.high)
    if (low, small) == (high, large):
        return number(value.low)
    return f"{low if small == large else number(value.low)} – {number(value.high)}"


def _compact(value: float) -> tuple[str, str]:
    if value < 10_000:
        return f"{value:,.0f}", ""
    unit, name = (1e3, "k") if value < 999_500 else (1e6, "M") if value < 999.5e6 else (1e9, "G")
    scaled = value / unit
    places = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{places}f}", name


def money(value: Range) -> str:
    low, high = money_of(value.low), money_of(value.high)
    if 0 < value.high < 0.01:
        return high
    return low if low == high else f"{low} – {high}"


def too_dear(cost: CostEstimate, limit: float, option: str) -> str:
    """Why someone has to agree before so much is spent, or nobody knows how much; else empty."""
    if cost.unpriced:
        return f"What this will cost is not known: no price for {', '.join(cost.unpriced)}."
    if not cost.dollars.high <= limit:  # so that NaN asks too
        return f"This may cost {money(cost.dollars)}, and {option} is ${limit:,.2f}."
    return ""


def money_of(dollars: float) -> str:
    return "below $0.01" if 0 < dollars < 0.01 else f"${dollars:,.2f}"
