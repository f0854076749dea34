"""Going through all neurons of a source: what is wrong with them, and writing them to one file."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from neuron_eval.records import NeuronRecord, RecordError, TooFewExcerptsError
from neuron_eval.records.activations import special_peak, why_unfit
from neuron_eval.records.treatment import LENGTH, LONG, STORED, Treatment, has_stored_tokens
from neuron_eval.sources import open_source
from neuron_eval.sources.base import SourceError, Unreadable, strict
from neuron_eval.sources.choosing import Choice
from neuron_eval.sources.loading import load, refuse_too_many
from neuron_eval.sources.schema import write

EXCERPTS = 5  # of each kind that a split is asked for, as published


def write_chosen(out: Path, choice: Choice, missing: list[str]) -> int:
    """Write what was chosen, one neuron at a time, and count it.

    The file does not appear where a neuron is bad, or none is there. To ``missing`` a sentence is
    added on each neuron that the source does not have.
    """
    neurons = _sound(choice, missing)
    first = next(neurons, None)
    if first is None:
        raise SourceError(f"neurons={choice.neurons}: no neuron there to write")
    if out.suffix != ".parquet":
        return write(out, chain([first], neurons))
    from neuron_eval.sources.parquet import write_parquet

    return write_parquet(out, chain([first], neurons))


def _sound(choice: Choice, missing: list[str]) -> Iterator[NeuronRecord]:
    seen: set[str] = set()
    for neuron in strict(load(choice), missing):
        if neuron.id in seen:
            raise RecordError(f"neuron {neuron.id}: stands there twice; ids must be unique")
        seen.add(neuron.id)
        yield neuron


@dataclass
class Survey:
    """What a set of neurons holds, counted while its problems are taken."""

    sound: int = 0
    bad: int = 0
    missing: int = 0
    long: int = 0  # neurons with enough excerpts for `EXCERPTS` of each kind in each split
    referenced: int = 0  # neurons with a reference explanation
    cut: int = 0  # neurons whose excerpts are cut to a window
    stored: list[str] = field(default_factory=list)  # those whose tokens are a tokenizer's own
    # The neurons that there is nothing to explain of, by what is the matter.
    unfit: dict[str, list[str]] = field(default_factory=dict)
    # The neurons most of whose top excerpts have their peak on a special token, by the token.
    on_special: dict[str, list[str]] = field(default_factory=dict)

    def problems(self, path: str) -> Iterator[str]:
        """Everything that is wrong with the neurons of a source, as it is found."""
        ids: set[str] = set()
        try:
            refuse_too_many(Choice(path))
            for neuron in open_source(path).read():
                if isinstance(neuron, Unreadable):
                    self.missing += neuron.missing
                    self.bad += not neuron.missing
                    yield str(neuron.error)
                elif neuron.id in ids:
                    self.bad += 1
                    yield f"{path}: neuron {neuron.id}: stands there twice; ids must be unique"
                else:
                    ids.add(neuron.id)
                    self._count(neuron)
        except RecordError as error:
            self.bad += 1
            yield str(error)
        if not self.sound and not self.bad:
            yield f"{path}: no neurons"

    def _count(self, neuron: NeuronRecord) -> None:
        """Count a sound neuron, as it is explained where the user says nothing else."""
        treated = Treatment()(neuron)
        self.sound += 1
        self.cut += treated is not neuron
        with suppress(TooFewExcerptsError):
            splits = treated.split("train", EXCERPTS), treated.split("valid", EXCERPTS)
            self.long += all(splits)
        self.referenced += neuron.reference is not None
        if has_stored_tokens(neuron):
            self.stored.append(neuron.id)
        if why := why_unfit(treated):
            self.unfit.setdefault(why.partition(":")[0], []).append(neuron.id)
        elif token := special_peak(treated):
            self.on_special.setdefault(token, []).append(neuron.id)

    def notes(self) -> Iterator[str]:
        """What is no fault, but decides what a run is worth: a sentence a kind."""
        for kind, ids in self.unfit.items():
            yield (
                f"{len(ids)} of {self.sound} are left out unless on_dead=keep: {kind} (the first: "
                f"{ids[0]})"
            )
        for token, ids in self.on_special.items():
            yield (
                f"{len(ids)} of {self.sound} have most peaks of their top excerpts on the special "
                f"token {token!r} (the first: {ids[0]}); ignore_tokens=special leaves such tokens "
                "out"
            )
        if self.stored:
            yield f"{len(self.stored)} of {self.sound} (the first: {self.stored[0]}) have {STORED}"
        if self.cut:
            yield (
                f"{self.cut} of {self.sound} have excerpts of more than {LONG} tokens, which are "
                f"cut to {LENGTH} around the peak; window=none keeps them whole"
            )
