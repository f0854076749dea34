"""Each run against the baseline's run, on the neurons that both scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuron_eval.logs.runs import Run
from neuron_eval.report.comparing import (
    label,
    measured_by,
    scored_ids,
    scorer_name,
    settings,
    values,
)
from neuron_eval.report.statistics import Paired, holm, paired


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against one baseline by one scorer."""

    run: Run
    """What is compared."""

    baseline: Run
    """What it is compared with."""

    scorer: str
    """Whose scores."""

    ids: tuple[str, ...]
    """The neurons that both have scores of, at least one."""

    paired: Paired
    """The differences, run minus baseline."""

    p: float | None
    """The test's p after Holm's correction over the scorer's comparisons with this baseline run;
    None without a test."""


def is_baseline(run: Run, baseline: str) -> bool:
    """Whether a run is of the baseline's format; upper and lower case are one."""
    return run.format.casefold() == baseline.casefold()


def baseline_of(run: Run, runs: Sequence[Run], baseline: str, scorer: str) -> Run | None:
    """The baseline's run to compare a run with.

    It was measured by the same model and has the same explainer: formats are compared, not
    explainers. Explanations from elsewhere, which have none, are compared with the only baseline
    there is. Of several it is the one with the most settings in common; None if there is none.
    """
    measured = [
        one
        for one in runs
        if is_baseline(one, baseline)
        and scored_ids(one, scorer)
        and measured_by(one, scorer) == measured_by(run, scorer)
    ]
    own = [one for one in measured if one.explainer == run.explainer]
    if not own and not (run.given and len(measured) == 1):
        return None
    mine = set(settings(run).items())
    return max(own or measured, key=lambda one: len(mine & set(settings(one).items())))


def comparisons(
    runs: Sequence[Run], baseline: str, scorer: str
) -> tuple[list[Comparison], list[str]]:
    """Every run that is not the baseline's against the baseline, by one scorer.

    Returns:
        The comparisons, and a sentence on each run or neuron that was left out of them.
    """
    found: list[tuple[Run, Run, tuple[str, ...], Paired]] = []
    notes: list[str] = []
    name = scorer_name(scorer)
    for run in runs:
        if is_baseline(run, baseline):
            continue
        mine = set(scored_ids(run, scorer))
        other = baseline_of(run, runs, baseline, scorer)
        if not mine:
            continue
        if other is None:
            notes.append(
                f"{name}: {label(run, runs)} has no {baseline} run to be compared with, by the "
                "same explainer and measured by the same model."
            )
            continue
        ids = tuple(id for id in scored_ids(other, scorer) if id in mine)
        notes.extend(_left_out(run, other, len(mine), ids, runs, scorer))
        result = paired(values(run, ids, scorer), values(other, ids, scorer))
        if result is not None:
            found.append((run, other, ids, result))
    corrected: dict[str, float | None] = {}
    for family in dict.fromkeys(other.log for _, other, _, _ in found):
        mine_of_it = [(run, result) for run, other, _, result in found if other.log == family]
        ps = holm([result.p for _, result in mine_of_it])
        corrected.update({run.log: p for (run, _), p in zip(mine_of_it, ps, strict=True)})
    return [
        Comparison(run, other, scorer, ids, result, corrected[run.log])
        for run, other, ids, result in found
    ], notes


def _left_out(
    run: Run, baseline: Run, mine: int, ids: Sequence[str], runs: Sequence[Run], scorer: str
) -> list[str]:
    theirs = len(scored_ids(baseline, scorer))
    if mine == theirs == len(ids):
        return []
    return [
        f"{scorer_name(scorer)}: {label(run, runs)} and {label(baseline, runs)} have "
        f"{len(ids) or 'no'} scored neurons in common; left out: {mine - len(ids)} of {mine} and "
        f"{theirs - len(ids)} of {theirs}."
    ]
