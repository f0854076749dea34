"""Table 1: how well each run scores; also by layer or by group of neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from neuron_eval.logs.runs import ADACS, SIMULATION, NeuronResult, Run
from neuron_eval.reporting.comparing import (
    SIMULATED,
    CommonNeurons,
    compare,
    definition,
    label,
    measured_by,
    scorer_name,
    scorers,
    values,
)
from neuron_eval.reporting.controls import control_ids, control_label, meanings
from neuron_eval.reporting.statistics import estimate
from neuron_eval.reporting.tables.base import (
    INTERVAL,
    MEANS,
    Cell,
    Column,
    Row,
    Table,
    beside_the_best,
    best_notes,
    cell_neurons,
    count,
    estimate_cell,
    few_neurons,
    number,
    report_table,
    share,
    words,
)

UNRELATED = "AdaCS of unrelated references"
SHORT = {**SIMULATED, SIMULATION: "simulation"}
"""What scorers are called where there is little room."""

BY = ("layer", "group")
"""What neurons can be told apart by."""


@report_table("scores", *(f"scores_by_{part}" for part in BY))
def scores_tables(
    runs: Sequence[Run], by: Sequence[str], controls: Sequence[Run] = ()
) -> list[Table]:
    parts = dict.fromkeys(by)
    return [scores_table(runs, None, controls), *(scores_table(runs, part) for part in parts)]


def scores_table(runs: Sequence[Run], by: str | None = None, controls: Sequence[Run] = ()) -> Table:
    """A row per run with every scorer's mean; by ``layer`` or ``group`` a row per run and part.

    Controls follow, over the neurons that the runs above are compared on.
    """
    if by is not None and by not in BY:
        raise ValueError(f"by={by!r}: expected one of {', '.join(BY)}")
    names = scorers(runs)
    compared = {name: compare(runs, name) for name in names}
    rows: list[Row] = []
    for part in _parts(runs, by):
        cells = {name: _means(compared[name], by, part) for name in names}
        for run in runs:
            row = _row(run, runs, cells, compared, by, part)
            unknown = part in (None, "", -1)
            front = Cell(f"no {by}") if unknown else Cell(str(part), part)
            rows.append(row if by is None else (front, *row))
    rows.extend(_control(control, controls, compared) for control in controls)
    columns = [Column("run"), Column("neurons", True, short="n")]
    for name in names:
        columns.append(Column(scorer_name(name), True, INTERVAL, SHORT.get(name, "")))
        columns.append(Column(f"{scorer_name(name)} scored", True, short="scored"))
    if ADACS in names:
        columns.append(Column(UNRELATED, True, short="unrelated"))
    if by is not None:
        columns.insert(0, Column(by, numeric=by == "layer"))
    means = [i for i, column in enumerate(columns) if column.extra == INTERVAL]
    shown = [row[i] for row in rows for i in means]
    return Table(
        name="scores" if by is None else f"scores_by_{by}",
        title="Scores by run" if by is None else f"Scores by {by} and run",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(
            *_notes(compared, by, shown),
            *_control_notes(controls, compared),
            *few_neurons(cell_neurons(shown)),
        ),
        apart=len(controls),
    )


def _parts(runs: Sequence[Run], by: str | None) -> list[int | str | None]:
    """The layers, ascending, or the groups, as they appear; one None for all together."""
    if by is None:
        return [None]
    parts = dict.fromkeys(getattr(n, by) for run in runs for n in run.results.values())
    return sorted(parts) if by == "layer" else list(parts)


def _in(result: NeuronResult, by: str | None, part: object) -> bool:
    return by is None or getattr(result, by) == part


def _row(
    run: Run,
    runs: Sequence[Run],
    cells: Mapping[str, Mapping[str, Cell]],
    compared: Mapping[str, CommonNeurons],
    by: str | None,
    part: object,
) -> Row:
    results = [result for result in run.results.values() if _in(result, by, part)]
    row = [words(label(run, runs)), count(len(results))]
    for name, means in cells.items():
        row.append(means.get(run.log) or estimate_cell(None))
        row.append(share(sum(name in result.scores for result in results), len(results)))
    if ADACS in cells:
        used = [run.results[id] for id in compared[ADACS].ids(run)]
        levels = [n.unrelated for n in used if _in(n, by, part) and n.unrelated is not None]
        row.append(number(fmean(levels) if levels else None, missing="none"))
    return tuple(row)


def _control(run: Run, controls: Sequence[Run], compared: Mapping[str, CommonNeurons]) -> Row:
    """A control's row: no mean of it is bold or marked."""
    results = run.results.values()
    row = [words(control_label(run, controls)), count(len(results))]
    for name, common in compared.items():
        row.append(estimate_cell(estimate(values(run, control_ids(run, common), name))))
        row.append(share(sum(name in result.scores for result in results), len(results)))
    if ADACS in compared:
        used = (run.results[id_].unrelated for id_ in control_ids(run, compared[ADACS]))
        levels = [level for level in used if level is not None]
        row.append(number(fmean(levels) if levels else None, missing="none"))
    return tuple(row)


