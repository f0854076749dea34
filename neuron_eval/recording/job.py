"""One recording from start to end: what `neuron-eval record` does."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neuron_eval.messages import shown
from neuron_eval.recording import RecordingError, module, select, texts
from neuron_eval.recording.collect import Collector, memory
from neuron_eval.recording.on_ray import Watched, take_on_ray
from neuron_eval.recording.recorder import (
    Checkpoint,
    Recording,
    Take,
    assemble,
    check_enough,
    run,
    take_here,
)
from neuron_eval.recording.select import PickedNeuron
from neuron_eval.recording.subject import HuggingFaceSubject
from neuron_eval.recording.texts import TextCounts, Tokenizer, Window, windows
from neuron_eval.records.checks import fault_of
from neuron_eval.sources import schema

ALL = "all"  # what to pass to ``--neurons`` for every neuron of the layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of the command, under the command's names."""

    model: str  # a Hugging Face name, a folder, or a ``.gguf`` file
    out: Path
    texts: Sequence[Path]  # empty if there is a dataset
    dataset: str | None  # ``NAME[:SPLIT[:COLUMN]]``; None if there are text files
    dataset_config: str | None
    layers: str | None  # for ``all`` and ``per_layer``; None for every layer
    neurons: Sequence[str]  # ids, files, or ``all``
    per_layer: int | None  # neurons to draw a layer
    seed: int  # at least 0
    name: str | None  # the model's name in the records; None for the last part of ``model``
    group: str  # of given neurons that name none
    top: int  # excerpts per neuron, at least 1
    random: int  # excerpts per neuron, at least 0
    per_stratum: int  # excerpts of each stratum, at least 0
    length: int  # text tokens per excerpt, at least 1
    max_tokens: int | None  # text tokens to stop after
    batch_size: int  # windows a forward pass, at least 1
    levels: Sequence[float]  # of quantiles, ascending, each in (0, 1)
    dtype: str  # ``float32`` or ``bfloat16``
    device: str  # of torch
    resume: bool  # go on from a checkpoint, if there is one
    checkpoint_every: int  # batches from one checkpoint, and on Ray one part, to the next
    on: str  # ``local``, which is this process, or ``ray``, to whose cluster it is connected

    @property
    def model_name(self) -> str:
        path = Path(self.model)
        return self.name or (path.stem if path.suffix == ".gguf" else path.resolve().name)

    @property
    def checkpoint_path(self) -> Path:
        """The file beside ``out`` that holds the state of an unfinished recording."""
        return self.out.with_name(f"{self.out.name}.checkpoint.npz")


Bar = Callable[[int | None], AbstractContextManager[Any]]
"""Makes a progress bar for so many tokens; None if their number is not known."""


def record(settings: Settings, say: Callable[[str], None], bar: Bar) -> str:
    """Record, and write the file; gives a summary in one line.

    ``say`` is called with lines for the user. After a `RecordingError` nothing is written.
    """
    if settings.checkpoint_path.exists() and not settings.resume:
        raise RecordingError(
            f"{settings.checkpoint_path}: an unfinished recording; pass --resume to go on with "
            "it, or delete the file to start over"
        )
    _check_name(settings.model_name)
    given = [
        neuron
        for spec in settings.neurons
        if spec != ALL
        for neuron in select.parse_neurons(spec, settings.group)
    ]
    layers = None if settings.layers is None else select.parse_layers(settings.layers)
    tokenizer = Tokenizer(settings.model)
    total = _count(settings, tokenizer)
    device = settings.device if settings.on == "local" else "cpu"
    subject = HuggingFaceSubject(settings.model, tokenizer.prefix, settings.dtype, device)
    chosen = choose(settings, given, layers, subject.widths, say)
    columns = sorted(chosen)
    shape = (len(columns), settings.length, settings.top, settings.random)
    size = memory(*shape, settings.per_stratum)
    say(f"recording {len(columns)} neurons in {size / 2**20:.0f} MB beside the model")
    kept = (*shape, settings.seed, settings.per_stratum)
    fingerprint = _fingerprint(settings, subject.fingerprint, columns)
    take = _taking(settings, subject, columns, kept)
    del subject  # on Ray it has no further use
    batches, every = 1, settings.checkpoint_every
    if settings.on == "ray":
        batches, every = every, batches
    checkpoint = Checkpoint(settings.checkpoint_path, fingerprint, every)
    tally = TextCounts()
    with bar(total) as progress:
        recording = run(
            take,
            _windows(settings, tokenizer, tally),
            Collector(*kept),
            settings.batch_size * batches,
            checkpoint,
            settings.resume,
            lambda count: progress.update(count * settings.length),
        )
    check_enough(tally.windows, settings.top, settings.random)
    name, levels = settings.model_name, settings.levels
    records = assemble(recording, columns, chosen, name, levels, settings.random, settings.seed)
    written = schema.write(settings.out, records)
    checkpoint.remove()
    return _summary(settings, recording, tally, written)


