"""What a comparison will take: requests, tokens and dollars, by role, model and format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from neuron_eval.comparison.counting import Counted, Size
from neuron_eval.comparison.plan import EMBEDDING, Plan, runs_here, thinks
from neuron_eval.comparison.running import Finished
from neuron_eval.logs.runs import EXPLAINER
from neuron_eval.prompts.wording import Pack
from neuron_eval.reporting.cost import Price, charged
from neuron_eval.simulation import ways
from neuron_eval.simulation.choose import ROLE

EMBEDDER = "embedder"  # the role of the model that embeds

REPLIES = (0.5, 3.5)
"""How long replies may be, as a multiple of what is counted. A model of 1.5 billion parameters
(Qwen2.5-Coder) wrote 2.2 to 3.3 times as much: it named tokens that do not fire."""

AGAIN = 1.75
"""How often a simulator may be asked for what is counted once, because a reply cannot be read. The
same model was asked 1.2 to 1.7 times."""

TOKENIZERS = (0.85, 1.35)
"""What a prompt may have in a tokenizer that is not known, as a multiple of what is counted."""

Rates = Callable[[str], Price | None]
"""From a model's name to what it charges; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is expected, and its bounds."""

    low: float = 0.0
    expected: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Line:
    """One role of one model in one format."""

    role: str  # ``explainer``, ``simulator`` or ``embedder``
    model: str
    format: str  # empty where all formats share it
    explanations: float  # still to be made, or to be simulated, or to be embedded
    requests: Range
    input: Range  # tokens of prompts
    output: Range  # tokens of replies
    dollars: Range | None  # None if the model's price is unknown
    own: bool = False  # whether it runs on the user's own machine, where nobody charges
    thinks: bool = False  # whether it reasons first, so that replies take more than counted

    @property
    def tokens(self) -> Range:
        return self.input + self.output

    def __add__(self, other: Line) -> Line:
        """Both together; they differ in nothing but their numbers."""
        dollars = self.dollars and other.dollars and self.dollars + other.dollars
        return replace(
            self,
            explanations=self.explanations + other.explanations,
            requests=self.requests + other.requests,
            input=self.input + other.input,
            output=self.output + other.output,
            dollars=dollars,
        )


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a comparison will take, less what is finished."""

    lines: tuple[Line, ...]  # by role, in the order in which models are asked
    explanations: float  # still to be made
    finished: int  # explanations that an earlier run has made and scored

    @property
    def dollars(self) -> Range:
        return sum((line.dollars for line in self.lines if line.dollars), Range())

    @property
    def requests(self) -> Range:
        return sum((line.requests for line in self.lines), Range())

    @property
    def tokens(self) -> Range:
        return sum((line.tokens for line in self.lines), Range())

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Hosted models that will be asked and whose price is unknown."""
        unknown = (line for line in self.lines if line.dollars is None and not line.own)
        return tuple(dict.fromkeys(line.model for line in unknown if line.requests.high))

    @property
    def free(self) -> bool:
        """Whether all models run on the user's own machine, and nobody charges."""
        return all(line.own and not (line.dollars and line.dollars.high) for line in self.lines)

    @property
    def at_least(self) -> bool:
        return bool(self.unpriced) or any(line.thinks and line.requests.high for line in self.lines)


def estimate(
    plan: Plan, pack: Pack, counted: Counted, finished: Finished, rates: Rates, embedder: str
) -> CostEstimate:
    """Multiply what neurons take by how many are left, and by what models charge.

    Where the number of neurons is unknown, one is estimated.
    """
    explained: list[Line] = []
    to_simulate: dict[tuple[str, str], float] = {}
    possible: dict[str, list[str]] = {}
    for cell in plan.cells:
        format, model = cell
        left, prompt = _left(plan, counted, finished, cell)
        size = Size(left, prompt, left * counted.explanations[model])
        sizes = _spread(size, exact=model not in counted.inexact)
        explained.append(priced_line((EXPLAINER, model, format), left, size, sizes, rates))
        simulator = plan.simulates(model)
        possible[simulator] = [way for way in plan.ways(model, pack) if way != EMBEDDING]
        if possible[simulator]:
            at = (simulator, format)
            to_simulate[at] = to_simulate.get(at, 0) + left
    simulated = [
        _simulated(counted, simulator, format, possible[simulator], left, rates)
        for (simulator, format), left in to_simulate.items()
    ]
    total = sum(line.explanations for line in explained)
    embedded = _embedded(plan, pack, counted, total, rates, embedder)
    return CostEstimate((*explained, *simulated, *embedded), total, finished.total)


