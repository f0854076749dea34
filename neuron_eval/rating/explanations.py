"""The explanations to rate, by neuron and column: from logs of this project, or from a file."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from logging import getLogger
from pathlib import PurePath
from typing import TYPE_CHECKING

from neuron_eval.dataset import neuron_set
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.given.origin import Join
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import ExplanationTable, Key
from neuron_eval.messages import InputError
from neuron_eval.rating.build import Explained, ExplainedNeuron
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import parse_choice, place

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

logger = getLogger(__name__)

FILES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


def load_explained(
    explanations: object,
    neurons: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    columns: object = None,
) -> Explained:
    """Read what the user named.

    A neuron that a column says nothing of is left out and counted: what cannot be chosen would
    lose, and what stands among fewer would win.

    Args:
        explanations: A table, see `neuron_eval.given.reading.read_table`; or logs and folders of
            logs, one or a list.
        neurons: The source of the neurons of a table; logs hold their own.
        limit: At most so many neurons, drawn by the ``seed``.
        seed: Any whole number.
        columns: Only these formats, or columns of the file, as a list or separated by commas.

    Raises:
        InputError: There is nothing to rate, or no such column.
        OSError: A file cannot be opened.
    """
    places, wanted = _places(explanations), _listed(columns)
    tables = [path for path in places if path.endswith(FILES)]
    if tables and len(places) > 1:
        raise InputError(f"explanations={','.join(places)}: expected one file, or logs only")
    if tables:
        if neurons is None:
            raise InputError(
                f"explanations={places[0]}: a file holds no activations; name neurons too"
            )
        return _from_table(read_table(places[0]), wanted, neurons, limit, seed)
    if neurons is not None:
        raise InputError(f"neurons={neurons}: logs hold their neurons; neurons goes with a file")
    return from_logs(places, wanted, limit, seed)


def _places(explanations: object) -> list[str]:
    listed = explanations if isinstance(explanations, list) else [explanations]
    places = [place for place in listed if isinstance(place, str) and place]
    if not places or len(places) < len(listed):
        raise InputError(
            f"explanations={explanations!r}: expected logs, or one file that ends in "
            f"{', '.join(FILES)}"
        )
    return places


def _listed(columns: object) -> list[str]:
    """Inspect makes a list of a text with commas."""
    named = columns.split(",") if isinstance(columns, str) else columns
    if named is None:
        return []
    if not isinstance(named, list) or not all(isinstance(name, str) and name for name in named):
        raise InputError(f"columns={columns!r}: expected names of columns, separated by commas")
    return named


def _wanted(wanted: Sequence[str], columns: Sequence[str], path: str) -> tuple[str, ...]:
    """The columns that the user wants, in the order they have; all if none is named."""
    known = {name.strip().lower(): name for name in columns}
    unknown = [name for name in wanted if name.strip().lower() not in known]
    if unknown:
        raise InputError(f"columns={unknown[0]}: {path} has {', '.join(columns)}")
    kept = {known[name.strip().lower()] for name in wanted} or set(columns)
    return tuple(name for name in columns if name in kept)


def _drawn(keys: Sequence[NeuronKey], limit: int | None, seed: int) -> Sequence[NeuronKey]:
    """At most ``limit`` neurons, by their places in the seed's order; in the order given."""
    if limit is None or limit >= len(keys):
        return keys
    kept = {key.id for key in heapq.nsmallest(limit, keys, key=lambda key: place(seed, key))}
    return [key for key in keys if key.id in kept]


def _from_table(
    table: ExplanationTable, wanted: Sequence[str], neurons: str, limit: int | None, seed: int
) -> Explained:
    choice = parse_choice(neurons, seed=seed)
    columns = _wanted(wanted, table.columns, table.path)
    full = {key for key in table.keys if all(key in table.texts[c] for c in columns)}
    if not full:
        raise InputError(
            f"{table.path}: no neuron has an explanation in every column: {', '.join(columns)}"
        )

    def row(key: NeuronKey) -> Key:
        return table.key(key.id, key.layer, key.neuron)

    there = [key for key in open_source(neurons).keys() if row(key) in full]  # noqa: SIM118
    join = Join(table.path)
    for key in there:
        join.row(row(key), key.id)
    if not there:
        raise InputError(f"neurons={neurons}: {table.path} explains none of them in every column")
    chosen = {key.id: row(key) for key in _drawn(there, limit, seed)}
    loaded = neuron_set(choice, on_short="skip", only=lambda key: key.id in chosen)
    return Explained(
        columns,
        tuple(
            ExplainedNeuron(dealt, {c: table.texts[c][chosen[dealt.neuron.id]] for c in columns})
            for dealt, _ in loaded.neurons
        ),
        {
            "explanations": [table.name],
            "explanations_sha256": [table.sha256],
            "neurons": neurons,
            "neurons_left_out": len(table.keys) - len(there),
            "skipped": [*loaded.skipped, *loaded.missing],
        },
    )


