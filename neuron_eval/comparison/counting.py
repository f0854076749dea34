"""How many requests and tokens neurons take, counted from the prompts that would be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from operator import add

from neuron_eval.comparison.plan import EMBEDDING, Plan
from neuron_eval.dataset import NeuronSet
from neuron_eval.explain.prompting import CUTOFF_QUANTILE
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import Excerpt, NeuronRecord
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.reporting.cost import prompt_tokens
from neuron_eval.simulation import ways

EXPLANATION = "words and phrases that have to do with times of the year."
"""Stands for an explanation that is still to be written; those of Lee et al. 2023 have 8 to 12
words on average, this one 12."""

# The simulator's prompts are counted over so many neurons, spread evenly, and averaged.
SAMPLED = 20
SAMPLED_PER_TOKEN = 1  # the same for ways that ask hundreds of times a neuron

Counters = Callable[[str], TokenCounter]  # from a model's name to what counts its tokens
Prompts = Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Size:
    """Requests, tokens of their prompts, and tokens of their replies."""

    requests: float = 0.0
    input: float = 0.0  # of prompts, charged at the full rate
    output: float = 0.0
    cache_read: float = 0.0  # of prompts, which the provider had cached
    cache_write: float = 0.0  # of prompts, which the provider wrote to its cache

    @property
    def prompt(self) -> float:
        return self.input + self.cache_read + self.cache_write

    def __add__(self, other: Size) -> Size:
        return Size(*map(add, astuple(self), astuple(other)))

    def times(self, factor: float) -> Size:
        return Size(*(value * factor for value in astuple(self)))


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts that go to the embedder besides explanations, a neuron on average."""

    referenced: float  # share of neurons with a reference, which AdaCS compares with, in [0, 1]
    reference_tokens: float
    word_tokens: float  # of the words that the way ``embedding`` embeds, each distinct one once
    word_requests: float  # the most that these words take


@dataclass(frozen=True, slots=True)
class Counted:
    """What the neurons of a comparison take."""

    neurons: int | None  # None if their number is not known before their source is read
    prompts: Prompts  # by format and explainer: by neuron the tokens of its prompt

    simulated: Mapping[tuple[str, str], Size]
    """By way and simulator: what simulating one explanation takes on average."""

    explanations: Mapping[str, int]  # by model: the tokens of an explanation
    embedded: Embedded
    label: str  # how the explainers' tokens were counted
    inexact: frozenset[str] = frozenset()  # models whose own tokenizer is not known
    stand_in: str = ""
    """Where other neurons were counted in place of the chosen ones: a sentence that says so."""


def count(chosen: NeuronSet, plan: Plan, pack: Pack, counters: Counters, embedder: str) -> Counted:
    neurons = chosen.neurons
    references = [neuron.identity.reference for neuron in neurons]
    texts = [reference.explanation for reference in references if reference]
    simulated = {(way, plan.simulates(m)) for m in plan.models for way in plan.ways(m, pack)}
    models = dict.fromkeys((*plan.models, *(plan.simulates(m) for m in plan.models), embedder))
    embeds = any(way == EMBEDDING for way, _ in simulated)
    words = {
        token
        for neuron in (neurons if embeds else ())
        for excerpt in chain(*_simulated(neuron.dealt, plan))
        for token in excerpt.record.tokens
    }
    text = counters(embedder).count_text
    quantile = int(plan.parameters.get("cutoff_quantile", CUTOFF_QUANTILE))

    def mean_size(way: str, model: str) -> Size:
        most = SAMPLED_PER_TOKEN if ways()[way].asks_per_token else SAMPLED
        few = neurons[:: -(-len(neurons) // most)]
        splits = (split for neuron in few for split in _simulated(neuron.dealt, plan))
        each = (requests(way, model, split, plan, pack, counters(model)) for split in splits)
        return sum(chain.from_iterable(each), Size()).times(1 / len(few))

    prompts: dict[tuple[str, str], Mapping[str, float]] = {
        (format, model): prompt_tokens(chosen, format, pack, counters(model), quantile)
        for format, model in plan.cells
    }
    for cell in plan.control_cells:
        prompts[cell] = {n.identity.id: 0.0 for n in neurons if _has(cell[0], n.identity)}
    return Counted(
        neurons=len(neurons),
        prompts=prompts,
        simulated={at: mean_size(*at) for at in simulated if at[0] != EMBEDDING},
        explanations={model: counters(model).count_text(EXPLANATION) for model in models},
        embedded=Embedded(
            referenced=len(texts) / len(neurons),
            reference_tokens=sum(map(text, set(texts))) / len(neurons),
            word_tokens=sum(map(text, words)) / len(neurons) if embeds else 0.0,
            word_requests=1.0 + plan.calibrated if embeds else 0.0,
        ),
        label=", ".join(dict.fromkeys(counters(model).label for model in plan.models)),
        inexact=frozenset(model for model in models if not counters(model).exact),
    )


def _has(control: str, neuron: NeuronRecord) -> bool:
    if control == "false":
        return bool(neuron.false_explanations)
    return neuron.reference is not None or control not in ("reference", "shuffled")


def _simulated(dealt: DealtNeuron, plan: Plan) -> tuple[tuple[Excerpt, ...], ...]:
    return (dealt.valid, dealt.calibration)[: 1 + plan.calibrated]


def requests(
    way: str, model: str, excerpts: Sequence[Excerpt], plan: Plan, pack: Pack, counter: TokenCounter
) -> Iterator[Size]:
    """The requests of one way for one explanation, with the reply that each would get."""
    per_call = plan.parameters.get("excerpts_per_call")
    for prompt, reply in ways()[way].requests(EXPLANATION, excerpts, pack, model, per_call):
        if isinstance(prompt, str):
            tokens = counter.count_text(prompt)
        else:
            tokens = counter.count_messages(prompt)
        yield Size(1, tokens, reply if isinstance(reply, int) else counter.count_text(reply))