def _taking(
    settings: Settings,
    subject: HuggingFaceSubject,
    columns: Sequence[PickedNeuron],
    kept: tuple[int, ...],
) -> Take:
    neurons = tuple((neuron.layer, neuron.neuron) for neuron in columns)
    if settings.on == "local":
        subject.watch(neurons)
        return partial(take_here, subject)
    watched = Watched(
        model=settings.model,
        prefix=next(iter(subject.prefix), None),
        dtype=settings.dtype,
        device=settings.device,
        fingerprint=subject.fingerprint,
        neurons=neurons,
        kept=kept,
        batch_size=settings.batch_size,
        threads=module("torch").get_num_threads(),
    )
    return partial(take_on_ray, watched)


def _check_name(name: str) -> None:
    """Refuse a name whose neurons would have no valid ids, before hours of recording."""
    if fault := fault_of(f"{name}/L{10**9}N{10**9}"):
        raise RecordingError(
            f"a model of the name {shown(name)} would have neurons such as "
            f"{shown(f'{name}/L0N0')}, but no id {fault}; give a --name such as gpt2-xl"
        )


def choose(
    settings: Settings,
    given: Sequence[PickedNeuron],
    layers: Sequence[int] | None,
    widths: dict[int, int],
    say: Callable[[str], None],
) -> list[PickedNeuron]:
    """The neurons to record: given ones first, in their order, then the drawn ones."""
    layers = list(widths) if layers is None else layers
    select.check_layers(layers, widths, "--layers")
    select.check_given(given, widths)
    if ALL in settings.neurons:
        named = {neuron.id for neuron in given}
        every = select.every_neuron(layers, widths, settings.group)
        given = [*given, *(neuron for neuron in every if neuron.id not in named)]
    if settings.per_layer is None:
        return list(given)
    drawn = select.draw(layers, widths, settings.per_layer, settings.seed, given)
    say(f"drawn with seed {settings.seed}: {', '.join(neuron.id for neuron in drawn)}")
    return [*given, *drawn]


def _windows(settings: Settings, tokenizer: Tokenizer, tally: TextCounts) -> Iterator[Window]:
    if settings.dataset is None:
        rows = texts.read_files(settings.texts)
    else:
        dataset = texts.parse_dataset(settings.dataset)
        rows = texts.read_dataset(dataset, settings.dataset_config)
    return windows(rows, tokenizer, settings.length, settings.max_tokens, tally)


def _count(settings: Settings, tokenizer: Tokenizer) -> int | None:
    """Text tokens to come: counted for files, which is quick, unknown for a dataset."""
    if settings.dataset is not None:
        return settings.max_tokens
    tally = TextCounts()
    for _ in _windows(settings, tokenizer, tally):
        pass
    check_enough(tally.windows, settings.top, settings.random)
    return tally.windows * settings.length


def _fingerprint(settings: Settings, model: str, columns: Sequence[PickedNeuron]) -> dict[str, Any]:
    neurons = ",".join(neuron.id for neuron in columns).encode()
    names = ("dtype", "length", "max_tokens", "batch_size", "top", "random", "per_stratum", "seed")
    return {
        "model": model,
        "neurons": f"{len(columns)}-{hashlib.blake2b(neurons, digest_size=4).hexdigest()}",
        **{name: getattr(settings, name) for name in names},
    }


def _summary(settings: Settings, recording: Recording, tally: TextCounts, written: int) -> str:
    fresh = (tally.windows - recording.resumed) * settings.length
    busy = recording.forward / recording.seconds
    share = f"{busy:.1%} of the time" if settings.on == "local" else f"{busy:.1f} workers at a time"
    return (
        f"{settings.out}: {written} neurons from {tally.windows * settings.length} tokens in "
        f"{tally.windows} windows ({tally.repeated} repeated windows skipped, {tally.leftover} "
        f"tokens left over at the ends of {tally.texts} texts); {fresh / recording.seconds:.0f} "
        f"tokens/s, {share} in the model"
    )