def from_logs(
    places: Sequence[str], wanted: Sequence[str], limit: int | None, seed: int
) -> Explained:
    """Read the explanations of logs, one column a log; see `load_explained`."""
    # What reads logs is not needed to find the task, and takes a while to load.
    from neuron_eval.logs.files import EXPLAINED, RATED, about, choose, headers
    from neuron_eval.logs.identity import control_name, identity

    logs, notes = headers(places)
    explained = choose(logs, EXPLAINED, identity, notes)
    rated = [log for log in logs if about(log, RATED)]
    notes += [f"{PurePath(log.location).name} holds ratings" for log in rated]
    if not explained:
        what = "; ".join(notes) or "no log files"
        raise InputError(f"explanations={','.join(places)}: no log of explanations: {what}")
    runs = _named(explained)
    columns = _wanted(wanted, tuple(runs), ",".join(places))
    if not wanted:  # controls are rated where they are named, or where nothing else is there
        made = tuple(name for name in columns if not control_name(runs[name][1].eval))
        columns = made or columns
    texts: dict[str, dict[str, str]] = {}
    dealt: dict[str, DealtNeuron] = {}
    differing: set[str] = set()
    left_out = len(notes)
    for column in columns:
        for id_, neuron, text in _explained(runs[column][1].location, notes):
            if dealt.setdefault(id_, neuron).shown != neuron.shown:
                differing.add(id_)
            texts.setdefault(id_, {})[column] = text
    full = [id_ for id_, by_column in texts.items() if len(by_column) == len(columns)]
    if not full:
        unread = "".join(f"; {note}" for note in notes[left_out:])
        raise InputError(
            f"explanations={','.join(places)}: no neuron has an explanation in every log: "
            f"{', '.join(columns)}{unread}"
        )
    for note in notes[left_out:]:
        logger.warning(note)
    if others := differing & set(full):
        logger.warning(
            f"The explainers of {len(others)} neurons, {min(others)} among them, saw other "
            f"excerpts in some of the logs; the rater sees those of {columns[0]}."
        )
    neurons = [dealt[id_].neuron for id_ in full]
    keys = [NeuronKey(neuron.id, neuron.layer, neuron.neuron) for neuron in neurons]
    return Explained(
        columns,
        tuple(
            ExplainedNeuron(dealt[key.id], {c: texts[key.id][c] for c in columns})
            for key in _drawn(keys, limit, seed)
        ),
        {
            "explanations": [PurePath(runs[c][1].location).name for c in columns],
            "explainers": [runs[c][0] for c in columns],
            "neurons": str((runs[columns[0]][1].eval.metadata or {}).get("neurons", "")),
            "neurons_left_out": len(texts) - len(full),
            "logs_left_out": notes,
        },
    )


def _named(logs: Sequence[EvalLog]) -> dict[str, tuple[str, EvalLog]]:
    """Explainer and log by the column's name, in the paper's order."""
    from neuron_eval.logs.identity import explainer_of, format_of, paper_order

    runs = [(format_of(log), explainer_of(log), log) for log in logs]
    runs.sort(key=lambda run: (*paper_order(run[0]), run[1], run[2].eval.created))
    names = _names([run[:2] for run in runs])
    return {name: run[1:] for name, run in zip(names, runs, strict=True)}


def _names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """A name a log: the format; with the explainer, and with a number, where that is not enough."""
    formats = Counter(format for format, _ in runs)
    names = [f if formats[f] == 1 else f"{f} by {explainer}" for f, explainer in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _explained(log: str, notes: list[str]) -> Iterator[tuple[str, DealtNeuron, str]]:
    """Of each neuron of a log that was explained: id, record, the first epoch's explanation."""
    from neuron_eval.logs.reading import UNUSED, Samples

    def explained(epochs: list[EvalSample]) -> tuple[str, DealtNeuron, str] | None:
        sample, id_ = epochs[0], str(epochs[0].id)
        if sample.error is not None or bad_explanation(sample.output) is not None:
            return None
        return id_, from_metadata(sample.metadata, id_), sample.output.completion

    samples = Samples(log, UNUSED | {"events", "scores"})
    yield from filter(None, samples.neurons(explained, epoch=1))
    if samples.note:
        notes.append(samples.note)