def _control_notes(controls: Sequence[Run], compared: Mapping[str, CommonNeurons]) -> list[str]:
    """What the controls are, and which neurons have no explanation that would be one."""
    if not controls:
        return []
    notes = [f"{meanings(controls)} No explainer is asked, and no control is called best."]
    for name, common in compared.items():
        ids = {id_ for run in common.runs for id_ in common.ids(run)}
        fewer: dict[tuple[int, int], list[str]] = {}
        for run in controls:
            measured = ids.intersection(run.results)
            without = len(measured) - len(control_ids(run, common))
            if without:
                fewer.setdefault((without, len(measured)), []).append(label(run, controls))
        notes += [
            f"{scorer_name(name)}: {without:,} of {of:,} neurons have no score of "
            f"{' and '.join(names)}, for want of such an explanation or of the score; the rescaled "
            "scores are over the same neurons."
            for (without, of), names in fewer.items()
        ]
    return notes


def _means(compared: CommonNeurons, by: str | None, part: object) -> dict[str, Cell]:
    """By log: the mean of one scorer, with the best bold and what equals it marked."""
    scorer = compared.scorer
    ids = {
        run.log: [i for i in compared.ids(run) if _in(run.results[i], by, part)]
        for run in compared.runs
    }
    scores = {run.log: values(run, ids[run.log], scorer) for run in compared.runs}
    means = {log: mean for log, own in scores.items() if (mean := estimate(own)) is not None}
    cells = {log: estimate_cell(mean) for log, mean in means.items()}
    for group in compared.together:
        if not compared.common[group[0].log]:
            continue
        for measure in dict.fromkeys(measured_by(run, scorer) for run in group):
            logs = [r.log for r in group if measured_by(r, scorer) == measure]
            cells.update(beside_the_best({log: means[log] for log in logs if log in means}, scores))
    return cells


def _notes(
    compared: Mapping[str, CommonNeurons], by: str | None, means: Sequence[Cell]
) -> list[str]:
    if not compared:
        return ["Nothing was scored in any run."]
    defined = [f"{scorer_name(name)}: {line}" for name in compared if (line := definition(name))]
    notes = [MEANS] if by else [*defined, MEANS]
    if any(
        len(group) > 1 and common.common[group[0].log]
        for common in compared.values()
        for group in common.together
    ):
        notes.extend(best_notes(means, "" if by is None else f" in each {by}"))
    for name, common in compared.items():
        models = dict.fromkeys(measured_by(run, name) for run in common.runs)
        if len(models) > 1:
            notes.append(
                f"{scorer_name(name)}: scores measured by different models "
                f"({', '.join(m or 'unknown' for m in models)}) mean different things, and are "
                "compared apart."
            )
        notes.extend(common.notes)
    if ADACS in compared:
        notes.append(
            f"{UNRELATED}: the same explanations with other neurons' references; an AdaCS that is "
            "not above it says nothing. AdaCS rewards naming words: compare explanations of one "
            "style only."
        )
    return notes
