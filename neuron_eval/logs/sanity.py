"""What the sanity checks of a log came to, and their table at the end of an eval."""

from __future__ import annotations

import atexit
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from inspect_ai.hooks import Hooks, RunEnd, hooks
from inspect_ai.log import EvalLog, read_eval_log_sample_summaries
from inspect_ai.util import display_type
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neuron_eval.dataset import EXCERPTS
from neuron_eval.logs.files import CHECKED
from neuron_eval.measures import MEASURES
from neuron_eval.messages import visible
from neuron_eval.sanity import (
    CHECKS,
    ENOUGH,
    FALL,
    SAMPLES,
    Check,
    CheckResult,
    Sample,
    check_result,
)

CRITERION = (
    f"A score falls if it loses more than {FALL} of its range. It passes a check if it falls in at "
    f"least {100 * ENOUGH:g} % of the neurons; in brackets the 95 % interval of that share. Where "
    "the share is of fewer neurons, the others have no measurement: no label was changed, or the "
    "score is undefined."
)
CONCEPTS = {
    "truth": "where the neuron is active",
    "reference": "what the simulated reference explanation names",
}


def scorer_of(sample: Sample, check: Check) -> str:
    """The scorer of one check, which is the name of its score."""
    return f"{check}_labels" + ("" if sample == "natural" else f"_{sample}")


@dataclass(frozen=True, slots=True)
class SanityChecks:
    """What the checks of one log came to."""

    log: str
    neurons: int
    title: str
    samples: Mapping[Sample, str]
    """What each sample of tokens is, for a person."""

    results: Mapping[tuple[str, Sample, Check], CheckResult]
    """By measure, sample and check."""


def sanity_checks_of(log: EvalLog) -> SanityChecks:
    """Read a log of the sanity checks; its samples' summaries are read from its file.

    Raises:
        Exception: Whatever Inspect raises of a file that may hold anything.
    """
    about, arguments = log.eval.metadata or {}, log.eval.task_args
    summaries = read_eval_log_sample_summaries(log.location)
    scored = [summary.scores or {} for summary in summaries]
    n = arguments.get("excerpts", EXCERPTS)
    return SanityChecks(
        log=log.location,
        neurons=len(summaries),
        title=visible(
            f"Sanity checks of scores on {about.get('neurons')}, {len(summaries)} "
            f"neuron{'s' * (len(summaries) != 1)}; the concept is "
            f"{CONCEPTS.get(str(about.get(CHECKED)), 'unknown')}"
        ),
        samples={
            "natural": "all text",
            "top_random": visible(f"{n} top and {n} random excerpts"),
        },
        results={
            (name, sample, check): check_result(
                list(_differences(scored, scorer_of(sample, check), name))
            )
            for name in MEASURES
            for sample in SAMPLES
            for check in CHECKS
        },
    )


def _differences(
    samples: Iterable[Mapping[str, Any]], scorer: str, measure: str
) -> Iterable[float]:
    for scores in samples:
        score = scores.get(scorer)
        if score is not None and isinstance(score.value, dict):
            value = score.value.get(measure)
            if isinstance(value, float | int) and not math.isnan(value):
                yield float(value)


def result_text(result: CheckResult, neurons: int) -> str:
    """The verdict, the share of neurons in which the score falls, and its interval."""
    if result.share is None or result.interval is None:
        return "no measurement"
    low, high = (100 * end for end in result.interval)
    of = f" of {result.neurons}" if result.neurons < neurons else ""
    verdict = "passes" if result.passes else "FAILS"
    return f"{verdict:6} {100 * result.share:3.0f} % [{low:.0f}, {high:.0f}]{of}"


def print_checks(checks: SanityChecks) -> None:
    console = Console()
    console.print(Text(f"\n{checks.title}", "bold"))
    for sample in SAMPLES:
        console.print(Text(f"\nOver {checks.samples[sample]}"))
        heads = ("score", *(f"{check} labels" for check in CHECKS))
        table = Table(*heads, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for name, measure in MEASURES.items():
            results = [checks.results[name, sample, check] for check in CHECKS]
            texts = [
                Text(result_text(r, checks.neurons), "green" if r.passes else "red")
                for r in results
            ]
            table.add_row(measure.label, *texts)
        console.print(table)
    console.print(Text(f"\n{CRITERION}"))


@cache
def print_at_the_end() -> None:
    """Have every eval of the sanity checks in this process print its table after it.

    Registered here and not where Inspect looks for hooks when it starts, since it would announce
    it at every eval of any task.
    """

    @hooks(name="sanity_table", description="Prints the table of neuron_eval/sanity.")
    class SanityTable(Hooks):
        async def on_run_end(self, data: RunEnd) -> None:
            display = display_type()
            for log in data.logs if display not in ("none", "log") else ():
                if CHECKED not in (log.eval.metadata or {}) or log.status != "success":
                    continue
                checks = sanity_checks_of(log)
                if display == "full" and sys.__stdout__ and sys.__stdout__.isatty():
                    # Inspect prints its own results last, when it gives the screen back.
                    atexit.register(print_checks, checks)
                else:
                    print_checks(checks)
