"""Neurons as an Inspect dataset, one sample a neuron; what the log's header says of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any

from inspect_ai.dataset import MemoryDataset, Sample

from neuron_eval.embedding.embedder import default_embedder
from neuron_eval.messages import InputError
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.records import NeuronRecord, Reference, TooFewExcerptsError
from neuron_eval.records.activations import UnfitNeuronError, why_unfit
from neuron_eval.records.splits import (
    SCORED,
    ChosenNeuron,
    DealtNeuron,
    Scored,
    check_scored,
    deal,
    to_text,
)
from neuron_eval.records.treatment import Treated, loss, parse_treatment
from neuron_eval.sources.base import NeuronKey, strict
from neuron_eval.sources.choosing import Choice
from neuron_eval.sources.loading import Only, load
from neuron_eval.unrelated import Unrelated, deranged

logger = logging.getLogger(__name__)

_CHOSEN_BY = ("select", "layers", "index", "per_layer", "threshold", "limit", "seed", "scores")
EXCERPTS = 5  # of each kind in each split, as published
ON_SHORT = ("error", "skip")  # what can be done with a neuron that has too few excerpts
ON_DEAD = ("skip", "error", "keep")  # and with one that there is nothing to explain of
_NOT_SHORT = "on_short=skip leaves such neurons out"
_NOT_DEAD = "on_dead=skip leaves such neurons out, keep explains them"
SHUFFLED = "shuffled_reference"
"""Where a sample has another neuron's reference in place of its own, see `deranged`."""

References = Callable[[NeuronKey], Reference | None]
"""Explanations to compare with, from elsewhere than the neuron's source."""


@dataclass(frozen=True, slots=True)
class NeuronSet:
    """Neurons ready to be made samples of."""

    choice: Choice
    neurons: tuple[ChosenNeuron, ...]
    skipped: tuple[str, ...]  # why each neuron that was left out was left out, a message a neuron
    # The neurons that the source lists but does not hold, a message a neuron
    missing: tuple[str, ...] = ()
    treated: Treated = field(default_factory=Treated)
    scored: Scored = SCORED  # which held-out excerpts are scored
    of_all: int = 0  # of a shard, how many neurons all shards have

    @property
    def name(self) -> str:
        return PurePath(self.choice.neurons).name or self.choice.neurons

    @property
    def referenced(self) -> bool:
        return any(neuron.identity.reference for neuron in self.neurons)


def neuron_set(
    neurons: str | Choice,
    excerpts: int = EXCERPTS,
    on_short: str = "error",
    *,
    on_dead: str = "skip",
    ignore_tokens: str | Sequence[str] | None = None,
    window: int | str | None = None,
    excerpts_scored: str = SCORED,
    only: Only | None = None,
    references: References | None = None,
    dealing: Callable[[NeuronRecord, int, Scored], DealtNeuron] = deal,
) -> NeuronSet:
    """Load a set of neurons, treat and deal their excerpts; each parameter as a task has it.

    ``neurons`` may be the source alone. ``only`` leaves out further neurons before any are drawn,
    ``references`` are compared with instead of the source's own where they have one, and
    ``dealing`` deals a neuron's excerpts to their uses.
    """
    check_number("excerpts", excerpts, least=1)
    check_choice("on_short", on_short, ON_SHORT)
    check_choice("on_dead", on_dead, ON_DEAD)
    scored = check_scored(excerpts_scored)
    treated = Treated(parse_treatment(ignore_tokens, window))
    choice = neurons if isinstance(neurons, Choice) else Choice(neurons)
    ready: list[ChosenNeuron] = []
    skipped: list[str] = []
    missing: list[str] = []
    of_all: list[NeuronKey] = []
    for record in strict(load(choice, only, of_all), missing):
        neuron = treated.treatment(record)
        try:
            if on_dead != "keep" and (why := why_unfit(neuron)):
                raise UnfitNeuronError(f"neuron {neuron.id}: {why}")
            dealt = dealing(neuron, excerpts, scored)
            ready.append(_chosen(record, dealt, references))
            treated.add(record, neuron)
        except (UnfitNeuronError, TooFewExcerptsError) as error:
            why = f"{error}{loss(record, neuron)}"
            short = isinstance(error, TooFewExcerptsError)
            wish, advice = (on_short, _NOT_SHORT) if short else (on_dead, _NOT_DEAD)
            if wish == "error":
                raise type(error)(f"neurons={choice.neurons}: {why} (-T {advice})") from error
            skipped.append(why)
    if not ready:
        raise InputError(
            f"neurons={choice.neurons}: no neuron is left, {len(skipped)} were skipped and "
            f"{len(missing)} are missing{''.join(f'; {why}' for why in (skipped + missing)[:1])}"
        )
    return NeuronSet(
        choice, tuple(ready), tuple(skipped), tuple(missing), treated, scored, len(of_all)
    )


