"""What is expected to be asked for, within bounds, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from neuron_eval.comparison.counting import Size
from neuron_eval.comparison.plan import Plan, provider, thinks
from neuron_eval.models.batching import in_batches
from neuron_eval.reporting.cost import Price, charged

OWN_MACHINE = (
    "embed-local", "hf", "llama-cpp-python", "mockllm", "neuron-baseline", "none", "ollama",
    "sglang", "transformer_lens", "vllm",
)  # fmt: skip
"""Providers that run models on the user's own machines, where nobody charges for tokens."""

SERVERS = ("llama-cpp-python", "ollama", "sglang", "vllm")
"""Those whose models a server on this machine answers for, unless an address is named."""

EMBEDDER = "embedder"  # the role of the model that embeds

Rates = Callable[[str], Price | None]
"""From a model's name to what it charges; None if that is unknown."""


def rates_in(plan: Plan, rates: Rates) -> Rates:
    """What models charge where the plan's requests go out as it says, in batches or not."""

    def rate(model: str) -> Price | None:
        price = rates(model)
        return price.in_batches() if price and plan.batch and in_batches(model) else price

    return rate


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
    own: bool  # whether it runs on the user's own machine, where nobody charges
    thinks: bool  # whether it reasons first, so that replies take more than counted

    @property
    def tokens(self) -> Range:
        return self.input + self.output

    @property
    def free(self) -> bool:
        return self.own and not (self.dollars and self.dollars.high)

    def __add__(self, other: Line) -> Line:
        dollars = self.dollars and other.dollars and self.dollars + other.dollars
        added = ("explanations", "requests", "input", "output")
        sums = {name: getattr(self, name) + getattr(other, name) for name in added}
        return replace(self, dollars=dollars, **sums)


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
        return all(line.free for line in self.lines)

    @property
    def at_least(self) -> bool:
        return bool(self.unpriced) or any(line.thinks and line.requests.high for line in self.lines)


def priced_line(
    name: tuple[str, str, str],
    explanations: float,
    likely: Size,
    bounds: Sequence[Size],
    rates: Rates,
) -> Line:
    """One line from what is expected, and from what it may come to instead."""
    role, model, format = name
    sizes = [likely, *bounds]
    costs = [charged(astuple(size)[1:], rates(model)) for size in sizes]
    known = [dollars for dollars in costs if dollars is not None]
    return Line(
        *(role, model, format, explanations),
        requests=_range(size.requests for size in sizes),
        input=_range(size.prompt for size in sizes),
        output=_range(size.output for size in sizes),
        dollars=_range(known) if len(known) == len(costs) else None,
        own=runs_here(model),
        thinks=role != EMBEDDER and thinks(model),
    )


def _range(values: Iterable[float]) -> Range:
    numbers = list(values)
    return Range(min(numbers), numbers[0], max(numbers))


def runs_here(model: str) -> bool:
    return provider(model) in OWN_MACHINE or served_here(model)


def served_here(model: str) -> bool:
    """Whether a server on this machine answers for a model, by the address in the environment.

    Such a server keeps the prompts' common beginning of as many requests as it has slots: formats
    one after the other find it again; five at once drive it out, and each request pays for it.
    """
    name, _, rest = model.partition("/")
    service = rest.partition("/")[0] if name.startswith("openai-api") else name
    address = os.environ.get(f"{service.upper().replace('-', '_')}_BASE_URL")
    if not address:
        return name in SERVERS
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