def left_by_cell(plan: Plan, counted: Counted, finished: Finished) -> dict[tuple[str, str], float]:
    """By format and explainer: the explanations that are still to be made."""
    return {cell: _left(plan, counted, finished, cell)[0] for cell in plan.cells}


def _left(
    plan: Plan, counted: Counted, finished: Finished, cell: tuple[str, str]
) -> tuple[float, float]:
    prompts, epochs = counted.prompts[cell], finished.of(cell)
    if not counted.stand_in:
        left = {id_: max(0, plan.epochs - epochs.get(id_, 0)) for id_ in prompts}
        return sum(left.values()), sum(prompts[id_] * times for id_, times in left.items())
    neurons = 1 if counted.neurons is None else counted.neurons
    number = max(0, neurons * plan.epochs - sum(epochs.values()))
    return number, number * sum(prompts.values()) / len(prompts)


def _spread(size: Size, *, again: float = 1.0, exact: bool = True) -> list[Size]:
    """The least and the most that may be needed where so much is counted."""
    few, many = (1.0, 1.0) if exact else TOKENIZERS
    short, long = REPLIES
    return [
        Size(size.requests, size.input * few, size.output * short),
        Size(size.requests * again, size.input * many * again, size.output * long),
    ]


def _simulated(
    counted: Counted,
    simulator: str,
    format: str,
    possible: Sequence[str],
    left: float,
    rates: Rates,
) -> Line:
    """A simulator's line: the first way is expected, and all that it may come to are the bounds."""
    bounds: list[Size] = []
    exact = simulator not in counted.inexact
    for way in possible:
        size = counted.simulated[way, simulator].times(left)
        if ways()[way].excerpts_per_call is None:  # no reply is long, and none is asked for again
            bounds.append(size)
        else:
            bounds += _spread(size, again=AGAIN, exact=exact)
    likely = counted.simulated[possible[0], simulator].times(left)
    return priced_line((ROLE, simulator, format), left, likely, bounds, rates)


def priced_line(
    name: tuple[str, str, str],
    explanations: float,
    likely: Size,
    bounds: Sequence[Size],
    rates: Rates,
) -> Line:
    """One line from what is expected, and from what it may come to instead."""
    role, model, format = name
    price = rates(model)
    sizes = [likely, *bounds]
    costs = [cost(size, price) for size in sizes]
    known = [dollars for dollars in costs if dollars is not None]
    return Line(
        role=role,
        model=model,
        format=format,
        explanations=explanations,
        requests=_range(size.requests for size in sizes),
        input=_range(size.prompt for size in sizes),
        output=_range(size.output for size in sizes),
        dollars=_range(known) if len(known) == len(costs) else None,
        own=runs_here(model),
        thinks=role != EMBEDDER and thinks(model),
    )


def cost(size: Size, price: Price | None) -> float | None:
    """Dollars; None if a price that it takes is unknown."""
    tokens = (size.input, size.output, size.cache_read, size.cache_write)
    if price is None:
        return charged((amount, None) for amount in tokens)
    rates = (price.input, price.output, price.cache_read, price.cache_write)
    return charged(zip(tokens, rates, strict=True))


def _range(values: Iterable[float]) -> Range:
    numbers = list(values)
    return Range(min(numbers), numbers[0], max(numbers))


def _embedded(
    plan: Plan, pack: Pack, counted: Counted, left: float, rates: Rates, embedder: str
) -> Iterator[Line]:
    """The embedder's line: every text once, whichever format and explainer it is for."""
    embeds = any(EMBEDDING in plan.ways(model, pack) for model in plan.models)
    texts = counted.embedded
    share = 1.0 if embeds else texts.referenced
    if not left or not share:
        return
    neurons = 1 if counted.neurons is None else counted.neurons
    own = left * share
    tokens = own * counted.explanations[embedder]
    tokens += neurons * (texts.reference_tokens + texts.word_tokens)
    # All references may come in one request, or each in its own.
    most = neurons * (texts.referenced + texts.word_requests)
    few = Size(own + min(1.0, most), tokens, 0)
    many = Size(own + most, tokens, 0)
    yield priced_line((EMBEDDER, embedder, ""), own, many, [few], rates)
