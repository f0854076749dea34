"""The explanations to rate, by neuron and column: from logs of this project, or from a file."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from neuron_eval.dataset import neuron_set
from neuron_eval.dealt import DealtNeuron, from_metadata
from neuron_eval.given.joining import Join
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import ExplanationTable, Key
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import parse_choice, place

FILES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class ExplainedNeuron:
    """A neuron and what is said of it."""

    dealt: DealtNeuron
    """Its record."""

    explanations: Mapping[str, str]
    """By column, each with something in it."""

    @property
    def id(self) -> str:
        """The neuron's id."""
        return self.dealt.neuron.id


@dataclass(frozen=True, slots=True)
class Explained:
    """What is to be rated."""

    columns: tuple[str, ...]
    """The formats, or the file's columns."""

    neurons: tuple[ExplainedNeuron, ...]
    """The neurons that every column explains, at least one."""

    about: Mapping[str, Any]
    """For the log's header: names without folders, digests, how many neurons were left out."""


def load_explained(
    explanations: object, neurons: str | None = None, limit: int | None = None, seed: int = 0
) -> Explained:
    """Read what the user named.

    A neuron that a column says nothing of is left out and counted: what cannot be chosen would
    lose, and what stands among fewer would win.

    Args:
        explanations: A table of explanations, see `neuron_eval.given.reading.read_table`; or
            logs and folders of logs, one or a list.
        neurons: The source of the neurons of a table; logs hold their own.
        limit: At most so many neurons, drawn by the seed.
        seed: What is drawn.

    Raises:
        ValueError: There is nothing to rate; the message says why.
        OSError: A file cannot be opened.
    """
    places = _places(explanations)
    tables = [one for one in places if one.endswith(FILES)]
    if tables and len(places) > 1:
        raise ValueError(f"explanations={','.join(places)}: expected one file, or logs only")
    if tables:
        if neurons is None:
            raise ValueError(
                f"explanations={places[0]}: a file holds no activations; name neurons too"
            )
        return _from_table(read_table(places[0]), neurons, limit, seed)
    if neurons is not None:
        raise ValueError(f"neurons={neurons}: logs hold their neurons; neurons goes with a file")
    return _from_logs(places, limit, seed)


def _places(explanations: object) -> list[str]:
    listed = explanations if isinstance(explanations, list) else [explanations]
    places = [one for one in listed if isinstance(one, str) and one]
    if not places or len(places) < len(listed):
        raise ValueError(
            f"explanations={explanations!r}: expected logs, or one file that ends in "
            f"{', '.join(FILES)}"
        )
    return places


def _from_table(table: ExplanationTable, neurons: str, limit: int | None, seed: int) -> Explained:
    choice = parse_choice(neurons, seed=seed)
    full = {key for key in table.keys if all(key in table.texts[c] for c in table.columns)}
    if not full:
        raise ValueError(
            f"{table.path}: no neuron has an explanation in every column: "
            f"{', '.join(table.columns)}"
        )

    def row(key: NeuronKey) -> Key:
        return table.key(key.id, key.layer, key.neuron)

    there = [key for key in open_source(neurons).keys() if row(key) in full]  # noqa: SIM118
    join = Join(table.path)
    for key in there:
        join.row(row(key), key.id)
    if not there:
        raise ValueError(f"neurons={neurons}: {table.path} explains none of them in every column")
    chosen = frozenset(key.id for key in _drawn(there, limit, seed))
    found = neuron_set(choice, on_short="skip", only=lambda key: key.id in chosen)
    dealt = [one for one, _ in found.neurons]
    return Explained(
        table.columns,
        tuple(ExplainedNeuron(one, _texts(table, row(_key(one)))) for one in dealt),
        {
            "explanations": [table.name],
            "explanations_sha256": [table.sha256],
            "neurons": neurons,
            "neurons_left_out": len(table.keys) - len(there),
            "skipped": [*found.skipped, *found.missing],
        },
    )


def _texts(table: ExplanationTable, row: Key) -> dict[str, str]:
    return {column: table.texts[column][row] for column in table.columns}


def _from_logs(places: Sequence[str], limit: int | None, seed: int) -> Explained:
    # What reads logs is not needed to find the task.
    from neuron_eval.report.reading import collect

    collected = collect(places)
    columns = _names([(run.format, run.explainer) for run in collected.runs])
    texts: dict[str, dict[str, str]] = {}
    dealt: dict[str, DealtNeuron] = {}
    for column, run in zip(columns, collected.runs, strict=True):
        for id_, neuron, text in _explained(run.log):
            dealt.setdefault(id_, neuron)
            texts.setdefault(id_, {})[column] = text
    full = [id_ for id_, said in texts.items() if len(said) == len(columns)]
    if not full:
        raise ValueError(
            f"explanations={','.join(places)}: no neuron has an explanation in every log: "
            f"{', '.join(columns)}"
        )
    keys = [_key(dealt[id_]) for id_ in full]
    return Explained(
        tuple(columns),
        tuple(
            ExplainedNeuron(dealt[key.id], {c: texts[key.id][c] for c in columns})
            for key in _drawn(keys, limit, seed)
        ),
        {
            "explanations": [PurePath(run.log).name for run in collected.runs],
            "explainers": [run.explainer for run in collected.runs],
            "neurons": collected.runs[0].neurons,
            "neurons_left_out": len(texts) - len(full),
            "logs_left_out": list(collected.notes),
        },
    )


def _explained(log: str) -> Iterator[tuple[str, DealtNeuron, str]]:
    """Of each neuron of a log that was explained: id, record, the first epoch's explanation."""
    from inspect_ai.log import read_eval_log_sample_summaries, read_eval_log_samples_by_id

    from neuron_eval.no_explanation import bad_explanation
    from neuron_eval.report.run_reading import UNUSED

    wanted = [(one.id, 1) for one in read_eval_log_sample_summaries(log) if one.epoch == 1]
    unused = UNUSED | {"events", "scores"}
    for sample in read_eval_log_samples_by_id(log, wanted, exclude_fields=unused):
        if sample.error is None and bad_explanation(sample.output) is None:
            dealt = from_metadata(sample.metadata, sample.id)
            yield str(sample.id), dealt, sample.output.completion


def _names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """A name a log: the format; with the explainer, and with a number, where that is not enough."""
    formats = Counter(format for format, _ in runs)
    names = [f if formats[f] == 1 else f"{f} by {explainer}" for f, explainer in runs]
    numbered: Counter[str] = Counter()
    whole = Counter(names)
    for i, name in enumerate(names):
        if whole[name] > 1:
            numbered[name] += 1
            names[i] = f"{name} ({numbered[name]})"
    return names


def _drawn(keys: Sequence[NeuronKey], limit: int | None, seed: int) -> Sequence[NeuronKey]:
    if limit is None or limit >= len(keys):
        return keys
    kept = {one.id for one in heapq.nsmallest(limit, keys, key=lambda key: place(seed, key))}
    return [key for key in keys if key.id in kept]


def _key(dealt: DealtNeuron) -> NeuronKey:
    neuron = dealt.neuron
    return NeuronKey(neuron.id, neuron.layer, neuron.neuron)
