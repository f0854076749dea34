"""How well predicted activations match true ones, by further measures, for any log."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.measures import ALPHA, MEASURES
from neuron_eval.parameters import check_choice
from neuron_eval.reporting.comparing import CommonNeurons, compare, label, measured_names, values
from neuron_eval.reporting.statistics import estimate
from neuron_eval.reporting.tables import base
from neuron_eval.reporting.tables.base import INTERVAL, MEANS, Cell, Column, Table
from neuron_eval.simulation.headline import RANDOM

ALL = "all"
# What a measure is computed over, by what stands behind its name.
SETS = {"": "all excerpts", RANDOM: "random excerpts"}

COLUMNS = (
    *(Column("measure"), Column("run")),
    *(
        column
        for name in SETS.values()
        for column in (Column(name, True, INTERVAL), Column(f"undefined on {name}", True))
    ),
)

ACTIVE = (
    "In formulas t is the true activation, p the predicted one, from 0 to 1 (a language model's is "
    "divided by 10), and a whether the token is active. It is above the activation that "
    f"{100 * ALPHA:g} % of all tokens exceed, by the neuron's recorded quantiles, else by its "
    "scored random excerpts; and never at 0 or below."
)
FEWER = "Means are over the neurons for which the measure is defined in every run."


def check_measures(measures: str | Sequence[str]) -> tuple[str, ...]:
    """The headlines to compute for measures that the user named, or for ``all``.

    Raises:
        InputError: Names a measure that there is not, and those that there are.
    """
    names = measures.split(",") if isinstance(measures, str) else measures
    names = [check_choice("measures", name.strip(), (ALL, *MEASURES)) for name in names if name]
    chosen = MEASURES if ALL in names else dict.fromkeys(names)
    return tuple(f"{name}{suffix}" for name in chosen for suffix in SETS)


@base.report_table("measures")
def measures_tables(runs: Sequence[Run]) -> list[Table]:
    """A row per measure and run; nothing unless measures were asked for."""
    headlines = measured_names(runs)
    if not headlines:
        return []
    measured = [_as_scores(run) for run in runs if any(r.measures for r in run.results.values())]
    compared = {headline: compare(measured, headline) for headline in headlines}
    names = [name for name in headlines if name in MEASURES]
    rows = tuple(
        base.row_of(MEASURES[name].label, label(run, runs), *_over_sets(compared, name, run))
        for name in names
        for run in measured
    )
    notes = [*map(_footnote, names), ACTIVE, MEANS]
    if any(left for common in compared.values() for left in common.left_out.values()):
        notes.append(FEWER)
    table = Table("measures", "Simulations by further measures", COLUMNS, rows, tuple(notes))
    return [base.with_note_on_few(table)]


def _as_scores(run: Run) -> Run:
    """The run with the measures that are defined in place of its scores."""

    def scored(result: NeuronResult) -> NeuronResult:
        known = {name: value for name, value in result.measures.items() if value is not None}
        return replace(result, scores=known)

    return replace(run, results={id: scored(r) for id, r in run.results.items() if r.measures})


def _over_sets(compared: dict[str, CommonNeurons], name: str, run: Run) -> Iterator[Cell | int]:
    """The mean over the neurons that all runs together have, and in how many it is undefined."""
    for common in (compared[f"{name}{suffix}"] for suffix in SETS):
        ids = common.ids(run) if run in common.runs else ()
        yield base.estimate_cell(estimate(values(run, ids, common.scorer)), missing="undefined")
        yield sum(common.scorer not in result.scores for result in run.results.values())


def _footnote(name: str) -> str:
    """A measure in a line: formula, range, chance, and what it does not notice."""
    measure = MEASURES[name]
    return (
        f"{measure.label}: {measure.formula}; from {measure.low:g} to {measure.high:g}. Chance: "
        f"{measure.chance}. Undefined where {measure.undefined}. It hardly notices "
        f"{measure.unnoticed}."
    )
