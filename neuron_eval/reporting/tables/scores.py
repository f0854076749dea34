"""Table 1: how well each run scores; also by layer or by group of neurons."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from neuron_eval.generating import MEANING
from neuron_eval.judging import MEANINGS
from neuron_eval.logs.runs import ADACS, GENERATION, SIMULATION, NeuronResult, Run
from neuron_eval.reporting import comparing
from neuron_eval.reporting.comparing import SIMULATED, CommonNeurons, label, scorer_name, values
from neuron_eval.reporting.controls import control_ids, control_label, meanings
from neuron_eval.reporting.statistics import estimate
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, MEANS, Cell, Column, Row, Table
from neuron_eval.simulation.headline import measure_of

UNRELATED = "AdaCS of unrelated references"
# What scorers are called where there is little room.
SHORT = {**SIMULATED, SIMULATION: "simulation"}
MEASURES = {
    SIMULATION: "a simulator predicts activations from the explanation alone; this is their "
    "correlation with the true ones, on excerpts that the explainer did not see. 1 is perfect, a "
    "wrong explanation gets about 0.",
    ADACS: "the cosine similarity of the explanation and a reference explanation, by the embedder. "
    "1 is the same text.",
}
"""What scorers measure, in a line; see `_definition`."""

Results = Sequence[NeuronResult]
BY = ("layer", "group")  # what neurons can be told apart by


@base.report_table("scores", *(f"scores_by_{part}" for part in BY))
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
    names = comparing.scorers(runs)
    compared = {name: comparing.compare(runs, name) for name in names}
    rows: list[Row] = []
    none = base.estimate_cell(None)
    parts: dict[Any, None] = {None: None}
    if by is not None:
        parts = dict.fromkeys(getattr(n, by) for run in runs for n in run.results.values())
    for part in sorted(parts) if by == "layer" else parts:
        means = {name: _means(compared[name], by, part) for name in names}
        front = Cell(f"no {by}") if part in (None, "", -1) else Cell(str(part), part)
        for run in runs:
            cells = {name: of.get(run.log, none) for name, of in means.items()}
            results = [result for result in run.results.values() if _in(result, by, part)]
            used = [run.results[id] for id in (compared[ADACS].ids(run) if ADACS in names else ())]
            unrelated = [result for result in used if _in(result, by, part)]
            row = _row(label(run, runs), results, cells, unrelated)
            rows.append(row if by is None else (front, *row))
    for control in controls:
        ids = {name: control_ids(control, common) for name, common in compared.items()}
        cells = {n: base.estimate_cell(estimate(values(control, of, n))) for n, of in ids.items()}
        unrelated = [control.results[id_] for id_ in ids.get(ADACS, ())]
        every = list(control.results.values())
        rows.append(_row(control_label(control, controls), every, cells, unrelated))
    columns = [Column("run"), Column("neurons", True, short="n")]
    for name in names:
        columns.append(Column(scorer_name(name), True, INTERVAL, SHORT.get(name, "")))
        columns.append(Column(f"{scorer_name(name)} scored", True, short="scored"))
    if ADACS in names:
        columns.append(Column(UNRELATED, True, short="unrelated"))
    if by is not None:
        columns.insert(0, Column(by, numeric=by == "layer"))
    name = "scores" if by is None else f"scores_by_{by}"
    title = "Scores by run" if by is None else f"Scores by {by} and run"
    best = base.best_notes(columns, rows, f" in each {by}" if by else "")
    notes = (*_notes(compared, by, best), *_control_notes(controls, compared))
    table = Table(name, title, tuple(columns), tuple(rows), notes, apart=len(controls))
    return base.with_note_on_few(table)


def _in(result: NeuronResult, by: str | None, part: object) -> bool:
    return by is None or getattr(result, by) == part


def _row(name: str, results: Results, means: Mapping[str, Cell], used: Results) -> Row:
    """A run's row; the level of unrelated references is that of the results that are ``used``."""
    row = list(base.row_of(name, len(results)))
    for scorer, mean in means.items():
        row += [mean, base.share(sum(scorer in n.scores for n in results), len(results))]
    if ADACS in means:
        levels = [n.unrelated for n in used if n.unrelated is not None]
        row.append(base.number(fmean(levels) if levels else None, missing="none"))
    return tuple(row)


def _control_notes(controls: Sequence[Run], compared: Mapping[str, CommonNeurons]) -> list[str]:
    """What the controls are, and which neurons have no explanation that would be one."""
    if not controls:
        return []
    notes = [f"{meanings(controls)} No explainer is asked, and no control is called best."]
    for name, common in compared.items():
        fewer: dict[tuple[int, int], list[str]] = {}
        for run in controls:
            measured = common.neurons.intersection(run.results)
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
    scores = {}
    for run in compared.runs:
        ids = [id for id in compared.ids(run) if _in(run.results[id], by, part)]
        scores[run.log] = values(run, ids, scorer)
    means = {log: mean for log, own in scores.items() if (mean := estimate(own)) is not None}
    cells = {log: base.estimate_cell(mean) for log, mean in means.items()}
    for group in compared.measured_alike():
        if compared.common[group[0].log]:
            known = {run.log: means[run.log] for run in group if run.log in means}
            cells.update(base.beside_the_best(known, scores))
    return cells


def _notes(compared: Mapping[str, CommonNeurons], by: str | None, best: Sequence[str]) -> list[str]:
    if not compared:
        return ["Nothing was scored in any run."]
    defined = [f"{scorer_name(name)}: {line}" for name in compared if (line := _definition(name))]
    notes = [MEANS] if by else [*defined, MEANS]
    if any(
        len(group) > 1 and common.common[group[0].log]
        for common in compared.values()
        for group in common.together
    ):
        notes.extend(best)
    for name, common in compared.items():
        models = dict.fromkeys(comparing.measured_by(run, name) for run in common.runs)
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


def _definition(scorer: str) -> str:
    """What a scorer measures and what it does not notice, in a line; empty if not known."""
    if scorer in MEASURES or scorer not in SIMULATED:
        return {**MEASURES, **MEANINGS, GENERATION: MEANING}.get(scorer, "")
    measure, where = measure_of(SIMULATED[scorer])
    return (
        f"a simulator predicts activations from the explanation alone, {where} that the explainer "
        f"did not see; this is the {measure.label} of predicted and true ones. 1 is perfect, "
        f"chance gets {measure.chance}. It hardly notices {measure.unnoticed}."
    )
