"""A row per run and neuron: who explained it how, the explanation, every score and the tokens.

A neuron's epochs are one row: the explanation is the first epoch's, a score is the mean over the
epochs that were scored, and tokens are those of all epochs. What is not known is empty (CSV) or
null (JSON Lines, Parquet), never 0.

In CSV, texts stay as they are, those that begin with ``=``, ``+``, ``-`` or ``@`` too: the file is
for programs, and a mark in front would change the explanation for whoever reads it back. Who opens
it in a spreadsheet imports those columns as text.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from neuron_eval.logs.runs import NeuronResult, Run, why_unscored
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.messages import replace_surrogates
from neuron_eval.reporting.comparing import label, measured_names, scorer_names
from neuron_eval.reporting.exports import json_line
from neuron_eval.simulation.choose import ROLE

Field = str | int | float | None
NeuronRow = Mapping[str, Field]

BEFORE = (
    *("id", "source", "subject", "layer", "neuron", "group", "run", "format", "explainer"),
    *("simulator", "simulation", "embedder", "explanation", "reference"),
)
"""The fields before the scores. The source is that of the neurons, as the user named it, the
subject the model whose they are; the run has its name in the report, and simulation is the way."""

TOKENS = tuple(
    f"{role}_{part}_tokens" for role in (EXPLAINER, ROLE) for part in ("input", "output")
)
"""Over all epochs; those of requests that Inspect's cache answered are left out."""

AFTER = ("unscored", "epochs", "prompt_tokens", *TOKENS, "log")
"""The fields behind the scores. Unscored is why each score that is missing is, see `why_unscored`;
prompt tokens are the explainer's, as a mean over epochs."""

SAME = ("id", "subject", "group", "explanation", "reference", "epochs", "prompt_tokens")
ENDINGS = (".csv", ".jsonl", ".parquet")
NUMBERS = {**dict.fromkeys(("layer", "neuron", "epochs", *TOKENS), int), "prompt_tokens": float}


def row_fields(runs: Sequence[Run]) -> dict[str, type]:
    """Every field of the rows with its type, in order; each scorer's under its own name."""
    before, after = ({name: NUMBERS.get(name, str) for name in names} for names in (BEFORE, AFTER))
    scores = {_score_field(name): float for name in scorer_names(runs)}
    measures = {f"simulation_{name}": float for name in measured_names(runs)}
    return {**before, **scores, **measures, **after}


def neuron_rows(runs: Sequence[Run], chosen: Sequence[Run] | None = None) -> Iterator[NeuronRow]:
    """The rows of all runs, or only of those chosen: run by run, neurons by layer and index."""
    scorers = scorer_names(runs)
    for run in runs if chosen is None else chosen:
        name = label(run, runs)
        for result in sorted(run.results.values(), key=lambda r: (r.layer, r.neuron, r.id)):
            yield _row(run, name, result, scorers)


def write_rows(path: Path, fields: Mapping[str, type], rows: Iterable[NeuronRow]) -> None:
    """Write rows as the path's ending says, one of `ENDINGS`."""
    if path.suffix == ".parquet":
        _write_parquet(path, fields, rows)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, list(fields), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json_line({field: row.get(field) for field in fields}) for row in rows)


def _row(run: Run, name: str, result: NeuronResult, scorers: Sequence[str]) -> NeuronRow:
    simulator, _, way = run.simulator.rpartition(" (")
    layer, neuron = (at if at >= 0 else None for at in (result.layer, result.neuron))
    row: dict[str, Field] = {
        **{name: getattr(result, name) for name in SAME},
        **{"source": run.neurons, "layer": layer, "neuron": neuron, "run": name},
        **{"format": run.format, "explainer": run.explainer, "embedder": run.embedder},
        **{"simulator": simulator, "simulation": way.removesuffix(")")},
        **{_score_field(scorer): result.scores.get(scorer) for scorer in scorers},
        **{f"simulation_{name}": value for name, value in result.measures.items()},
        "unscored": why_unscored(result),
        **dict(_tokens(result)),
        "log": (result.log or run.log).rpartition("/")[2],
    }
    # An empty explanation is a reply, and a bad one; any other empty text is what is not known.
    return {
        field: replace_surrogates(value) if isinstance(value, str) else value
        for field, value in row.items()
        if value != "" or field == "explanation"
    }


def _score_field(scorer: str) -> str:
    return f"score_{scorer}" if scorer in BEFORE or scorer in AFTER else scorer


def _tokens(result: NeuronResult) -> Iterator[tuple[str, int]]:
    """Of each role that had a part and whose provider counts tokens."""
    for role in (EXPLAINER, ROLE):
        spent = [part for part in result.spent if part.role == role]
        prompt = sum(part.prompt_tokens for part in spent)
        if spent and (prompt or all(part.requests == part.cached for part in spent)):
            yield f"{role}_input_tokens", prompt
            yield f"{role}_output_tokens", sum(part.output_tokens for part in spent)


def _write_parquet(path: Path, fields: Mapping[str, type], rows: Iterable[NeuronRow]) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(field, kinds[kind]) for field, kind in fields.items()])
    waiting = iter(rows)
    with ParquetWriter(path, schema) as writer:
        while batch := list(islice(waiting, 4096)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))
