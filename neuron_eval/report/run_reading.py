"""From a log's samples to a run; many samples are read in several processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import get_context

from inspect_ai.log import (
    EvalLog,
    EvalSample,
    EvalSampleSummary,
    read_eval_log_sample_summaries,
    read_eval_log_samples_by_id,
)

from neuron_eval.records import ActivationRecord
from neuron_eval.report.identity import identity
from neuron_eval.report.neurons import models, neuron_result
from neuron_eval.report.runs import NeuronResult, Run
from neuron_eval.report.spending import Spending
from neuron_eval.report.table import explainer_of, format_of

UNUSED = {"messages", "attachments", "store", "timelines", "files", "sandbox", "setup"}
"""What a report needs of no sample."""

AT_ONCE = 25
"""Samples in memory at a time."""

MANY = 1000
"""From so many samples on, starting further processes pays."""

Known = dict[ActivationRecord, ActivationRecord]


def read_runs(headers: Sequence[EvalLog], excerpts: bool, workers: int = 1) -> list[Run]:
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
        runs = pool.map(partial(read_run, excerpts=excerpts), headers)
        return [_shared(run, known) for run in runs]


def read_run(header: EvalLog, excerpts: bool) -> Run:
    """One log.

    Args:
        header: The log without its samples.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
    """
    spec, about = header.eval, header.eval.metadata or {}
    spending = Spending()
    results: dict[str, NeuronResult] = {}
    simulator = embedder = ""
    for samples in by_neuron(header):
        spending.add(samples)
        result = neuron_result(samples, excerpts)
        results[result.id] = result
        named = models(samples)
        simulator, embedder = named[0] or simulator, named[1] or embedder
    return Run(
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


def by_neuron(header: EvalLog) -> Iterator[list[EvalSample]]:
    """The epochs of one neuron at a time, few samples in memory."""
    summaries = read_eval_log_sample_summaries(header.location)
    epochs: dict[str, list[EvalSampleSummary]] = {}
    for summary in summaries:
        epochs.setdefault(str(summary.id), []).append(summary)
    waiting = iter(epochs.values())
    while group := list(islice(waiting, AT_ONCE)):
        asked = [(one.id, one.epoch) for neuron in group for one in neuron]
        samples = read_eval_log_samples_by_id(header.location, asked, exclude_fields=UNUSED)
        found = {(one.id, one.epoch): one for one in samples}
        for neuron in group:
            yield [found[one.id, one.epoch] for one in neuron]


def _shared(run: Run, known: Known) -> Run:
    """The same run, its excerpts' tokens and truth being those of the other runs."""
    return replace(
        run,
        results={
            id_: replace(
                result,
                predicted=tuple(
                    replace(one, record=known.setdefault(one.record, one.record))
                    for one in result.predicted
                ),
            )
            for id_, result in run.results.items()
        },
    )
