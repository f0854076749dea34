"""Whether scores can be believed: what controls show, and the sanity checks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from neuron_eval.logs.runs import ADACS, Run
from neuron_eval.logs.sanity import CHECKS_OVER, SanityChecks, check_label, criterion, result_text
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
from neuron_eval.reporting.statistics import Estimate, estimate
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, Cell, Column, Table
from neuron_eval.sanity import REWRITTEN, SCORE_LABELS

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


CHANGE = "Change: the mean difference, as a share of the score's range."


@base.report_table("rescaled")
def rescaled_table(runs: Sequence[Run], controls: Sequence[Run]) -> list[Table]:
    """A row per run and per control that is no end of the scale; none without both ends."""
    named = {run.control for run in controls}
    if not {SHUFFLED, REFERENCE} <= named or not runs:
        return []
    others = [run for run in controls if run.control not in (SHUFFLED, REFERENCE)]
    names = scorers(runs)
    names_of = [label(run, runs) for run in runs]
    names_of += [control_label(run, controls) for run in others]
    lines = [[base.words(name)] for name in names_of]
    notes = [RESCALED, *([OF_ADACS] if ADACS in names else [])]
    for name in names:
        compared = compare(runs, name)
        for line, run in zip(lines, (*runs, *others), strict=True):
            ends = scale(run, controls, compared) if name in scorers([run]) else None
            made = None if ends is None else rescaled(ends)
            line.append(base.estimate_cell(made, missing="undefined"))
            if ends is not None and made is None:
                notes.append(_no_scale(name, ends))
    columns = (Column(f"{scorer_name(name)}, rescaled", True, INTERVAL) for name in names)
    title, rows = "Scores from shuffled (0) to reference (1)", tuple(map(tuple, lines))
    table = Table("rescaled", title, (Column("run"), *columns), rows, tuple(dict.fromkeys(notes)))
    return [base.with_note_on_few(replace(table, apart=len(others)))]


def _no_scale(name: str, ends: Ends) -> str:
    measure, n = scorer_name(name), ends.scores.size
    between = estimate(ends.reference - ends.shuffled)
    assert between is not None
    if n == 1:
        return f"{measure}: not rescaled, because only one neuron has both ends of the scale."
    return (
        f"{measure}: not rescaled, because references are not shown to score above shuffled "
        f"explanations: {base.estimate_text(between, '+.3f')} over {n:,} neurons."
    )


@base.report_table("preference")
def preference_table(runs: Sequence[Run], controls: Sequence[Run]) -> list[Table]:
    """A row per measure that scored true and false explanations; none where nothing was both."""
    every = [run for run in (*runs, *controls) if run.control]
    made = [p for name in scorers(every) for p in preferences(every, name)]
    if not made:
        return []
    rows = tuple(
        base.row_of(
            scorer_name(preference.scorer),
            preference.measured_by or "none",
            preference.prefers.n,
            _percent(preference.prefers),
            base.estimate_cell(estimate(np.asarray(preference.differences)), spec="+.3f"),
        )
        for preference in made
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
    title = "True against false explanations"
    return [base.with_note_on_few(Table("preference", title, columns, rows, (PREFERS, *more)))]


def _percent(share: Estimate) -> Cell:
    text = base.estimate_text(share, ".0%").replace("%", " %")
    return Cell(text, share.mean, extra=(share.lower, share.upper, share.n))


@base.report_table("sanity", "sanity_rewritten")
def sanity_tables(checks: Sequence[SanityChecks]) -> list[Table]:
    """One where labels were changed, one where references were rewritten."""
    by_name = {
        "sanity": [c for c in checks if REWRITTEN not in c.samples],
        "sanity_rewritten": [c for c in checks if REWRITTEN in c.samples],
    }
    return [_sanity_table(name, chosen) for name, chosen in by_name.items() if chosen]


def _sanity_table(name: str, checks: Sequence[SanityChecks]) -> Table:
    """A row per score and sample of tokens; of several logs, each with its number."""
    several = len(checks) > 1
    columns = [Column("score"), Column("over")]
    for check in CHECKS_OVER[next(iter(checks[0].samples))]:
        columns.append(Column(check_label(check), True, INTERVAL))
        columns.append(Column(f"{check} change", True, short="change"))
    rows = [
        base.row_of(*([i] if several else []), *row)
        for i, of_log in enumerate(checks, 1)
        for row in _sanity_rows(of_log)
    ]
    if several:
        columns.insert(0, Column("log", True))
    titles = tuple(f"Log {i}: {c.title}." for i, c in enumerate(checks, 1)) if several else ()
    title = "Sanity checks of scores" if several else checks[0].title
    notes = (*titles, criterion(checks[0].samples), CHANGE)
    return Table(name, title, tuple(columns), tuple(rows), notes)


def _sanity_rows(checks: SanityChecks) -> Iterator[list[str | Cell]]:
    for sample, over in checks.samples.items():
        for name in checks.scores(sample):
            row: list[str | Cell] = [SCORE_LABELS[name], over]
            for check in CHECKS_OVER[sample]:
                result = checks.results[name, sample, check]
                extra = (*(result.interval or (None, None)), result.neurons)
                text = " ".join(result_text(result, checks.neurons).split())
                row.append(Cell(text, result.share, extra=extra))
                row.append(base.number(result.change, "+.4f", "none"))
            yield row
