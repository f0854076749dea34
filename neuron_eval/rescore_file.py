"""Scoring a log's file again, few of its samples in memory at a time.

As ``inspect score --stream`` does, which has all samples in memory, or writes the log many times.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from anyio import CancelScope, Semaphore
from inspect_ai.log import (
    EvalLog,
    EvalResults,
    EvalSample,
    condense_sample,
    read_eval_log,
    read_eval_log_sample_async,
    write_eval_log,
)
from inspect_ai.model import GenerateConfig, Model
from inspect_ai.scorer import Scorer

from neuron_eval.inspect_private import (
    AsyncFilesystem,
    AsyncZipReader,
    EvalRecorder,
    init_display_type,
    platform_init,
    run_coroutine,
)
from neuron_eval.logs.files import short, wrong
from neuron_eval.models.batching import ALL_AT_ONCE
from neuron_eval.rescore import NO_SAMPLES, CannotScoreError, add_score, check_log, refused, rescore
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation.measure import CALIBRATION

AT_ONCE = 100
"""Samples to score at a time: as many as the requests that Inspect lets out at most by itself."""

KEPT = (
    *("eval", "status", "stats", "reductions", "error"),
    *("invalidated", "log_updates", "config_updates"),
)
"""What else stands in the header of a finished log."""

Key = tuple[str | int, int]  # a sample's id and its epoch
Read = Callable[[str | int, int], Awaitable[EvalSample]]


def rescore_file(
    source: str,
    target: str,
    simulator: Model | None,
    name: str,
    *,
    tell: Callable[[str], None],
    calibration: str = CALIBRATION,
    **settings: Any,
) -> EvalLog:
    """Do as `rescore` does with a log's file, of which few samples are in memory at a time.

    With a model that takes batches that is all that wait for one; of a JSON log it is all.
    ``target`` is written at the end, in one step, and may be ``source``. ``tell`` gets a sentence
    on the samples that the log only names, if there are such. A `CannotScoreError` also says that
    the file cannot be read.
    """
    platform_init()
    init_display_type()
    streams = EvalRecorder.handles_location(source)
    with _reading(source):
        log = read_eval_log(source, header_only=streams)
    if not streams:
        scored = rescore(log, simulator, name, calibration=calibration, **settings)
        write_eval_log(scored, target)
        return scored
    check = check_log(log, name, calibration)
    inner = simulation_correlation(calibration=calibration, **settings)

    async def stream() -> EvalLog:
        async with AsyncFilesystem() as files:
            # One reader: each reads the file's table of contents, which is as long as the log.
            reader = AsyncZipReader(files, source)
            read = partial(read_eval_log_sample_async, source, reader=reader)
            with _reading(source):
                entries = (await reader.entries()).entries
            names = {entry.filename for entry in entries}
            samples = sum(name.startswith("samples/") for name in names)
            keys = await _checked(source, read, check, tell)
            if samples > len(keys):
                raise CannotScoreError(
                    f"{short(source)} holds {samples} samples and lists {len(keys)} of them; "
                    "write it anew, for instance with inspect log convert"
                )
            if not keys:
                raise refused(log, NO_SAMPLES)
            return await _score_each(log, target, read, keys, simulator, inner, name)

    return run_coroutine(stream())


async def _checked(
    source: str, read: Read, check: Callable[[EvalSample], None], tell: Callable[[str], None]
) -> list[Key]:
    """The samples that can be read; all of them are, before anything is asked."""
    with _reading(source):
        listed = await EvalRecorder.read_log_sample_ids(source)
    keys, missing = [], []
    for key in listed:
        with _reading(source):
            try:
                sample = await read(*key)
            except IndexError:
                missing.append(str(key[0]))
                continue
        check(sample)
        keys.append(key)
    if missing:
        tell(
            f"{short(source)}: {len(missing)} of {len(listed)} samples cannot be read and are left "
            f"out; the first: {missing[0]!r}"
        )
    return keys


async def _score_each(
    log: EvalLog,
    target: str,
    read: Read,
    keys: Sequence[Key],
    simulator: Model | None,
    inner: Scorer,
    name: str,
) -> EvalLog:
    config = simulator.config if simulator else GenerateConfig()
    at_once = Semaphore(ALL_AT_ONCE if config.batch else config.max_connections or AT_ONCE)
    recorder = EvalRecorder(".")  # its usual folder, which it writes nothing to
    await recorder.log_init(log.eval, target, clean=True)

    @asynccontextmanager
    async def scoring(index: int) -> AsyncIterator[EvalSample]:
        async with at_once:
            sample = await read(*keys[index])
            yield sample
            await recorder.log_sample(log.eval, condense_sample(sample), write_through=True)

    results = log.results or EvalResults()
    counted, results.total_samples = results.total_samples, len(keys)
    header = log.model_copy(update={"results": results})
    try:
        scored = await add_score(header, simulator, inner, name, scoring)
        results.total_samples = counted
        await recorder.log_start(scored.eval, scored.plan)
        kept = {name: getattr(scored, name) for name in KEPT}
        await recorder.log_finish(**kept, results=results, header_only=True)
    except BaseException:
        with CancelScope(shield=True):
            await recorder.log_discard(log.eval, keep_destination=True)
        raise
    return scored


@contextmanager
def _reading(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of a file that may hold anything
        raise CannotScoreError(f"{short(source)} cannot be read: {wrong(error)}") from error
