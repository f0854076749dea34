"""What a log says of each neuron, with the excerpts: one neuron in memory at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from inspect_ai.log import EvalSample

from neuron_eval.logs.files import short
from neuron_eval.logs.reading import UNUSED, Samples
from neuron_eval.logs.runs import NeuronResult, Run, by_headline, neuron_result
from neuron_eval.messages import without_surrogates
from neuron_eval.records import Excerpt
from neuron_eval.records.splits import DealtNeuron, from_metadata


@dataclass(frozen=True, slots=True)
class ExportedNeuron:
    """One neuron of a run."""

    epochs: tuple[NeuronResult, ...]  # each alone, with what was simulated; at least one
    dealt: DealtNeuron | None  # its excerpts; None where explanations were scored without any

    @property
    def first(self) -> NeuronResult:
        return self.epochs[0]

    @property
    def excerpts(self) -> list[Excerpt]:
        """Those that the log holds, in the order of the neuron's record: the highest peak first."""
        if self.dealt is None:
            return []
        excerpts = self.dealt.train + self.dealt.calibration + self.dealt.valid
        return sorted(excerpts, key=lambda e: (e.kind != "top", e.kind, e.index))


def exported(run: Run, notes: list[str]) -> Iterator[ExportedNeuron]:
    """The neurons of a run; to ``notes`` a sentence on samples that cannot be read is added."""
    logs = run.logs
    for log in logs:
        others = {id_ for other, ids in logs.items() if other != log for id_ in ids}
        samples = Samples(log, UNUSED | {"events"}, others)
        yield from samples.neurons(partial(_neuron, headline=run.headline))
        if samples.note:
            notes.append(samples.note)


def _neuron(epochs: Sequence[EvalSample], headline: str) -> ExportedNeuron:
    metadata = epochs[0].metadata or {}
    return ExportedNeuron(
        epochs=tuple(by_headline(neuron_result([s], excerpts=True), headline) for s in epochs),
        dealt=from_metadata(metadata, epochs[0].id) if "record" in metadata else None,
    )


def left_out(neurons: int, run: Run) -> list[str]:
    """A sentence, if neurons of a run have no place in a layout."""
    if not neurons:
        return []
    several = f"{neurons} neurons are left out: they have"
    what = "1 neuron is left out: it has" if neurons == 1 else several
    return [f"{short(run.log)}: {what} no layer and index"]


def json_line(data: object) -> str:
    """JSON that every program can read, on a line of its own."""
    return json.dumps(without_surrogates(data), ensure_ascii=False, allow_nan=False) + "\n"
