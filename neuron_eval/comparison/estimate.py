"""What a comparison will take: requests, tokens and dollars, by role, model and format."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from neuron_eval.comparison.costs import EMBEDDER, CostEstimate, Line, Rates, priced_line
from neuron_eval.comparison.counting import EXPLANATION, Counted, Size
from neuron_eval.comparison.finished import Finished
from neuron_eval.comparison.plan import EMBEDDING, Plan
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.wording import Pack
from neuron_eval.simulation import ways
from neuron_eval.simulation.choose import ROLE

REPLIES = (0.5, 3.5)
"""How long replies may be, as a multiple of what is counted. A model of 1.5 billion parameters
(Qwen2.5-Coder) wrote 2.2 to 3.3 times as much: it named tokens that do not fire."""

AGAIN = 2.0
"""How often a simulator may be asked for what is counted once, because a reply cannot be read. The
same model was asked 1.2 to 1.9 times of right and of false explanations, and up to 4.3 times of
explanations of other neurons."""

TOKENIZERS = (0.85, 1.35)
"""What a prompt may have in a tokenizer that is not known, as a multiple of what is counted."""


def estimate(
    plan: Plan, pack: Pack, counted: Counted, finished: Finished, rates: Rates, embedder: str
) -> CostEstimate:
    """Multiply what neurons take by how many are left (one if unknown), and by prices."""
    explained: list[Line] = []
    to_simulate: defaultdict[tuple[str, str], float] = defaultdict(float)
    possible: dict[str, list[str]] = {}
    total = 0.0
    for format, model in plan.every_cell:
        left, prompt = _left(plan, counted, finished, (format, model))
        total += left
        if format not in plan.controls:
            size = Size(left, prompt, left * counted.explanations[model])
            sizes = _spread(size, exact=model not in counted.inexact)
            explained.append(priced_line((EXPLAINER, model, format), left, size, sizes, rates))
        simulator = plan.simulates(model)
        possible[simulator] = [way for way in plan.ways(model, pack) if way != EMBEDDING]
        if possible[simulator]:
            to_simulate[simulator, format] += left
    simulated: list[Line] = []
    for (simulator, format), left in to_simulate.items():
        sizes_of = {w: counted.simulated[w, simulator].times(left) for w in possible[simulator]}
        bounds = list(_bounds(sizes_of, exact=simulator not in counted.inexact))
        likely = sizes_of[possible[simulator][0]]
        simulated.append(priced_line((ROLE, simulator, format), left, likely, bounds, rates))
    embedded = _embedded(plan, pack, counted, total, rates, embedder)
    return CostEstimate((*explained, *simulated, *embedded), total, finished.total)


def explaining(
    model: str, prompts: Mapping[str, float], neurons: int, counter: TokenCounter, rates: Rates
) -> CostEstimate:
    reply = neurons * counter.count_text(EXPLANATION)
    lines = []
    for format, tokens in prompts.items():
        size = Size(neurons, tokens, reply)
        sizes = _spread(size, exact=counter.exact)
        lines.append(priced_line((EXPLAINER, model, format), neurons, size, sizes, rates))
    return CostEstimate(tuple(lines), neurons * len(prompts), 0)


def left_by_cell(plan: Plan, counted: Counted, finished: Finished) -> dict[tuple[str, str], float]:
    return {cell: _left(plan, counted, finished, cell)[0] for cell in plan.every_cell}


def _left(
    plan: Plan, counted: Counted, finished: Finished, cell: tuple[str, str]
) -> tuple[float, float]:
    prompts, epochs = counted.prompts[cell], finished.of(cell)
    times_each = plan.epochs_of(cell[0])
    if not prompts:
        return 0.0, 0.0
    if not counted.stand_in:
        left = {id_: max(0, times_each - epochs.get(id_, 0)) for id_ in prompts}
        return sum(left.values()), sum(prompts[id_] * times for id_, times in left.items())
    neurons = 1 if counted.neurons is None else counted.neurons
    number = max(0, neurons * times_each - sum(epochs.values()))
    return number, number * sum(prompts.values()) / len(prompts)


def _spread(size: Size, *, again: float = 1.0, exact: bool = True) -> list[Size]:
    """The least and the most that may be needed where so much is counted."""
    few, many = (1.0, 1.0) if exact else TOKENIZERS
    short, long = REPLIES
    return [
        Size(size.requests, size.input * few, size.output * short),
        Size(size.requests * again, size.input * many * again, size.output * long),
    ]


def _bounds(sizes: Mapping[str, Size], exact: bool) -> Iterator[Size]:
    """All that a simulator may come to, by the ways that it may turn out to be able to do."""
    for way, size in sizes.items():
        if ways()[way].excerpts_per_call is None:  # no reply is long, and none is asked for again
            yield size
        else:
            yield from _spread(size, again=AGAIN, exact=exact)


def _embedded(
    plan: Plan, pack: Pack, counted: Counted, left: float, rates: Rates, embedder: str
) -> Iterator[Line]:
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