def dataset(chosen: NeuronSet) -> MemoryDataset:
    identities = [neuron.identity for neuron in chosen.neurons]
    texts = {neuron.id: neuron.reference.explanation for neuron in identities if neuron.reference}
    layers = {neuron.id: neuron.layer for neuron in identities}
    others, pairs = Unrelated(texts), deranged(texts, layers, chosen.choice.seed)
    samples = [sample(neuron, others) for neuron in chosen.neurons]
    for sample_ in samples:
        if (other := pairs.get(str(sample_.id))) is not None:
            metadata = sample_.metadata or {}
            metadata[SHUFFLED] = {"id": other, "explanation": texts[other]}
    return MemoryDataset(samples, name=chosen.name)


def sample(chosen: ChosenNeuron, others: Unrelated) -> Sample:
    neuron, reference = chosen.identity, chosen.identity.reference
    return Sample(
        id=neuron.id,
        input=f"Explain {describe(neuron)}.",
        target=reference.explanation if reference else "",
        metadata={
            "model": neuron.model,
            "layer": neuron.layer,
            "neuron": neuron.neuron,
            "group": neuron.group,
            "reference_source": reference.source if reference else None,
            "other_explanations": list(map(asdict, neuron.other_explanations)),
            "false_explanations": list(neuron.false_explanations),
            "splits": dict(chosen.places),
            "unrelated_references": others.of(neuron.id),
            "record": chosen.record,
            # Only where there is one, which keeps logs small.
            **({"page": neuron.page} if neuron.page else {}),
        },
    )


def describe(neuron: NeuronRecord) -> str:
    if neuron.layer < 0:
        return f"the neuron {neuron.id}"
    return f"neuron {neuron.neuron} in layer {neuron.layer} of {neuron.model}"


def _chosen(
    record: NeuronRecord, dealt: DealtNeuron, references: References | None
) -> ChosenNeuron:
    own = record.reference
    if references is not None:
        own = references(NeuronKey(record.id, record.layer, record.neuron)) or own
    identity = replace(
        dealt.neuron,
        reference=own,
        other_explanations=record.other_explanations,
        false_explanations=record.false_explanations,
        page=record.page,
    )
    return ChosenNeuron(identity, to_text(dealt), dealt.places())


def about(chosen: NeuronSet, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """The header's part on neurons; what a person should know of them is logged, too."""
    choice = chosen.choice
    header: dict[str, Any] = {
        "default_embedder": default_embedder(),
        "neurons": choice.neurons,
        "neurons_used": len(chosen.neurons),
        "neurons_skipped": len(chosen.skipped),
        "neurons_missing": len(chosen.missing),
        "excerpts_scored": chosen.scored,
        **chosen.treated.header(),
        "neurons_choice": {
            **{name: getattr(choice, name) for name in _CHOSEN_BY},
            "layers": str(choice.layers or "all"),
            "index": str(choice.index or "all"),
        },
    }
    if choice.shard is not None:
        neurons = len(chosen.neurons) + len(chosen.skipped) + len(chosen.missing)
        header |= choice.shard.header(neurons, chosen.of_all)
    if chosen.skipped:
        header["skipped"] = list(chosen.skipped)
    if chosen.missing:
        header["missing"] = list(chosen.missing)
    if sentences := [*chosen.treated.warnings(), *warnings]:
        header["warnings"] = sentences
        for warning in sentences:
            logger.warning(warning)
    return header
