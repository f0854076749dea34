"""Running a comparison on ever more of its neurons, until its means are known well enough.

All formats and explainers go on together, since a report compares them on common neurons.
`benchmarks/until.py` measures what it does to means and intervals that they say when to stop.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from statistics import fmean

from inspect_ai.log import EvalLog, read_eval_log_sample_summaries

from neuron_eval.comparison.counting import Counted
from neuron_eval.comparison.pilot import drawn
from neuron_eval.comparison.plan import Plan, cell_of
from neuron_eval.logs.runs import ADACS, SIMULATION
from neuron_eval.stats import half_width
from neuron_eval.task import NO_SIMULATION

FIRST = 100
"""So many scored neurons at least. The spread of fewer may be small by chance, and where most
scores are near 0 so is their mean then."""

STEP = 20  # rounds are of a multiple of that


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
