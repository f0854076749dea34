"""From a log's samples to a run; many samples are read in several processes."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any, TypeVar

from inspect_ai.log import (
    EvalLog,
    EvalSample,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
    read_eval_log_samples_by_id,
)

from neuron_eval.logs.excerpts import Predicted
from neuron_eval.logs.files import line, short, wrong
from neuron_eval.logs.identity import control_name, explainer_of, format_of
from neuron_eval.logs.pooling import Pool, pooled
from neuron_eval.logs.runs import (
    MeasuredBy,
    NeuronResult,
    Run,
    by_headline,
    headline_of,
    models,
    neuron_result,
)
from neuron_eval.logs.spending import added_up, spent_on
from neuron_eval.records import ActivationRecord, Excerpt

MANY = 1000  # from so many samples on, starting further processes pays
AT_ONCE = 25  # samples in memory at a time
NAMED = 3  # so many of the samples that cannot be read are named; the others are counted

UNUSED = frozenset({"messages", "attachments", "store", "timelines", "files", "sandbox", "setup"})
"""What a report needs of no sample."""

UNTIL = "until"
"""What a log of a comparison that stops by itself has in its header's metadata: the half-width."""

T = TypeVar("T")
P = TypeVar("P", Predicted, Excerpt)
Known = dict[ActivationRecord, ActivationRecord]
RunAndNote = tuple[Run | None, str]
"""What a log was read to, if anything of it can be used, and what could not be read."""

Epochs = list[EvalSample]  # of one neuron


def read_runs(
    pools: Sequence[Pool], excerpts: bool, workers: int = 1, measures: Collection[str] = ()
) -> tuple[list[Run], list[str]]:
    """The runs, which share equal excerpts, and a sentence on each log that was not fully read."""
    read = partial(read_or_note, partial(_read_run, excerpts, measures))
    logs = [log for pool in pools for log in pool.logs]
    without = [pool.again.get(log.location, frozenset()) for pool in pools for log in pool.logs]
    samples = sum(log.results.completed_samples for log in logs if log.results)
    known: Known = {}
    if workers < 2 or len(logs) < 2 or samples < MANY:
        reads = [_shared(of, known) for of in map(read, logs, without)]
    else:
        with ProcessPoolExecutor(min(workers, len(logs)), get_context("spawn")) as processes:
            reads = [_shared(of, known) for of in processes.map(read, logs, without)]
    of_logs = iter(reads)
    runs: list[Run] = []
    notes = [note for _, note in reads if note]
    for pool in pools:
        joined = list(pooled([run for run, _ in islice(of_logs, len(pool.logs)) if run], pool))
        notes += filter(None, (_stopped(run, pool) for run in joined))
        runs += joined
    return runs, notes


def read_or_note(
    read: Callable[..., tuple[T | None, str]], header: EvalLog, *more: Any
) -> tuple[T | None, str]:
    """What is read from a log, if anything can be used, and a sentence on what could not be."""
    try:
        return read(header, *more)
    except Exception as error:  # of a file that may hold anything
        return None, f"{short(header.location)} cannot be read: {wrong(error)}"


def _read_run(
    excerpts: bool, measures: Collection[str], header: EvalLog, without: Collection[str]
) -> RunAndNote:
    about = header.eval.metadata or {}
    headline = headline_of(header)
    samples = Samples(header.location, without=without)

    def made(epochs: Epochs) -> tuple[NeuronResult, MeasuredBy]:
        result = by_headline(neuron_result(epochs, excerpts, measures), headline)
        return replace(result, spent=spent_on(epochs)), models(epochs)

    results: dict[str, NeuronResult] = {}
    named = MeasuredBy()
    for result, present in samples.neurons(made):
        results[result.id] = result
        named = MeasuredBy(*(new or old for new, old in zip(present, named, strict=True)))
    if not results:
        return None, samples.note
    run = Run(
        log=header.location,
        created=header.eval.created,
        format=format_of(header),
        explainer=explainer_of(header),
        **named._asdict(),
        neurons=str(about.get("neurons", "")),
        version=str(header.eval.task_version),
        identity="",  # that of the pool
        results=results,
        spent=added_up(spent for result in results.values() for spent in result.spent),
        given="explanations" in about,
        control=control_name(header.eval),
        headline=headline,
        neurons_skipped=int(about.get("neurons_skipped", 0)) + int(about.get("neurons_missing", 0)),
    )
    return run, samples.note


