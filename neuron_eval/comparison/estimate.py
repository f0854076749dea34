"""What a comparison will take: requests, tokens and dollars, by role, model and format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from neuron_eval.comparison.counting import Counted, Size
from neuron_eval.comparison.plan import EMBEDDING, OWN_MACHINE, Plan, provider, thinks
from neuron_eval.comparison.running import Finished
from neuron_eval.logs.runs import EXPLAINER
from neuron_eval.prompts.wording import Pack
from neuron_eval.reporting.cost import Price, charged
from neuron_eval.simulation.choose import ROLE

EMBEDDER = "embedder"  # the role of the model that embeds

Rates = Callable[[str], Price | None]
"""From a model's name to what it charges; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is known within bounds."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


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
    def unpriced(self) -> tuple[str, ...]:
        """Hosted models that will be asked and whose price is unknown."""
        unknown = (line for line in self.lines if line.dollars is None and not line.own)
        return tuple(dict.fromkeys(line.model for line in unknown if line.requests.high))

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
    ways: dict[str, list[str]] = {}
    for cell in plan.cells:
        format, model = cell
        left, prompt = _left(plan, counted, finished, cell)
        size = Size(left, prompt, left * counted.explanations[model])
        explained.append(_line((EXPLAINER, model, format), left, [size], rates))
        simulator = plan.simulates(model)
        ways[simulator] = [way for way in plan.ways(model, pack) if way != EMBEDDING]
        if ways[simulator]:
            at = (simulator, format)
            to_simulate[at] = to_simulate.get(at, 0) + left
    simulated = [
        _line(
            (ROLE, simulator, format),
            left,
            [counted.simulated[way, simulator].times(left) for way in ways[simulator]],
            rates,
        )
        for (simulator, format), left in to_simulate.items()
    ]
    total = sum(line.explanations for line in explained)
    embedded = _embedded(plan, pack, counted, total, rates, embedder)
    return CostEstimate((*explained, *simulated, *embedded), total, finished.total)


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


def _line(
    name: tuple[str, str, str], explanations: float, sizes: Sequence[Size], rates: Rates
) -> Line:
    """One line from what may be needed: one size, or one for each way that it may come to."""
    role, model, format = name
    price = rates(model)
    costs = [cost(size, price) for size in sizes]
    known = [dollars for dollars in costs if dollars is not None]
    return Line(
        role=role,
        model=model,
        format=format,
        explanations=explanations,
        requests=_range(size.requests for size in sizes),
        input=_range(size.input for size in sizes),
        output=_range(size.output for size in sizes),
        dollars=_range(known) if len(known) == len(costs) else None,
        own=provider(model) in OWN_MACHINE,
        thinks=role != EMBEDDER and thinks(model),
    )


def cost(size: Size, price: Price | None) -> float | None:
    """Dollars; None if a price that it takes is unknown."""
    rates = (None, None) if price is None else (price.input, price.output)
    return charged(zip((size.input, size.output), rates, strict=True))


def _range(values: Iterable[float]) -> Range:
    numbers = list(values)
    return Range(min(numbers), max(numbers))


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
    yield _line((EMBEDDER, embedder, ""), own, [few, many], rates)
