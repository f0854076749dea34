"""A plan's estimate as a person reads it: a sentence, a table, and what both rest on."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from neuron_eval.comparison.costs import EMBEDDER, CostEstimate, Line, Range, Rates, rates_in
from neuron_eval.comparison.counting import EXPLANATION, Counted, count
from neuron_eval.comparison.estimate import AGAIN, REPLIES, TOKENIZERS, estimate
from neuron_eval.comparison.finished import find_finished
from neuron_eval.comparison.plan import EMBEDDING, Plan
from neuron_eval.comparison.remote import expected, is_remote, stand_in
from neuron_eval.comparison.sampling import FIRST, Taken, seconds_each
from neuron_eval.dataset import NeuronSet, neuron_set
from neuron_eval.embedding.embedder import default_embedder
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.models.batching import batch_note, in_batches
from neuron_eval.models.tokencount import counter
from neuron_eval.prompts.wording import Pack
from neuron_eval.reporting.cost import SHIPPED, example_prices
from neuron_eval.simulation.choose import ROLE
from neuron_eval.task import NO_SIMULATION, READING

ROLES = (EXPLAINER, ROLE, EMBEDDER)  # in the order in which they are asked

COLUMNS = (
    *("explanations", "requests", "prompt tokens", "reply tokens", "tokens between"),
    "dollars between",
)


def counted_neurons(plan: Plan, pack: Pack, *, may_fetch: bool) -> Counted:
    """What the comparison's neurons take; others stand in for those that it may not fetch."""
    embedder = plan.embedder or default_embedder()

    def counts(neurons: NeuronSet) -> Counted:
        return count(neurons, plan, pack, counter, embedder)

    if not may_fetch and is_remote(plan.choice):
        return stand_in(plan, expected(plan.choice), counts)
    reading = {name: plan.parameters[name] for name in READING if name in plan.parameters}
    return counts(neuron_set(plan.choice, **reading))


def estimated(
    plan: Plan, pack: Pack, counted: Counted, log_dir: str, rates: Rates
) -> tuple[CostEstimate, list[str]]:
    """What the comparison will take beside the logs in ``log_dir``, and the sentences on that."""
    finished = find_finished(log_dir, plan)
    embedder, rates = plan.embedder or default_embedder(), rates_in(plan, rates)
    cost = estimate(plan, pack, counted, finished, rates, embedder)
    notes = assumptions(plan, pack, counted, cost)
    notes += price_notes(cost, rates)
    if plan.batch:
        notes += _batch_notes(cost, rates)
    if finished.others:
        notes.append(
            f"{log_dir} holds {len(finished.others)} logs of other settings, such as "
            f"{finished.others[0]}; a comparison needs a --log-dir of its own."
        )
    return cost, notes


def assumptions(plan: Plan, pack: Pack, counted: Counted, cost: CostEstimate) -> list[str]:
    epochs = f", {plan.epochs} times each" if plan.epochs > 1 else ""
    notes = [
        f"{_many(counted.neurons or 1, 'neuron')}{epochs}; {_many(len(plan.formats), 'format')}; "
        f"{_many(len(plan.models), 'explainer')}. Prompts are counted with {counted.label}; an "
        f"explanation is taken to have {len(EXPLANATION.split())} words."
    ]
    if counted.stand_in:
        notes.append(counted.stand_in)
    if cost.finished:
        notes.append(f"{cost.finished:,} explanations are in the log folder already and left out.")
    notes.append(_ways(plan, pack))
    if (until := plan.until) is not None:
        notes.append(f"That is for all neurons; --until {until:g} may stop after {FIRST} or more.")
    if plan.parameters.get("judge"):
        notes.append("What judgements take is not counted; --pilot 3 measures that too.")
    if thinking := ", ".join(dict.fromkeys(line.model for line in cost.lines if line.thinks)):
        notes.append(f"{thinking}: reasons before it answers, and what that takes is not counted.")
    if unpriced := ", ".join(cost.unpriced):
        notes.append(f"Unknown prices: {unpriced}; name them in a file with --prices.")
    (short, long), (few, many) = REPLIES, TOKENIZERS
    unknown = f", prompts {few:g} to {many:g} times as long in tokenizers that are not known"
    notes.append(
        f"The range: replies {short:g} to {long:g} times as long as counted, up to {AGAIN:g} times "
        f"the simulator's requests where its replies cannot be read"
        f"{unknown if counted.inexact & set(plan.models) else ''}. --pilot 3 measures instead. "
        "What the provider's or Inspect's cache saves is not counted."
    )
    return notes


def price_notes(cost: CostEstimate, rates: Rates) -> list[str]:
    sources = {price.source for line in cost.lines if (price := rates(line.model))}
    check = f"({example_prices()}); check them, or name yours with --prices FILE."
    return [f"Prices: {source} {check}" for source in sources if source.startswith(SHIPPED)]


def _batch_notes(cost: CostEstimate, rates: Rates) -> list[str]:
    models = dict.fromkeys(line.model for line in cost.lines)
    prices = {model: price for model in models if (price := rates(model)) and in_batches(model)}
    notes = [batch_note(models)] if models else []
    if full := [model for model, price in prices.items() if price.batch == 1]:
        notes.append(
            f"In batches {', '.join(full)} may cost less than counted: the prices name no share "
            "for them, such as batch: 0.5."
        )
    return notes


def pilot_notes(pilot: Sequence[Taken], cost: CostEstimate) -> list[str]:
    minutes = seconds_each(pilot) * cost.explanations / 60
    return [
        f"That is for what is left, {number(cost.explanations)} explanations, and takes about "
        f"{duration(minutes)} at the pilot's pace, or less where more requests run at once.",
        f"Measured: {len(pilot)} explanations and their scores. The range: as if all were like "
        "those that took least, or most. Few neurons seldom show how often a simulator's reply "
        "cannot be read.",
    ]


def duration(minutes: float) -> str:
    if minutes < 1.5:
        return "a minute"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.0f} hours"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _ways(plan: Plan, pack: Pack) -> str:
    if plan.simulation == NO_SIMULATION:
        return "Nothing is simulated: AdaCS alone."
    ways = [way for model in plan.models for way in plan.ways(model, pack)]
    split = "held-out and calibration excerpts" if plan.calibrated else "held-out excerpts alone"
    open_ = [way for way in dict.fromkeys(ways) if way != EMBEDDING]
    if plan.simulation == "auto" and len(open_) > 1:
        return (
            f"Which way the simulator can do shows when it is asked: expected is {open_[0]}, and "
            f"the range covers {' and '.join(open_[1:])} too. Only a server that gives "
            f"log-probabilities of the prompt (vLLM) can do all_at_once. Simulated are {split}."
        )
    return f"Simulated by {', '.join(sorted(set(ways)))}: {split}."


def headline(cost: CostEstimate, start: str = "About") -> str:
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
