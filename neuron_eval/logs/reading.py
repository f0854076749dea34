"""From a log's samples to a run; many samples are read in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

from inspect_ai.log import EvalLog

from neuron_eval.logs.files import short, wrong
from neuron_eval.logs.identity import identity
from neuron_eval.logs.naming import explainer_of, format_of
from neuron_eval.logs.neurons import models, neuron_result
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.logs.samples import Samples
from neuron_eval.logs.spending import Spending
from neuron_eval.records import ActivationRecord

MANY = 1000
"""From so many samples on, starting further processes pays."""

Known = dict[ActivationRecord, ActivationRecord]


@dataclass(frozen=True, slots=True)
class Read:
    """What a log was read to."""

    run: Run | None
    """The run; None if nothing of it can be used."""

    note: str = ""
    """A sentence on what could not be read."""


def read_runs(headers: Sequence[EvalLog], excerpts: bool, workers: int = 1) -> list[Read]:
    """One run a log; excerpts that several runs hold are kept once.

    Args:
        headers: The logs without their samples.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
        workers: How many processes may read.
    """
    samples = sum(log.results.completed_samples for log in headers if log.results)
    known: Known = {}
    if workers < 2 or len(headers) < 2 or samples < MANY:
        return [_shared(read_run(header, excerpts), known) for header in headers]
    with ProcessPoolExecutor(min(workers, len(headers)), get_context("spawn")) as pool:
        found = pool.map(partial(read_run, excerpts=excerpts), headers)
        return [_shared(one, known) for one in found]


def read_run(header: EvalLog, excerpts: bool) -> Read:
    """One log.

    Args:
        header: The log without its samples.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
    """
    try:
        return _read_run(header, excerpts)
    except Exception as error:  # of a file that may hold anything
        return Read(None, f"{short(header.location)} cannot be read: {wrong(error)}")


def _read_run(header: EvalLog, excerpts: bool) -> Read:
    spec, about = header.eval, header.eval.metadata or {}
    spending = Spending()
    results: dict[str, NeuronResult] = {}
    simulator = embedder = ""
    samples = Samples(header.location)
    for epochs in samples.by_neuron():
        try:
            result, named = neuron_result(epochs, excerpts), models(epochs)
        except Exception as error:
            samples.leave_out(epochs, error)
            continue
        spending.add(epochs)
        results[result.id] = result
        simulator, embedder = named[0] or simulator, named[1] or embedder
    if not results:
        return Read(None, samples.note)
    run = Run(
        log=header.location,
        created=spec.created,
        format=format_of(header),
        explainer=explainer_of(header),
        simulator=simulator,
        embedder=embedder,
        neurons=str(about.get("neurons", "")),
        version=str(spec.task_version),
        identity=identity(header),
        results=results,
        spent=spending.spent(),
        given="explanations" in about,
        neurons_skipped=int(about.get("neurons_skipped", 0)) + int(about.get("neurons_missing", 0)),
    )
    return Read(run, samples.note)


def _shared(read: Read, known: Known) -> Read:
    """The same run, its excerpts' tokens and truth being those of the other runs."""
    if read.run is None:
        return read
    results = {
        id_: replace(
            result,
            predicted=tuple(
                replace(one, record=known.setdefault(one.record, one.record))
                for one in result.predicted
            ),
        )
        for id_, result in read.run.results.items()
    }
    return replace(read, run=replace(read.run, results=results))
