"""The neurons that a prompt pack shows before the one at hand."""

from __future__ import annotations

from dataclasses import dataclass

from neuron_eval.records import ActivationRecord


@dataclass(frozen=True, slots=True)
class FewShotNeuron:
    """A neuron that is shown with its explanation before the one at hand."""

    explanation: str
    """What the neuron does, without a full stop."""

    excerpts: tuple[ActivationRecord, ...]
    """The excerpts shown, in order."""

    revealed_from: tuple[int | None, ...]
    """For each excerpt, the index of the first token whose activation ``simulation=all_at_once``
    shows; None leaves the excerpt out of its prompt. Explainers always see all."""
