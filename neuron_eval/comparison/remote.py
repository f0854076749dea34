"""Neurons whose records are not on this machine: how many there will be, and what stands in."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from neuron_eval.comparison.counting import Counted, Prompts
from neuron_eval.comparison.plan import Plan
from neuron_eval.dataset import EXCERPTS, NeuronSet, neuron_set
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey, Source
from neuron_eval.sources.choosing import LAYERED, SCORED, TOP, Choice, Ranges, draw
from neuron_eval.sources.loading import ScoreFile
from neuron_eval.sources.openai.collated import PUBLISHED, CollatedSource
from neuron_eval.sources.openai.fetching import HttpStore
from neuron_eval.sources.openai.stores import ENDINGS, Blob

CONTAINER = "openai:"  # how the names of OpenAI's neurons begin
STAND_IN = "smollm2"  # the bundled neurons that are counted in place of remote ones
TOKENS = 64  # tokens of an excerpt, of the bundled neurons and of OpenAI's


class Expected(NamedTuple):
    """How many neurons a choice will give, if that can be known unread, and how it is known."""

    neurons: int | None
    why: str


AS_MANY = {"random": 0.5, "quantiles": 4.0}
"""How many excerpts are scored, by which, over top and random ones; of quantiles for five strata,
as OpenAI's records have."""


def is_remote(choice: Choice) -> bool:
    """Whether counting these neurons' prompts would have to fetch them first."""
    if not choice.neurons.startswith(CONTAINER):
        return choice.neurons.startswith("hub:") or "://" in choice.neurons
    source = open_source(choice.neurons)
    if not isinstance(source, CollatedSource) or not isinstance(source.store, HttpStore):
        return True
    if _needs_scores(choice):
        return True
    cache = source.store.cache
    return not all(
        (cache / Blob(part, key.layer, key.neuron).path).exists()
        for key in _chosen(source, choice)
        for part in ENDINGS
    )


def expected(choice: Choice) -> Expected:
    if not choice.neurons.startswith(CONTAINER):
        if choice.limit is not None:
            return Expected(choice.limit, f"at most {choice.limit:,} neurons, by limit")
        return Expected(
            None,
            f"how many neurons {choice.neurons} gives is not known before it is read, and these "
            "numbers are for one neuron",
        )
    source = open_source(choice.neurons)
    published = PUBLISHED[choice.neurons.removeprefix(CONTAINER)]
    shape = f"{published.layers} layers of {published.neurons:,}"
    if not _needs_scores(choice):
        count = len(_chosen(source, choice))
        return Expected(count, f"{count:,} neurons, by the published shape ({shape})")
    layers = _admitted(published.layers, choice.layers)
    each = _admitted(published.neurons, choice.index)
    if choice.select in LAYERED:
        count = layers * min(choice.per_layer, each)
        count = min(count, choice.limit or count)
    else:
        count = min(layers * each, choice.limit or TOP)
    return Expected(
        count, f"at most {count:,} neurons, as their scores are not known yet ({shape})"
    )


def _needs_scores(choice: Choice) -> bool:
    return choice.select in SCORED and not choice.scores


def _chosen(source: Source, choice: Choice) -> list[NeuronKey]:
    file = ScoreFile(choice.scores) if choice.scores else None
    chosen = draw(source.keys(), choice, file.scores if file else source.scores)
    return chosen if choice.shard is None else choice.shard.take(chosen)


def _admitted(size: int, only: Ranges | None) -> int:
    return size if only is None else sum(1 for number in range(size) if number in only)


def stand_in(plan: Plan, how_many: Expected, count: Callable[[NeuronSet], Counted]) -> Counted:
    excerpts = min(plan.excerpts, EXCERPTS)
    counted = count(neuron_set(STAND_IN, excerpts))
    if plan.excerpts > excerpts:
        fewer = count(neuron_set(STAND_IN, excerpts - 1))
        counted = scaled(counted, fewer, excerpts, plan.excerpts)
    why = (
        f"The records of {plan.choice.neurons} are not on this machine, and nothing was fetched: "
        f"{how_many.why}; tokens are those of the bundled {STAND_IN} neurons, whose excerpts have "
        f"{TOKENS} tokens."
    )
    many = AS_MANY.get(str(plan.parameters.get("excerpts_scored")), 1.0)
    simulated = {key: size.times(many) for key, size in counted.simulated.items()}
    # Each may have a reference, which half of the bundled ones have.
    texts = counted.embedded
    tokens = texts.reference_tokens / texts.referenced
    each = replace(texts, referenced=1.0, reference_tokens=tokens)
    return replace(
        counted, neurons=how_many.neurons, simulated=simulated, stand_in=why, embedded=each
    )


def scaled(counted: Counted, fewer: Counted, excerpts: int, wanted: int) -> Counted:
    """What ``wanted`` excerpts would take, counted with so many of each kind and with one less."""
    more, factor = wanted - excerpts, wanted / excerpts
    prompts: Prompts = {
        cell: {id_: n + more * (n - fewer.prompts[cell][id_]) for id_, n in by_id.items()}
        for cell, by_id in counted.prompts.items()
    }
    simulated = {key: size.times(factor) for key, size in counted.simulated.items()}
    return replace(counted, prompts=prompts, simulated=simulated)
