"""Parts of a recording on the workers of a Ray cluster."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import tee

from neuron_eval.recording import RecordingError, module
from neuron_eval.recording.collect import Collector
from neuron_eval.recording.recorder import Taken, take_batch
from neuron_eval.recording.subject import Column, HuggingFaceSubject
from neuron_eval.recording.texts import Window
from neuron_eval.workers import spread


@dataclass(frozen=True, slots=True)
class Watched:
    """A subject and its neurons, as each worker has to have them."""

    model: str
    prefix: int | None
    dtype: str
    device: str
    fingerprint: str  # of the model that the others have
    neurons: tuple[Column, ...]  # ascending
    kept: tuple[int, ...]  # what a `Collector` is made with
    batch_size: int
    threads: int  # of torch: with another number of them, sums may be rounded otherwise


def take_on_ray(
    watched: Watched, parts: Iterator[list[Window]], collector: Collector
) -> Iterator[Taken]:
    """Take in parts that workers recorded, each in whole batches."""
    windows, sent = tee(parts)
    cuda = watched.device.startswith("cuda")
    calls = ((watched, part) for part in sent)
    kept = spread(record_part, calls, cpus=1 if cuda else watched.threads, gpus=int(cuda))
    for part, (collected, seconds) in zip(windows, kept, strict=True):
        collector.merge(collected)
        yield part, seconds


def record_part(watched: Watched, windows: list[Window]) -> tuple[Collector, float]:
    """What a collector keeps of consecutive windows, and the seconds that the model took."""
    subject, size = _subject(watched), watched.batch_size
    collector = Collector(*watched.kept)
    collector.windows = windows[0].index
    batches = (windows[start : start + size] for start in range(0, len(windows), size))
    return collector, sum(take_batch(subject, batch, collector) for batch in batches)


@lru_cache(1)
def _subject(watched: Watched) -> HuggingFaceSubject:
    module("torch").set_num_threads(watched.threads)
    subject = HuggingFaceSubject(watched.model, watched.prefix, watched.dtype, watched.device)
    if subject.fingerprint != watched.fingerprint:
        raise RecordingError(
            f"{watched.model}: on the worker {platform.node()} these are other weights than on "
            "the machine where the command runs"
        )
    subject.watch(watched.neurons)
    return subject
