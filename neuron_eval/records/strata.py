"""Excerpts by how strongly the neuron fires: whether shares are sound, and which are scored."""

from __future__ import annotations

import math
from collections.abc import Collection

from neuron_eval.records import Excerpt, NeuronRecord, RecordError, TooFewExcerptsError
from neuron_eval.records.treatment import seeded

SHARES_OFF = 1e-3  # what the shares of a neuron's strata may miss 1 by, since files round them

SOURCES = (
    "OpenAI's records, delphi's caches, Neuronpedia's features with all their bins, and what "
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

    Of the stratum with the largest share up to as many as of all others together: where the neuron
    is silent the explanation may fit now and then, and few excerpts would miss that. A stratum of
    which all was shown is no part of what is held out, and left out.

    Raises:
        TooFewExcerptsError: No excerpt is left, or there were none.
    """
    drawn: list[Excerpt] = []
    index = 0
    commonest = max(neuron.strata, key=lambda stratum: stratum.share, default=None)
    for number, stratum in enumerate(neuron.strata):
        count = n * max(1, len(neuron.strata) - 1) if stratum is commonest else n
        free = []
        for record in stratum.excerpts:
            if record.text not in shown:
                free.append(Excerpt("quantile", index, record, number, stratum.share))
            index += 1
        # Drawn again, since a source may have sorted them.
        order = seeded(f"{neuron.id}/stratum {number}").permutation(len(free))
        drawn += (free[i] for i in sorted(order[:count].tolist()))
    if not neuron.strata:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: it has no excerpts by quantile of activation (field 'strata'), "
            f"which excerpts_scored=quantiles scores; {SOURCES}"
        )
    if not drawn:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: the explainer sees every excerpt of field 'strata', so none is "
            "left for excerpts_scored=quantiles"
        )
    return tuple(drawn)
