"""What models cost: the tokens of a format's prompts, and what tokens are charged at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from neuron_eval.dataset import NeuronSet
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.explain.solvers import chat_messages
from neuron_eval.files.bounded import load_yaml
from neuron_eval.formats.base import Shown
from neuron_eval.inspect_private import model_info_by_name
from neuron_eval.logs.spending import Spent
from neuron_eval.messages import InputError
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.wording import Pack

# Models that run in this process and that nobody sends a bill for.
HERE = ("embed-local/", "neuron-baseline/", "neuron-subject/")
MILLION = 1_000_000  # tokens that a price is for
RATES = ("input", "output", "cache_read", "cache_write")
# What a prices file may name, with the names in Inspect's own files, and the field meant.
FIELDS = {name: name for name in (*RATES, "batch")}
FIELDS |= {f"input_{name}": name for name in ("cache_read", "cache_write")}

EXAMPLE = "{input: 0.15, output: 0.6, cache_read: 0.075, cache_write: 0}"
SHIPPED = "example"  # names the prices that ship, in place of a file


class PricesError(InputError):
    """A prices file cannot be used; the message says where and what would be right."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a million tokens; None where it is not known, which Inspect's ModelCost forbids.

    The source is ``prices file``, ``Inspect``, ``run here``, or ``example`` with the day on which
    it was written; the input is what the provider neither had in its cache nor wrote there. In a
    batch each price is ``batch`` times as high.
    """

    source: str
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    batch: float = 1.0

    def in_batches(self) -> Price:
        """What it is where requests go out in batches."""
        rates = {name: rate * self.batch for name in RATES if (rate := getattr(self, name))}
        return replace(self, **rates)


def prompt_tokens(
    chosen: NeuronSet, format_name: str, pack: Pack, count: TokenCounter, cutoff_quantile: int
) -> dict[str, int]:
    """By neuron the tokens of its whole prompt, few-shot neurons and chat overhead included.

    The pack must have wording for the format; a token is highlighted if it exceeds the quantile
    boundary of that number.
    """
    counts = {}
    for dealt in (neuron.dealt for neuron in chosen.neurons):
        shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile))
        messages = chat_messages(explainer_prompt(format_name, shown, pack))
        counts[dealt.neuron.id] = count.count_messages(messages)
    return counts


def read_prices(name: str | Path) -> dict[str, Price]:
    """Prices by model from a YAML or JSON file, or those that ship, named ``example``.

        openai/gpt-4o-mini: {input: 0.15, output: 0.6, cache_read: 0.075, cache_write: 0}
        embed-openai/text-embedding-ada-002: {input: 0.10}

    The model's name is the one in the logs; fields may have the names of Inspect's `ModelCost`
    (``input_cache_read``). A price that is left out is unknown, and so is a cost that it would be
    part of. With ``batch: 0.5`` what is asked in batches costs half.

    Raises:
        PricesError: The file is not there, or a model or price is not as it should be.
    """
    shipped = str(name) == SHIPPED
    path = example_prices() if shipped else Path(name)
    source = f"example of {written_on(path)}" if shipped else "prices file"
    try:
        loaded = load_yaml(path.read_bytes())
        if not isinstance(loaded, dict) or not loaded:
            raise ValueError(f"expected models with prices, as in openai/gpt-4o: {EXAMPLE}")
        return {str(model): _price(model, fields, source) for model, fields in loaded.items()}
    except OSError as error:
        raise PricesError(
            f"prices {name}: {error.strerror or error}; expected a YAML file, or {SHIPPED} for the "
            "prices that ship"
        ) from error
    except ValueError as error:
        raise PricesError(f"{path}: {error}") from error


def example_prices() -> Traversable:
    """The file of prices that ships; its name holds the day on which it was written."""
    files = resources.files("neuron_eval.data").iterdir()
    return next(file for file in files if file.name.startswith("prices-"))


def written_on(example: Traversable) -> str:
    return example.name.removeprefix("prices-").removesuffix(".yaml")


def price_of(model: str, prices: Mapping[str, Price] | None = None) -> Price | None:
    """A model's price, by its name in the logs, a file's first; None if it is unknown."""
    if prices and model in prices:
        return prices[model]
    if model.startswith(HERE):
        return Price("run here", 0.0, 0.0, 0.0, 0.0)
    # By name alone, since Inspect's public look-up may start a local model's server.
    info = model_info_by_name(model)
    if info is None or info.cost is None:
        return None
    cost = info.cost
    return Price("Inspect", cost.input, cost.output, cost.input_cache_read, cost.input_cache_write)


def rates_of(name: str | Path | None) -> Callable[[str], Price | None]:
    """From a model's name to its price; the name is `read_prices`', and None is no file."""
    return partial(price_of, prices=None if name is None else read_prices(name))


def dollars(spent: Spent, price: Price | None) -> float | None:
    """What was spent; None if a price that it takes is unknown."""
    if price is None:
        return None
    read, write = spent.cache_read_tokens, spent.cache_write_tokens
    tokens = (spent.input_tokens, spent.output_tokens, read, write)
    return charged(tokens, price.in_batches() if spent.batched else price)


def charged(tokens: Sequence[float], price: Price | None) -> float | None:
    """Dollars for tokens in the order of `RATES`; None if a price that it takes is unknown."""
    rates = [getattr(price, name, None) for name in RATES]
    parts = list(zip(tokens, rates, strict=True))
    if any(amount and rate is None for amount, rate in parts):
        return None
    return sum(amount * (rate or 0.0) / MILLION for amount, rate in parts)


def _price(model: object, fields: object, source: str) -> Price:
    if not isinstance(model, str) or not model:
        raise ValueError(f"{model!r} is no model's name; expected one as in the logs")
    if not isinstance(fields, dict) or not fields:
        raise ValueError(f"{model}: expected prices, for instance {EXAMPLE}")
    rates: dict[str, float] = {}
    for field, value in fields.items():
        if field not in FIELDS:
            known = f"{', '.join(RATES)} (or Inspect's input_cache_…), batch"
            raise ValueError(f"{model}: {field!r} is none of {known}")
        if FIELDS[field] in rates:
            raise ValueError(f"{model}: {FIELDS[field]} is given twice")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{model}: {field}={value!r}: expected a number of dollars")
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{model}: {field}={value!r}: expected 0 or more, in dollars")
        if field == "batch" and value > 1:
            raise ValueError(f"{model}: batch={value!r}: expected a share of the price, at most 1")
        rates[FIELDS[field]] = float(value)
    return Price(source, **rates)
