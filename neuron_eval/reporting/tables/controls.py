"""Tables of what controls show: scores between shuffled and reference, true against false ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuron_eval.logs.runs import ADACS, Run
from neuron_eval.reporting.comparing import compare, label, scorer_name, scorers
from neuron_eval.reporting.controls import (
    REFERENCE,
    SHUFFLED,
    Ends,
    control_label,
    preferences,
    rescaled,
    scale,
)
from neuron_eval.reporting.statistics import estimate
from neuron_eval.reporting.tables.base import (
    INTERVAL,
    Cell,
    Column,
    Row,
    Table,
    count,
    estimate_cell,
    few_neurons,
    interval_text,
    report_table,
    words,
)

RESCALED = (
    "(score - shuffled) / (reference - shuffled), a ratio of means over the neurons that all three "
    "scored, with a 95 % bootstrap interval over neurons. 0 is the level of another neuron's "
    "explanation, 1 that of the neuron's reference; an explanation that is better than the "
    "reference has more than 1."
)
OF_ADACS = (
    "AdaCS compares with the reference, so that the reference's own AdaCS is 1 by definition."
)
PREFERS = (
    "Prefers the true one: the share of neurons whose reference scores higher than their false "
    "explanation, a tie being a half [95 % interval of Clopper and Pearson]. 50 % is chance."
)


@report_table("rescaled")
def rescaled_table(runs: Sequence[Run], controls: Sequence[Run]) -> list[Table]:
    """A row per run and per control that is no end of the scale; none without both ends."""
    named = {run.control for run in controls}
    if not {SHUFFLED, REFERENCE} <= named or not runs:
        return []
    others = [run for run in controls if run.control not in (SHUFFLED, REFERENCE)]
    names = scorers(runs)
    rows: list[list[Cell]] = [
        *([words(label(run, runs))] for run in runs),
        *([words(control_label(run, controls))] for run in others),
    ]
    notes = [RESCALED, *([OF_ADACS] if ADACS in names else [])]
    neurons: list[int] = []
    for name in names:
        compared = compare(runs, name)
        for row, run in zip(rows, (*runs, *others), strict=True):
            ends = scale(run, controls, compared) if name in scorers([run]) else None
            made = None if ends is None else rescaled(ends)
            neurons += [made.n] if made else []
            row.append(estimate_cell(made) if made else Cell("undefined", extra=(None, None, 0)))
            if ends is not None and made is None:
                notes.append(_no_scale(name, ends))
    columns = (
        Column("run"),
        *(Column(f"{scorer_name(n)}, rescaled", True, INTERVAL) for n in names),
    )
    return [
        Table(
            "rescaled",
            "Scores from shuffled (0) to reference (1)",
            columns,
            tuple(map(tuple, rows)),
            (*dict.fromkeys(notes), *few_neurons(neurons)),
            apart=len(others),
        )
    ]


def _no_scale(name: str, ends: Ends) -> str:
    measure, n = scorer_name(name), ends.scores.size
    between = estimate(ends.reference - ends.shuffled)
    assert between is not None
    if n == 1:
        return f"{measure}: not rescaled, because only one neuron has both ends of the scale."
    return (
        f"{measure}: not rescaled, because references are not shown to score above shuffled "
        f"explanations: {between.mean:+.3f} {interval_text(between.lower, between.upper, '+.3f')} "
        f"over {n:,} neurons."
    )


@report_table("preference")
def preference_table(runs: Sequence[Run], controls: Sequence[Run]) -> list[Table]:
    """A row per measure that scored true and false explanations; none where nothing was both."""
    every = [run for run in (*runs, *controls) if run.control]
    made = [p for name in scorers(every) for p in preferences(every, name)]
    if not made:
        return []
    rows: list[Row] = []
    for preference in made:
        prefers, difference = preference.prefers, estimate(np.asarray(preference.differences))
        rows.append(
            (
                words(scorer_name(preference.scorer)),
                words(preference.measured_by or "none"),
                count(prefers.n),
                _percent(prefers.mean, prefers.lower, prefers.upper, prefers.n),
                estimate_cell(difference, spec="+.3f"),
            )
        )
    columns = (
        Column("measure"),
        Column("measured by"),
        Column("neurons", True, short="n"),
        Column("prefers the true one", True, INTERVAL, "prefers true"),
        Column("true minus false", True, INTERVAL, "difference"),
    )
    several = max(preference.false for preference in made)
    more = [f"Each neuron's share is over its {several} false explanations."] if several > 1 else []
    notes = (PREFERS, *more, *few_neurons(p.prefers.n for p in made))
    return [Table("preference", "True against false explanations", columns, tuple(rows), notes)]


def _percent(mean: float, lower: float | None, upper: float | None, n: int) -> Cell:
    assert lower is not None
    assert upper is not None
    return Cell(f"{mean:.0%} [{lower:.0%}, {upper:.0%}]".replace("%", " %"), mean,
                extra=(lower, upper, n))  # fmt: skip
