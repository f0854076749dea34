"""From what the user typed to neuron records: open the source, choose, read, join references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from neuron_eval.records import NeuronRecord, Reference
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey, Source, SourceError, Unreadable, strict
from neuron_eval.sources.choosing import SCORED, Choice, draw
from neuron_eval.sources.scores import ScoreFile

Only = Callable[[NeuronKey], bool]
"""Whether a neuron may be chosen, besides what the `Choice` says."""


def load(choice: Choice, only: Only | None = None) -> Iterator[NeuronRecord | Unreadable]:
    """The chosen neurons, one at a time, in the source's order.

    A neuron without a reference gets the explanation of ``choice.scores``, if that file has one.

    Args:
        choice: What to choose.
        only: Leaves out further neurons before any are drawn.

    Raises:
        ValueError: There is no such source.
        SourceError: The source, or the file of scores, cannot be read; or nothing was chosen.
        RecordError: The source breaks off; what came before is sound.
    """
    source = open_source(choice.neurons)
    if only is None:
        refuse_too_many(choice)
    file = ScoreFile(choice.scores) if choice.scores else None
    if choice.select == "all" and not choice.restricted and only is None and file is None:
        yield from islice(source.read(), choice.limit)
        return
    admitted = (key for key in source.keys() if only is None or only(key))  # noqa: SIM118
    chosen = draw(admitted, choice, file.scores if file else source.scores)
    if not chosen:
        raise SourceError(_nothing(choice))
    if file:
        _refuse_ambiguous(chosen, file.path)
    references = file.references(chosen) if file else {}
    for found in _read(source, chosen):
        yield found if isinstance(found, Unreadable) else _referenced(found, references)


def load_neurons(neurons: str) -> Iterator[NeuronRecord]:
    """Every neuron of a source.

    Raises:
        ValueError: See `load`; also where a neuron is missing or bad.
    """
    return strict(load(Choice(neurons)))


def _read(source: Source, chosen: list[NeuronKey]) -> Iterator[NeuronRecord | Unreadable]:
    """The chosen ones; stops when all have come, wherever the source would end."""
    return islice(source.read(chosen), len(chosen))


def _referenced(neuron: NeuronRecord, references: dict[tuple[int, int], Reference]) -> NeuronRecord:
    if neuron.reference is not None:
        return neuron
    return replace(neuron, reference=references.get((neuron.layer, neuron.neuron)))


def refuse_too_many(choice: Choice) -> None:
    """Hundreds of thousands of downloads are nobody's default; naming the layers is consent.

    Raises:
        SourceError: The choice would fetch a whole model.
    """
    if not choice.neurons.startswith("openai:") or choice.restricted:
        return
    if choice.select == "all" and choice.limit is None:
        raise SourceError(
            f"neurons={choice.neurons}: would fetch every neuron of the model, one by one; choose "
            "some, for instance -T select=random -T per_layer=20, -T layers=0-3 -T index=0-99, or "
            "-T limit=100"
        )
    if choice.select in ("top_per_layer", "top") and choice.scores is None:
        raise SourceError(
            f"neurons={choice.neurons}: select={choice.select} would fetch the released "
            "explanations of every neuron of the model for their scores; name a CSV of scores "
            "(-T scores=FILE), or the layers (-T layers=0-3)"
        )


def _refuse_ambiguous(chosen: list[NeuronKey], path: str) -> None:
    """Layer and neuron, which the file has, must be one neuron's."""
    owners: dict[tuple[int, int], str] = {}
    for key in chosen:
        owner = owners.setdefault((key.layer, key.neuron), key.id)
        if owner != key.id:
            raise SourceError(
                f"scores={path}: layer {key.layer}, neuron {key.neuron} could be {owner} or "
                f"{key.id}; choose neurons of one dictionary or hookpoint only"
            )


def _nothing(choice: Choice) -> str:
    said = [f"select={choice.select}"]
    said += [
        f"{name}={getattr(choice, name)}"
        for name in ("layers", "index", "scores")
        if getattr(choice, name)
    ]
    if choice.select == "interpretable":
        said.append(f"threshold={choice.threshold}")
    if choice.select in SCORED:
        said.append("only neurons with a published score count")
    return f"neurons={choice.neurons}: no neuron is left by {', '.join(said)}"
