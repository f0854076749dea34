"""A model that is asked for neurons by many threads, and runs their texts together."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuron_eval.messages import InputError, message_of, shown
from neuron_eval.recording.subject import Column, HuggingFaceSubject, merge_row
from neuron_eval.recording.texts import Tokenizer, Window, cut
from neuron_eval.records import ActivationRecord
from neuron_eval.records.activations import round_significant
from neuron_eval.subject.exchange import NeuronPlace, SubjectError
from neuron_eval.subject.sae import SaeLatents, read_sae

TOKENS = 4096  # of a model at most in a forward pass, with padding; a longer text is run alone


class MlpNeurons:
    """The neurons of a network's MLPs, as `neuron-eval record` sees them; like `SaeLatents`."""

    hook = model = digest = ""  # what an SAE has

    def __init__(self, network: HuggingFaceSubject) -> None:
        self.sizes: Mapping[int, int] = network.widths
        self.probes = network.neurons


@dataclass(slots=True, eq=False)
class _Run:
    """A text that waits to be run."""

    column: Column
    window: Window
    size: int  # model tokens, what is put before the text included
    end: Future[NDArray[np.float32]] = field(default_factory=Future)  # shape [L]


@dataclass(slots=True, eq=False)
class Engine:
    """A loaded model, safe to use from several threads at once.

    While a forward pass is under way, the texts that are asked for wait, and the next one takes all
    of them, up to `TOKENS` and whatever their neurons. So nobody waits for others to come.
    """

    name: str  # for messages
    network: HuggingFaceSubject
    tokenizer: Tokenizer
    neurons: MlpNeurons | SaeLatents
    _waiting: list[_Run] = field(default_factory=list)
    _queue: threading.Lock = field(default_factory=threading.Lock)
    _running: threading.Lock = field(default_factory=threading.Lock)

    @property
    def revision(self) -> str:
        """A digest of what activations depend on: the weights, their type, the tokenizer."""
        parts = (self.network.fingerprint, self.tokenizer.fingerprint, self.neurons.digest)
        return "-".join(filter(None, parts))

    def records(
        self, place: NeuronPlace, texts: Sequence[str]
    ) -> tuple[list[ActivationRecord], int]:
        """A neuron's activations on texts, in order, and how many model tokens were read.

        Activations have four significant digits, as recorded ones. The neuron must exist. A text
        that is too long for the model or has no token is an InputError, all else a SubjectError.
        """
        column = (place.layer, place.index)
        runs = [self._run_of(column, i, text) for i, text in enumerate(texts, start=1)]
        with self._queue:
            self._waiting += runs
        with self._running:
            if not all(run.end.done() for run in runs):
                self._run_waiting()
        return [self._record(run) for run in runs], sum(run.size for run in runs)

    def _run_of(self, column: Column, number: int, text: str) -> _Run:
        where = f"text {number} ({shown(text, 40)})"
        ids, offsets = self.tokenizer(text)
        parts = next(cut(text, ids, offsets, max(1, len(ids))), None)
        if parts is None:
            raise InputError(f"{where} has no token of {self.name}")
        window = Window(0, *parts)
        size, limit = len(window.ids) + len(self.network.prefix), self.network.positions
        if limit is not None and size > limit:
            raise InputError(
                f"{where} takes {size} model tokens, but {self.name} has {limit} positions"
            )
        return _Run(column, window, size)

    def _run_waiting(self) -> None:
        with self._queue:
            taken, self._waiting = self._waiting, []
        try:
            for batch in batches(taken):
                self._run(batch)
        finally:
            for run in taken:
                if not run.end.done():  # whoever waits for it must not do so forever
                    run.end.set_exception(SubjectError(f"{self.name} was interrupted"))

    def _run(self, batch: Sequence[_Run]) -> None:
        columns = sorted({run.column for run in batch})
        try:
            raw = self.network.look([run.window for run in batch], self.neurons.probes(columns))
        except Exception as error:  # torch raises errors of many kinds, and none in common
            failure = error.with_traceback(None)  # it would hold the tensors
        else:
            for run, row in zip(batch, raw, strict=True):
                merged = merge_row(row, run.window, len(self.network.prefix))
                run.end.set_result(merged[:, columns.index(run.column)].copy())
            return
        if len(batch) == 1:
            batch[0].end.set_exception(self._failure(failure, batch[0]))
        else:
            for run in batch:  # what one text does to the model is not the others' fault
                self._run([run])

    def _failure(self, error: Exception, run: _Run) -> SubjectError:
        what = message_of(error).splitlines() or [""]
        why = f"{type(error).__name__}: {what[0]}"
        hint = "; try dtype: bfloat16, or device: cpu" if "memory" in why.lower() else ""
        return SubjectError(f"{self.name} failed on a text of {run.size} model tokens: {why}{hint}")

    def _record(self, run: _Run) -> ActivationRecord:
        values = run.end.result()
        if not np.isfinite(values).all():
            raise SubjectError(
                f"{self.name} gave an activation that is not finite in layer {run.column[0]}; it "
                "overflows, try dtype: float32"
            )
        return ActivationRecord(run.window.tokens, tuple(round_significant(values).tolist()))


def batches(runs: Sequence[_Run]) -> Iterator[list[_Run]]:
    """Texts to run together, shortest first, so that little is computed on padding."""
    batch: list[_Run] = []
    for run in sorted(runs, key=lambda run: run.size):
        if batch and run.size * (len(batch) + 1) > TOKENS:
            yield batch
            batch = []
        batch.append(run)
    if batch:
        yield batch


_loading = threading.Lock()
_loaded: dict[tuple[str, ...], Engine] = {}


def load_engine(name: str, dtype: str, device: str, sae: str) -> Engine:
    """The model, loaded once a process and kept; an InputError says what is wrong with it."""
    key = (_absolute(name), dtype, device, _absolute(sae))
    with _loading:
        if key not in _loaded:
            config = read_sae(Path(sae)) if sae else None  # first, since the model takes long
            tokenizer = Tokenizer(name)
            network = HuggingFaceSubject(name, tokenizer.prefix, dtype, device)
            neurons = SaeLatents(network, config) if config else MlpNeurons(network)
            _loaded[key] = Engine(name, network, tokenizer, neurons)
        return _loaded[key]


def _absolute(name: str) -> str:
    path = Path(name)
    return str(path.resolve()) if name and path.exists() else name
