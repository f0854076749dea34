"""Explanations that exist, scored with no explainer, with or without activations.

inspect eval neuron_eval/given --model none -T explanations=FILE -T column=C -T references=FILE
"""

from collections.abc import Mapping
from typing import Any, Unpack

from inspect_ai import Task, task
from inspect_ai.solver import Solver

from neuron_eval.dataset import NeuronSet, References, neuron_set
from neuron_eval.embedding.embedder import default_embedder
from neuron_eval.given.origin import Join, Origin, find_origin
from neuron_eval.given.origin import given as given_solver
from neuron_eval.given.reading import adacs_dataset, read_references
from neuron_eval.given.table import ExplanationTable, named
from neuron_eval.messages import InputError
from neuron_eval.metrics import metrics_of, viewer_config
from neuron_eval.parameters import check_known, check_text, check_writable, given_among
from neuron_eval.records import Reference
from neuron_eval.scorers.adacs import adacs
from neuron_eval.sources.base import NeuronKey, SourceError
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.task import (
    CHOOSING,
    NO_SIMULATION,
    READING,
    SIMULATING,
    VERSION,
    Parameters,
    ask_models,
    neuron_task,
)
from neuron_eval.usage_error import usage_errors

ALLOWED = ("neurons", *CHOOSING, *READING, *SIMULATING, "by_layer", "check")
"""Those of a task's parameters that have a part where nothing is explained; ``cutoff_quantile``
has one in ``lexical`` alone."""


@task
def given(
    explanations: str = "",
    column: str | None = None,
    references: str | None = None,
    **parameters: Unpack[Parameters],
) -> Task:
    """Score explanations that exist, and explain nothing.

    Args:
        explanations: A CSV, JSON Lines or Parquet file with a row per neuron and a column per way
            to explain, or a log; or, with neurons, a control: ``reference``, ``shuffled``,
            ``generic``, ``lexical`` or ``false``, see `neuron_eval.given.origin.given`.
        column: Which column.
        references: A file with layer, neuron (or id) and explanation, to compare with, instead
            of the neurons' own references, where there are such. A file of puzzles that has their
            answers is its own file of references.
        **parameters: Those of `neuron_eval.task.explanation_task` in `ALLOWED`. Without
            ``neurons`` there are no activations: the file's rows are compared with the
            references, by AdaCS alone.

    Raises:
        UsageError: A parameter has no part here or is not among the allowed values, or a file
            cannot be used; the message says which and what would be right.
    """
    chosen: dict[str, Any] = dict(parameters)
    with usage_errors():
        _check_names(explanations, chosen)
        check_writable(explanations=explanations, column=column, references=references, **chosen)
        if references is not None:
            check_text("references", references)
        # Those on which controls depend.
        settings = given_among(("pack", "cutoff_quantile", "seed"), chosen)
        origin = find_origin(explanations, column, **settings)
        solver = given_solver(explanations, column, **settings)
        about = _about(origin, references)
        if "neurons" in chosen:
            neurons = _neurons(origin, references, chosen)
            scoring = given_among((*SIMULATING, "by_layer", "check"), chosen)
            return neuron_task(solver=solver, chosen=neurons, metadata=about, **scoring)
        if references is None and origin.table is not None and origin.table.answers:
            references = explanations
        return _on_rows(origin, references, chosen, solver, about)


def _check_names(explanations: str, chosen: Mapping[str, Any]) -> None:
    marks = ("cutoff_quantile",) if explanations == "lexical" else ()
    named = ("explanations", "column", "references", *ALLOWED, *marks)
    check_known(chosen, named, " where explanations are given")
    idle = sorted(set(chosen) - {"neurons", "by_layer", "check"})
    if "neurons" not in chosen and idle:
        raise InputError(f"-T {', '.join(idle)}: has a part only where neurons are named too")


def _about(origin: Origin, references: str | None) -> dict[str, Any]:
    """What the log's header says of the files: names without folders, and digests."""
    about = {
        "task_format": origin.label,
        "explanations": origin.about["explanations"],
        "explanations_sha256": origin.about["sha256"],
        **given_among(("column", "generic"), origin.about),
    }
    if references is not None:
        table, _ = read_references(references)
        about |= {"references": table.name, "references_sha256": table.sha256}
    return about


def _neurons(origin: Origin, references: str | None, chosen: Mapping[str, Any]) -> NeuronSet:
    """The neurons of a source that stand in the file."""
    choice = parse_choice(chosen["neurons"], **given_among(CHOOSING, chosen))
    only = None if origin.table is None else _HasRow(origin.table)
    way, pack, judge = chosen.get("simulation", "auto"), chosen.get("pack"), chosen.get("judge")
    ask_models(way, pack, chosen.get("check", True), explains=False, judge=judge)
    try:
        reading = given_among(READING, chosen)
        return neuron_set(choice, only=only, references=_joined(references), **reading)
    except SourceError as error:
        if only is None or not only.first or only.met:
            raise
        raise SourceError(
            f"neurons={choice.neurons}: {only.table.path} has a row for none of them; its first is "
            f"{named(only.table.keys[0])}, theirs {only.first}"
        ) from error


class _HasRow:
    """Whether a neuron stands in the file, with an explanation in one column or another."""

    def __init__(self, table: ExplanationTable) -> None:
        self.table = table
        self.first = ""  # the neuron that was asked about first
        self.met = False  # whether any stood in the file
        self._join = Join(table, table.keys)

    def __call__(self, key: NeuronKey) -> bool:
        has = self._join.row(key.id, key.layer, key.neuron) is not None
        self.first, self.met = self.first or key.id, self.met or has
        return has


def _joined(references: str | None) -> References | None:
    if references is None:
        return None
    table, by_row = read_references(references)
    join = Join(table, by_row)

    def reference(key: NeuronKey) -> Reference | None:
        row = join.row(key.id, key.layer, key.neuron)
        return None if row is None else by_row[row]

    return reference


def _on_rows(
    origin: Origin,
    references: str | None,
    chosen: Mapping[str, Any],
    solver: Solver,
    about: Mapping[str, Any],
) -> Task:
    if origin.table is None:
        name = origin.about["explanations"]
        raise InputError(f"explanations={name}: is what neurons hold; name neurons too")
    if references is None:
        raise InputError(
            "nothing to score the explanations by: name references (a file with layer, neuron, "
            "explanation) or neurons (a source with activations), or both"
        )
    metrics = metrics_of(chosen.get("by_layer", False))
    samples = adacs_dataset(origin.table, references)
    ask_models(NO_SIMULATION, None, chosen.get("check", True), explains=False, compares=True)
    return Task(
        dataset=samples,
        solver=solver,
        scorer=adacs(),
        metrics=metrics,  # type: ignore[arg-type]
        version=VERSION,
        metadata={
            **about,
            "default_embedder": default_embedder(),
            "neurons_used": len(samples),
            "neurons_without_reference": sum(not sample.target for sample in samples),
        },
        viewer=viewer_config(simulated=False),
        headline_metric="adacs",
    )
