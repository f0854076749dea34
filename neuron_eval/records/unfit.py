"""Neurons that there is nothing to explain of: silent, always on, or known from one text alone."""

from __future__ import annotations

from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.scale import normalise


class UnfitNeuronError(RecordError):
    """A sound record of a neuron that there is nothing to explain of."""


def why_unfit(neuron: NeuronRecord) -> str | None:
    """What is the matter with a neuron, in a clause that begins with its kind; None if nothing is.

    - ``dead``: no token of its excerpts has an activation above 0.
    - ``fires everywhere``: each token of all its excerpts, random ones too, has an activation of
      at least a tenth of the highest, so that none is 0 on the scale of 0 to 10.
    - ``one text``: its top excerpts (without ignored tokens, up to white space) are all the same.

    Args:
        neuron: A record as it would be dealt, at least one excerpt; without any it is not unfit.
    """
    records = [excerpt.record for excerpt in neuron.excerpts]
    values = [value for record in records for value in record.counted(record.activations)]
    if not values:
        return None
    peak = max(values)
    if peak <= 0:
        return f"dead: none of its {len(values)} activations is above 0"
    if normalise([min(values)], peak)[0] > 0:
        return (
            f"fires everywhere: each of its {len(values)} activations is at least a tenth of the "
            f"highest, {peak:g}"
        )
    return _one_text(neuron)


def _one_text(neuron: NeuronRecord) -> str | None:
    top = neuron.top or neuron.random
    # A source may have left out repeats; what is then left of them is one excerpt.
    if neuron.given_splits or len(top) + neuron.repeated < 2 or len(set(map(_folded, top))) != 1:
        return None
    return f"one text: its top excerpts all read {' '.join(top[0].text.split())[:60]!r}"


def _folded(record: ActivationRecord) -> str:
    return " ".join("".join(record.counted(record.tokens)).split())
