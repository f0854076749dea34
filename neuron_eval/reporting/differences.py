"""Each run against the baseline's, or one run against another, on the neurons that both scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import (
    is_baseline,
    label,
    measured_by,
    scored_ids,
    scorer_name,
    settings,
    values,
)
from neuron_eval.reporting.pairs import Pair
from neuron_eval.reporting.statistics import Paired, holm, paired

Matched = tuple[list[tuple[Run, Run]], list[str]]
"""Runs, each with what it is compared with, and a sentence on each left out."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against one baseline by one scorer, on the neurons that both have scores of.

    The p is the test's after Holm's correction over the scorer's comparisons with this baseline
    run; None without a test.
    """

    run: Run
    baseline: Run
    scorer: str
    paired: Paired
    p: float | None


def baseline_of(run: Run, runs: Sequence[Run], baseline: str, scorer: str) -> Run | None:
    """The baseline's run to compare a run with.

    It was measured by the same model and has the same explainer: formats are compared, not
    explainers. Explanations from elsewhere, which have none, are compared with the only baseline
    there is. Of several it is the one with the most settings in common; None if there is none.
    """
    measured = [
        other
        for other in runs
        if is_baseline(other, baseline)
        and scored_ids(other, scorer)
        and measured_by(other, scorer) == measured_by(run, scorer)
    ]
    same = [other for other in measured if other.explainer == run.explainer]
    if not same and not (run.given and len(measured) == 1):
        return None
    own = set(settings(run).items())
    return max(same or measured, key=lambda other: len(own & set(settings(other).items())))


def comparisons(
    runs: Sequence[Run], baseline: str, scorer: str, pair: Pair | None = None
) -> tuple[list[Comparison], list[str]]:
    """Every other run against the baseline's, by one scorer; a sentence on each left out.

    With a pair its two runs are compared, and nothing else.
    """
    compared: list[Comparison] = []
    matched, notes = _matched(runs, baseline, scorer) if pair is None else _paired(pair, scorer)
    for run, other in matched:
        scored = set(scored_ids(run, scorer))
        ids = tuple(id for id in scored_ids(other, scorer) if id in scored)
        notes.extend(_left_out(run, other, len(scored), ids, runs, scorer))
        result = paired(values(run, ids, scorer), values(other, ids, scorer))
        if result is not None:
            compared.append(Comparison(run, other, scorer, result, None))
    corrected: dict[str, float | None] = {}
    for baseline_log in dict.fromkeys(c.baseline.log for c in compared):
        family = [c for c in compared if c.baseline.log == baseline_log]
        ps = holm([c.paired.p for c in family])
        corrected.update({c.run.log: p for c, p in zip(family, ps, strict=True)})
    return [replace(c, p=corrected[c.run.log]) for c in compared], notes


def _matched(runs: Sequence[Run], baseline: str, scorer: str) -> Matched:
    """Each run that has one, with the baseline's run."""
    matched: list[tuple[Run, Run]] = []
    notes: list[str] = []
    for run in runs:
        if is_baseline(run, baseline) or not scored_ids(run, scorer):
            continue
        other = baseline_of(run, runs, baseline, scorer)
        if other is None:
            notes.append(
                f"{scorer_name(scorer)}: {label(run, runs)} has no {baseline} run to be compared "
                "with, by the same explainer and measured by the same model."
            )
        else:
            matched.append((run, other))
    return matched, notes


def _paired(pair: Pair, scorer: str) -> Matched:
    run, other = pair.run, pair.other
    models = [measured_by(one, scorer) for one in (run, other)]
    if models[0] == models[1] or not (scored_ids(run, scorer) and scored_ids(other, scorer)):
        return [(run, other)], []
    return [], [
        f"{scorer_name(scorer)}: not compared, because different models measured it: "
        f"{' and '.join(model or 'unknown' for model in models)}."
    ]


def _left_out(
    run: Run, baseline: Run, scored: int, ids: Sequence[str], runs: Sequence[Run], scorer: str
) -> list[str]:
    theirs = len(scored_ids(baseline, scorer))
    if scored == theirs == len(ids):
        return []
    return [
        f"{scorer_name(scorer)}: {label(run, runs)} and {label(baseline, runs)} have "
        f"{len(ids) or 'no'} scored neurons in common; left out: {scored - len(ids)} of {scored} "
        f"and {theirs - len(ids)} of {theirs}."
    ]
