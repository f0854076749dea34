"""Table 1: how well each run scores; also by layer or by group of neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from neuron_eval.logs.neurons import ADACS
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.report.comparing import (
    Compared,
    compare,
    label,
    measured_by,
    scorer_name,
    scorers,
    values,
)
from neuron_eval.report.statistics import estimate
from neuron_eval.report.tables.base import (
    INTERVAL,
    Cell,
    Column,
    Table,
    estimate_cell,
    few_neurons,
    number,
    share,
    whole,
    words,
)
from neuron_eval.report.tables.best import BEST, MEANS, beside_the_best

UNRELATED = "AdaCS of unrelated references"
BY = ("layer", "group")
"""What neurons can be told apart by."""


def scores_table(runs: Sequence[Run], by: str | None = None) -> Table:
    """A row a run, or a row a run and layer or group, with every scorer's mean.

    Args:
        runs: At least one.
        by: ``layer`` or ``group``; None for all neurons together.

    Raises:
        ValueError: ``by`` is neither.
    """
    if by is not None and by not in BY:
        raise ValueError(f"by={by!r}: expected one of {', '.join(BY)}")
    names = scorers(runs)
    compared = {name: compare(runs, name) for name in names}
    rows: list[tuple[Cell, ...]] = []
    for value in _values(runs, by):
        cells = {name: _means(compared[name], name, by, value) for name in names}
        for run in runs:
            front = () if by is None else (_group_cell(by, value),)
            rows.append((*front, *_row(run, runs, cells, compared, by, value)))
    columns = [Column("run"), Column("neurons", numeric=True)]
    for name in names:
        columns.append(Column(scorer_name(name), True, INTERVAL))
        columns.append(Column(f"{scorer_name(name)} scored", True))
    if ADACS in names:
        columns.append(Column(UNRELATED, True))
    if by is not None:
        columns.insert(0, Column(by, numeric=by == "layer"))
    return Table(
        name="scores" if by is None else f"scores_by_{by}",
        title="Scores by run" if by is None else f"Scores by {by} and run",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(*_notes(compared, by), *few_neurons(_counts(columns, rows))),
    )


def _values(runs: Sequence[Run], by: str | None) -> list[int | str | None]:
    """The layers, ascending, or the groups, as they appear; one None for all together."""
    if by is None:
        return [None]
    found = dict.fromkeys(getattr(n, by) for run in runs for n in run.results.values())
    return sorted(found) if by == "layer" else list(found)


def _group_cell(by: str, value: int | str | None) -> Cell:
    if value is None or value == "" or value == -1:
        return Cell(f"no {by}")
    return Cell(str(value), value)


def _in(result: NeuronResult, by: str | None, value: object) -> bool:
    return by is None or getattr(result, by) == value


def _row(
    run: Run,
    runs: Sequence[Run],
    cells: Mapping[str, Mapping[str, Cell]],
    compared: Mapping[str, Compared],
    by: str | None,
    value: object,
) -> tuple[Cell, ...]:
    results = [result for result in run.results.values() if _in(result, by, value)]
    row = [words(label(run, runs)), whole(len(results))]
    for name, made in cells.items():
        row.append(made.get(run.log) or estimate_cell(None))
        row.append(share(sum(name in result.scores for result in results), len(results)))
    if ADACS in cells:
        used = [run.results[id] for id in compared[ADACS].ids(run, ADACS)]
        levels = [n.unrelated for n in used if _in(n, by, value) and n.unrelated is not None]
        row.append(number(fmean(levels) if levels else None, missing="none"))
    return tuple(row)


def _means(compared: Compared, scorer: str, by: str | None, value: object) -> dict[str, Cell]:
    """By log: the mean of one scorer, with the best bold and what equals it marked."""
    ids = {
        run.log: [i for i in compared.ids(run, scorer) if _in(run.results[i], by, value)]
        for run in compared.runs
    }
    scores = {run.log: values(run, ids[run.log], scorer) for run in compared.runs}
    found = {log: made for log, mine in scores.items() if (made := estimate(mine)) is not None}
    cells = {log: estimate_cell(made) for log, made in found.items()}
    for group in compared.together:
        if not compared.common[group[0].log]:
            continue
        for measure in dict.fromkeys(measured_by(run, scorer) for run in group):
            logs = [r.log for r in group if measured_by(r, scorer) == measure]
            mine = {log: found[log] for log in logs if log in found}
            cells.update(beside_the_best(mine, scores))
    return cells


def _counts(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    """How many neurons each mean is over."""
    means = [i for i, column in enumerate(columns) if column.extra == INTERVAL]
    return [int(row[i].extra[-1] or 0) for row in rows for i in means]


def _notes(compared: Mapping[str, Compared], by: str | None) -> list[str]:
    if not compared:
        return ["Nothing was scored in any run."]
    notes = [MEANS]
    if any(
        len(group) > 1 and one.common[group[0].log]
        for one in compared.values()
        for group in one.together
    ):
        notes.append(BEST.format(where="" if by is None else f" in each {by}"))
    for name, one in compared.items():
        models = dict.fromkeys(measured_by(run, name) for run in one.runs)
        if len(models) > 1:
            notes.append(
                f"{scorer_name(name)}: scores measured by different models "
                f"({', '.join(m or 'unknown' for m in models)}) mean different things; each "
                "model's best is bold."
            )
        notes.extend(one.notes)
    if ADACS in compared:
        notes.append(
            f"{UNRELATED}: the same explanations with other neurons' references; an AdaCS that is "
            "not above it says nothing. AdaCS rewards naming words: compare explanations of one "
            "style only."
        )
    return notes
