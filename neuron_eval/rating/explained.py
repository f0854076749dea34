"""Neurons with what is said of them, and choosing among them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from neuron_eval.messages import InputError
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import place

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample


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


def wanted_columns(wanted: Sequence[str], columns: Sequence[str], path: str) -> tuple[str, ...]:
    """The columns that the user wants, in the order they have; all if none is named.

    Raises:
        InputError: There is no such column; the message lists those there are.
    """
    found = {name.strip().lower(): name for name in columns}
    unknown = [name for name in wanted if name.strip().lower() not in found]
    if unknown:
        raise InputError(f"columns={unknown[0]}: {path} has {', '.join(columns)}")
    kept = {found[name.strip().lower()] for name in wanted} or set(columns)
    return tuple(name for name in columns if name in kept)


def drawn(keys: Sequence[NeuronKey], limit: int | None, seed: int) -> Sequence[NeuronKey]:
    """At most ``limit`` neurons, by their places in the seed's order; in the order given."""
    if limit is None or limit >= len(keys):
        return keys
    kept = {one.id for one in heapq.nsmallest(limit, keys, key=lambda key: place(seed, key))}
    return [key for key in keys if key.id in kept]


def key_of(dealt: DealtNeuron) -> NeuronKey:
    """The neuron's name in sources."""
    neuron = dealt.neuron
    return NeuronKey(neuron.id, neuron.layer, neuron.neuron)


logger = getLogger(__name__)


def from_logs(
    places: Sequence[str], wanted: Sequence[str], limit: int | None, seed: int
) -> Explained:
    """Read the explanations of logs, one column a log.

    Args:
        places: Logs and folders of logs.
        wanted: Names of columns; none for all.
        limit: At most so many neurons.
        seed: What is drawn.

    Raises:
        InputError: No log is of use, or no neuron is explained in all of them.
        OSError: A place does not exist.
    """
    # What reads logs is not needed to find the task.
    from neuron_eval.logs.files import EXPLAINED, RATED, about, choose, headers
    from neuron_eval.logs.identity import explainer_of, format_of, identity, paper_order

    found, notes = headers(places)
    explained = choose(found, EXPLAINED, identity, notes)
    rated = [log for log in found if about(log, RATED)]
    notes += [f"{PurePath(log.location).name} holds ratings" for log in rated]
    if not explained:
        what = "; ".join(notes) or "no log files"
        raise InputError(f"explanations={','.join(places)}: no log of explanations: {what}")
    named_by = [(format_of(log), explainer_of(log), log) for log in explained]
    named_by.sort(key=lambda one: (*paper_order(one[0]), one[1], one[2].eval.created))
    named = dict(zip(_names([one[:2] for one in named_by]), named_by, strict=True))
    columns = wanted_columns(wanted, tuple(named), ",".join(places))
    texts: dict[str, dict[str, str]] = {}
    dealt: dict[str, DealtNeuron] = {}
    differing: set[str] = set()
    left_out = len(notes)
    for column in columns:
        for id_, neuron, text in _explained(named[column][2].location, notes):
            if dealt.setdefault(id_, neuron).shown != neuron.shown:
                differing.add(id_)
            texts.setdefault(id_, {})[column] = text
    full = [id_ for id_, said in texts.items() if len(said) == len(columns)]
    if not full:
        unread = "".join(f"; {note}" for note in notes[left_out:])
        raise InputError(
            f"explanations={','.join(places)}: no neuron has an explanation in every log: "
            f"{', '.join(columns)}{unread}"
        )
    for note in notes[left_out:]:
        logger.warning(note)
    _warn_of_other_excerpts(differing & set(full), columns[0])
    keys = [key_of(dealt[id_]) for id_ in full]
    return Explained(
        columns,
        tuple(
            ExplainedNeuron(dealt[key.id], {c: texts[key.id][c] for c in columns})
            for key in drawn(keys, limit, seed)
        ),
        {
            "explanations": [PurePath(named[c][2].location).name for c in columns],
            "explainers": [named[c][1] for c in columns],
            "neurons": str((named[columns[0]][2].eval.metadata or {}).get("neurons", "")),
            "neurons_left_out": len(texts) - len(full),
            "logs_left_out": notes,
        },
    )


def _warn_of_other_excerpts(ids: Collection[str], column: str) -> None:
    if ids:
        logger.warning(
            f"The explainers of {len(ids)} neurons, {min(ids)} among them, saw other excerpts in "
            f"some of the logs; the rater sees those of {column}."
        )


def _explained(log: str, notes: list[str]) -> Iterator[tuple[str, DealtNeuron, str]]:
    """Of each neuron of a log that was explained: id, record, the first epoch's explanation."""
    from neuron_eval.logs.reading import UNUSED, Samples

    samples = Samples(log, UNUSED | {"events", "scores"})
    for first in samples.by_neuron(epoch=1):
        try:
            found = _of_sample(first[0])
        except Exception as error:  # of a file that may hold anything
            samples.leave_out(first, error)
            continue
        if found is not None:
            yield found
    if samples.note:
        notes.append(samples.note)


def _of_sample(sample: EvalSample) -> tuple[str, DealtNeuron, str] | None:
    from neuron_eval.explain.solvers import bad_explanation

    if sample.error is not None or bad_explanation(sample.output) is not None:
        return None
    id_ = str(sample.id)
    return id_, from_metadata(sample.metadata, id_), sample.output.completion


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
