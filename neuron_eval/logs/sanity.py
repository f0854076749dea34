"""What the sanity checks of a log came to, and their table at the end of an eval."""

import atexit
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from statistics import fmean
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
from neuron_eval.prompts.wording import REWRITINGS
from neuron_eval.sanity import (
    CHECKS,
    ENOUGH,
    FALL,
    REWRITTEN,
    SAMPLES,
    SCORE_LABELS,
    CheckResult,
    check_result,
)
from neuron_eval.simulation.choose import ROLE

CONCEPTS = {
    "truth": "the concept is where the neuron is active",
    "reference": "the concept is what the simulated reference explanation names",
}

CHECKS_OVER: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(SAMPLES, CHECKS),
    REWRITTEN: REWRITINGS,
}
"""By sample of tokens: what is done to a concept there."""


def scorer_of(sample: str, check: str) -> str:
    if sample == REWRITTEN:
        return f"{check}_reference"
    return f"{check}_labels" + ("" if sample == "natural" else f"_{sample}")


def check_label(check: str) -> str:
    return f"{check} labels" if check in CHECKS else check


def criterion(samples: Iterable[str]) -> str:
    why = "no label was changed, or the score is undefined."
    if REWRITTEN in samples:
        why = (
            "the reference was not rewritten, the score is undefined, or other excerpts could be "
            "read."
        )
    return (
        f"A score falls if it loses more than {FALL} of its range. It passes a check if it falls "
        f"in at least {100 * ENOUGH:g} % of the neurons; in brackets the 95 % interval of that "
        "share. Where the share is of fewer neurons, the others have no measurement: " + why
    )


@dataclass(frozen=True, slots=True)
class SanityChecks:
    """What the checks of one log came to."""

    log: str
    neurons: int
    title: str
    samples: Mapping[str, str]  # what each sample of tokens that was checked is, for a person
    results: Mapping[tuple[str, str, str], CheckResult]  # by score, sample and check

    def scores(self, sample: str) -> list[str]:
        named = {name for name, over, _ in self.results if over == sample}
        return [name for name in SCORE_LABELS if name in named]


def sanity_checks_of(
    log: EvalLog, *others: EvalLog, again: Mapping[str, Collection[str]] | None = None
) -> SanityChecks:
    """Read a log of the sanity checks, or several of one run; raises anything that Inspect does.

    ``again`` are by the log's place the neurons in it that do not count.
    """
    about, arguments = log.eval.metadata or {}, log.eval.task_args
    scored: dict[str | int, list[Mapping[str, Any]]] = {}
    for one in (log, *others):
        without = (again or {}).get(one.location, ())
        for summary in read_eval_log_sample_summaries(one.location):
            if str(summary.id) not in without:
                scored.setdefault(summary.id, []).append(summary.scores or {})
    n = arguments.get("excerpts", EXCERPTS)
    if about.get(CHECKED) == REWRITTEN:
        role = (log.eval.model_roles or {}).get(ROLE)
        first = role[0] if isinstance(role, list) else role
        what = f"references narrowed and widened by {first.model if first else log.eval.model}"
        samples = {REWRITTEN: "the held-out excerpts"}
    else:
        what = CONCEPTS.get(str(about.get(CHECKED)), "the concept is unknown")
        samples = {"natural": "all text", "top_random": f"{n} top and {n} random excerpts"}
    names = _scored_names(chain(*scored.values()))
    count = f"{len(scored)} neuron{'s' * (len(scored) != 1)}"
    return SanityChecks(
        log=log.location,
        neurons=len(scored),
        title=visible(f"Sanity checks of scores on {about.get('neurons')}, {count}; {what}"),
        samples={sample: visible(text) for sample, text in samples.items()},
        results={
            (name, sample, check): check_result(list(_differences(scored.values(), scorer, name)))
            for sample in samples
            for check in CHECKS_OVER[sample]
            for scorer in [scorer_of(sample, check)]
            for name in (names if sample == REWRITTEN else MEASURES)
        },
    )


def _scored_names(samples: Iterable[Mapping[str, Any]]) -> set[str]:
    values = (score.value for scores in samples for score in scores.values())
    return {name for value in values if isinstance(value, dict) for name in value} & {*SCORE_LABELS}


def _differences(
    neurons: Iterable[Iterable[Mapping[str, Any]]], scorer: str, measure: str
) -> Iterator[float]:
    """Of each neuron that has one, its mean over epochs."""
    for epochs in neurons:
        scores = [scores[scorer].value for scores in epochs if scorer in scores]
        values = [value.get(measure) for value in scores if isinstance(value, dict)]
        numbers = [v for v in values if isinstance(v, float | int) and not math.isnan(v)]
        if numbers:
            yield fmean(numbers)


def result_text(result: CheckResult, neurons: int) -> str:
    if result.share is None or result.interval is None:
        return "no measurement"
    low, high = (100 * end for end in result.interval)
    of = f" of {result.neurons}" if result.neurons < neurons else ""
    verdict = "passes" if result.passes else "FAILS"
    return f"{verdict:6} {100 * result.share:3.0f} % [{low:.0f}, {high:.0f}]{of}"


def print_checks(checks: SanityChecks) -> None:
    console = Console()
    console.print(Text(f"\n{checks.title}", "bold"))
    for sample, over in checks.samples.items():
        console.print(Text(f"\nOver {over}"))
        heads = ("score", *map(check_label, CHECKS_OVER[sample]))
        table = Table(*heads, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for name in checks.scores(sample):
            results = (checks.results[name, sample, check] for check in CHECKS_OVER[sample])
            styled = ((result_text(r, checks.neurons), r.passes) for r in results)
            texts = (Text(text, "green" if passes else "red") for text, passes in styled)
            table.add_row(SCORE_LABELS[name], *texts)
        console.print(table)
    console.print(Text(f"\n{criterion(checks.samples)}"))


@cache
def print_at_the_end() -> None:
    """Have every eval of the sanity checks in this process print its table after it.

    Where Inspect looks for hooks when it starts, it would announce this at every eval.
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
