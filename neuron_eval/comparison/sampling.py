"""A comparison on some of its neurons first: a pilot of a few, or ever more until it is enough.

A pilot measures what the others will take. With ``--until`` a comparison runs on ever more neurons
until its means are known well enough; all formats and explainers go on together, since a report
compares them on common neurons. `benchmarks/until.py` measures what it does to means and intervals
that they say when to stop.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from statistics import fmean

from inspect_ai.event import ModelEvent
from inspect_ai.log import (
    EvalLog,
    EvalSample,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
)
from inspect_ai.model import ModelUsage

from neuron_eval.comparison.costs import EMBEDDER, CostEstimate, Line, Rates, priced_line
from neuron_eval.comparison.counting import Counted, Size
from neuron_eval.comparison.plan import Plan, cell_of
from neuron_eval.logs.runs import ADACS, SIMULATION
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.sources.choosing import SHARD, parse_shard
from neuron_eval.stats import half_width
from neuron_eval.task import NO_SIMULATION

FIRST = 100
"""So many scored neurons at least. The spread of fewer may be small by chance, and where most
scores are near 0 so is their mean then."""

STEP = 20  # rounds are of a multiple of that


@dataclass(frozen=True, slots=True)
class Taken:
    """What one explanation and its scores took."""

    cell: tuple[str, str]  # format and explainer
    sizes: Mapping[tuple[str, str], Size]  # by role and model
    seconds: tuple[float, float]  # when it began and ended


def drawn(counted: Counted, plan: Plan) -> list[str]:
    """The neurons' ids in a drawn order, so that any first ones will do: they come by layer."""
    ids = sorted(next(iter(counted.prompts.values())))
    return random.Random(plan.choice.seed).sample(ids, len(ids))


def pilot_neurons(plan: Plan, counted: Counted, number: int) -> list[str]:
    """So many ids, spread evenly; where the comparison stops by itself, those it begins with."""
    if plan.until is not None:
        return drawn(counted, plan)[:number]
    ids = list(next(iter(counted.prompts.values())))
    number = min(number, len(ids))
    return [ids[i * len(ids) // number] for i in range(number)]


def read_taken(plan: Plan, logs: Iterable[EvalLog], neurons: Sequence[str]) -> list[Taken]:
    return [
        taken(cell, read_eval_log_sample(log.location, id_, epoch))
        for log in logs
        for cell in [cell_of(log)]
        for id_ in neurons
        if _has(log, id_)
        for epoch in range(1, plan.epochs_of(cell[0]) + 1)
    ]


def _has(log: EvalLog, id_: str) -> bool:
    shard = log.eval.task_args_passed.get(SHARD)
    return shard is None or parse_shard(shard).holds(id_)


def taken(cell: tuple[str, str], sample: EvalSample) -> Taken:
    """What a sample's requests took but for failed ones; those from Inspect's cache count too."""
    sizes: dict[tuple[str, str], Size] = {}
    for event in sample.events:
        if isinstance(event, ModelEvent) and not event.error:
            at = (event.role or EXPLAINER, event.model)
            usage = event.output.usage or ModelUsage()
            cached = (usage.input_tokens_cache_read or 0, usage.input_tokens_cache_write or 0)
            size = Size(1, usage.input_tokens, usage.output_tokens, *cached)
            sizes[at] = sizes.get(at, Size()) + size
    # Inspect writes both where a sample ended.
    began, ended = map(datetime.fromisoformat, (str(sample.started_at), str(sample.completed_at)))
    return Taken(cell, sizes, (began.timestamp(), ended.timestamp()))


def extrapolated(
    pilot: Sequence[Taken], left: Mapping[tuple[str, str], float], rates: Rates, finished: int = 0
) -> CostEstimate:
    """What is left by format and explainer will take, in cells of which the pilot had any.

    Expected is the mean over the pilot's; the bounds are as if all were like its least, or most.
    """
    lines: dict[tuple[str, str, str], Line] = {}
    for cell, count in left.items():
        sizes = [explanation.sizes for explanation in pilot if explanation.cell == cell]
        for role, model in dict.fromkeys(at for by_role in sizes for at in by_role):
            each = [by_role.get((role, model), Size()).times(count) for by_role in sizes]
            mean = sum(each, Size()).times(1 / len(each))
            name = (role, model, "" if role == EMBEDDER else cell[0])
            # What a model that reasons writes is measured with all else.
            made = replace(priced_line(name, count, mean, each, rates), thinks=False)
            lines[name] = lines[name] + made if name in lines else made
    return CostEstimate(tuple(lines.values()), sum(left.values()), finished)


def seconds_each(pilot: Sequence[Taken]) -> float:
    """Seconds per explanation: those in which any of the pilot's ran, shared among all of them."""
    busy = 0.0
    until = float("-inf")
    for began, ended in sorted(explanation.seconds for explanation in pilot):
        busy += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return busy / len(pilot)


def next_count(count: int, width: float, until: float) -> int:
    """How many neurons to go on to: what the spread so far tells, and at most twice as many."""
    needed = min(2.0 * count, max(count + STEP, count * (width / until) ** 2))
    return math.ceil(needed / STEP) * STEP


def run_until(
    plan: Plan,
    counted: Counted,
    run: Callable[..., list[EvalLog]],
    say: Callable[[str], object] = lambda _: None,
) -> None:
    """Run a comparison, to the end or as far as ``plan.until`` has it; ``say`` gets a line a round.

    ``run`` runs it on the ``neurons`` of these ids, or on all, and returns only if all went well.
    """
    if plan.until is None:
        run()
        return
    ids = drawn(counted, plan)
    count = FIRST
    while True:
        neurons = ids[:count]
        width = widest(plan, run(neurons=neurons), neurons)
        of = f"{len(neurons):,} of {len(ids):,} neurons"
        if width <= plan.until:
            say(f"Stopped after {of}: each mean is known to ±{width:.3f}, and --until wants "
                f"±{plan.until:g}.")  # fmt: skip
            return
        known = f"fewer than {FIRST} scores in one of them"
        if math.isfinite(width):
            known = f"means are known to ±{width:.3f} or better"
        if len(neurons) == len(ids):
            say(f"All {of} were run, and --until {plan.until:g} is not reached: {known}.")
            return
        count = next_count(count, width, plan.until)
        say(f"After {of}: {known}; on to {min(count, len(ids)):,}.")


def widest(plan: Plan, logs: Sequence[EvalLog], neurons: Sequence[str]) -> float:
    """The largest half-width of a cell's mean score; infinite with fewer than `FIRST` scored."""
    name = ADACS if plan.simulation == NO_SIMULATION else SIMULATION
    by_cell: defaultdict[tuple[str, str], list[EvalLog]] = defaultdict(list)  # a log a shard
    for log in logs:
        by_cell[cell_of(log)].append(log)
    widths = [_half_width(by_cell[c], name, set(neurons)) for c in plan.cells if c in by_cell]
    return max(widths, default=math.inf)


def _half_width(logs: Sequence[EvalLog], name: str, neurons: set[str]) -> float:
    epochs: defaultdict[str, list[float]] = defaultdict(list)
    for sample in chain.from_iterable(read_eval_log_sample_summaries(log.location) for log in logs):
        score = (sample.scores or {}).get(name)
        if str(sample.id) in neurons and score and isinstance(score.value, int | float):
            epochs[str(sample.id)].append(float(score.value))
    means = [fmean(kept) for v in epochs.values() if (kept := list(filter(math.isfinite, v)))]
    return half_width(means) if len(means) >= FIRST else math.inf