def _stopped(run: Run, pool: Pool) -> str:
    headers: list[Mapping[str, Any]] = [log.eval.metadata or {} for log in pool.logs]
    ran, of = len(run.results), sum(int(about.get("neurons_used", 0)) for about in headers)
    until = next((about[UNTIL] for about in headers if UNTIL in about), None)
    if not isinstance(until, float) or ran >= of:
        return ""
    explainer = "" if run.control else f" with {run.explainer}"
    return (
        f"{run.format}{explainer} was run on {ran:,} of {of:,} neurons, drawn from them: "
        f"--until {until:g} stops once the mean scores are known to that."
    )


def _shared(read: RunAndNote, known: Known) -> RunAndNote:
    """The same run, its excerpts' tokens and truth being those of the other runs."""
    run, note = read
    if run is None:
        return read

    def shared(parts: Sequence[P]) -> tuple[P, ...]:
        return tuple(replace(p, record=known.setdefault(p.record, p.record)) for p in parts)

    results = {
        id_: replace(result, predicted=shared(result.predicted), shown=shared(result.shown))
        for id_, result in run.results.items()
    }
    return replace(run, results=results), note


class Samples:
    """Reads the samples of a log, few in memory at a time, and keeps account of unreadable ones."""

    def __init__(
        self, location: str, unused: frozenset[str] = UNUSED, without: Collection[str] = ()
    ) -> None:
        """Read the list of samples but for these neurons; raises anything that Inspect does."""
        self._location, self._unused = location, set(unused)
        listed = read_eval_log_sample_summaries(location)
        self._listed = [summary for summary in listed if str(summary.id) not in without]
        self._unread: list[tuple[str, int, str]] = []  # id, epoch, and what is wrong with it

    def neurons(self, make: Callable[[Epochs], T], epoch: int | None = None) -> Iterator[T]:
        """What is made of each neuron's epochs, or of one; counts those that cannot be used."""
        for samples in self._by_neuron(epoch):
            try:
                made = make(samples)
            except Exception as error:  # of a file that may hold anything
                self._unread += [(str(s.id), s.epoch, wrong(error)) for s in samples]
            else:
                yield made

    def _by_neuron(self, epoch: int | None) -> Iterator[Epochs]:
        epochs: dict[str, list[tuple[str | int, int]]] = {}
        for summary in self._listed:
            if epoch in (None, summary.epoch):
                epochs.setdefault(str(summary.id), []).append((summary.id, summary.epoch))
        waiting = iter(epochs.values())
        while group := list(islice(waiting, AT_ONCE)):
            samples = iter(self._read([key for neuron in group for key in neuron]))
            for neuron in group:
                readable = [s for s in islice(samples, len(neuron)) if s is not None]
                if readable:
                    yield readable

    @property
    def note(self) -> str:
        if not self._unread:
            return ""
        several = any(summary.epoch > 1 for summary in self._listed)
        named = [
            f"{line(id_)}{f' epoch {epoch}' if several else ''} ({why})"
            for id_, epoch, why in self._unread[:NAMED]
        ]
        if (more := len(self._unread) - NAMED) > 0:
            named.append(f"and {more} more")
        return (
            f"{short(self._location)}: {len(self._unread)} of {len(self._listed)} samples cannot "
            f"be read and are left out: {'; '.join(named)}"
        )

    def _read(self, keys: Sequence[tuple[str | int, int]]) -> list[EvalSample | None]:
        read = partial(read_eval_log_samples_by_id, exclude_fields=self._unused)
        try:
            return list(read(self._location, keys))
        except Exception:  # of one among them; a file may hold anything
            return [self._read_one(*key) for key in keys]

    def _read_one(self, id_: str | int, epoch: int) -> EvalSample | None:
        try:
            return read_eval_log_sample(self._location, id_, epoch, exclude_fields=self._unused)
        except IndexError:
            self._unread.append((str(id_), epoch, "the log names it and does not hold it"))
        except Exception as error:  # of a file that may hold anything
            self._unread.append((str(id_), epoch, wrong(error)))
        return None
