"""Excerpts by how strongly the neuron fires: whether shares are sound, and which are scored."""

from __future__ import annotations

import math
from collections.abc import Collection

from neuron_eval.records import Excerpt, NeuronRecord, RecordError, TooFewExcerptsError
from neuron_eval.records.treatment import seeded

SHARES_OFF = 1e-3  # what the shares of a neuron's strata may miss 1 by, since files round them

QUANTILES = (
    "OpenAI's records, caches of delphi, features of Neuronpedia with all their bins, and what "
    "neuron-eval record writes have them"
)
"""Which sources have strata."""


def check_shares(neuron: NeuronRecord, at: str) -> None:
    """Raise a RecordError unless the shares of a neuron's strata are the parts of all text."""
    shares = [stratum.share for stratum in neuron.strata]
    for i, stratum in enumerate(neuron.strata):
        if not 0 < stratum.share <= 1:
            raise RecordError(
                f"{at}: field 'strata': stratum {i} has the share {stratum.share:g}; expected the "
                "part of all text that it stands for, above 0 and at most 1"
            )
        if not stratum.excerpts:
            raise RecordError(
                f"{at}: field 'strata': stratum {i} holds no excerpts; without any, nothing stands "
                "for its share of all text"
            )
    if shares and abs(math.fsum(shares) - 1) > SHARES_OFF:
        raise RecordError(
            f"{at}: field 'strata': the shares sum to {math.fsum(shares):g}; the strata must be "
            "the parts of all text, so expected 1"
        )


def stratified(neuron: NeuronRecord, n: int, shown: Collection[str]) -> tuple[Excerpt, ...]:
    """Up to ``n`` excerpts of every stratum, drawn by the neuron's id, none with a text ``shown``.

    A stratum of which all was shown is no part of what is held out, and left out.

    Raises:
        TooFewExcerptsError: No excerpt is left, or there were none.
    """
    drawn: list[Excerpt] = []
    index = 0
    for number, stratum in enumerate(neuron.strata):
        free = []
        for record in stratum.excerpts:
            if record.text not in shown:
                free.append(Excerpt("quantile", index, record, number, stratum.share))
            index += 1
        # Drawn again, since a source may have sorted them.
        order = seeded(f"{neuron.id}/stratum {number}").permutation(len(free))
        drawn += (free[i] for i in sorted(order[:n].tolist()))
    if not drawn:
        why = "and the explainer sees all of these" if neuron.strata else QUANTILES
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: field 'strata' holds {index} excerpts by quantile of activation, "
            f"which excerpts_scored=quantiles scores; {why}"
        )
    return tuple(drawn)
