"""What of a network a subject shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from neuron_eval.recording.subject import HuggingFaceSubject, Probe

Column = tuple[int, int]  # layer and index


class Neurons(Protocol):
    """What of a network is seen: its MLP neurons, or the latents of an SAE."""

    @property
    def sizes(self) -> Mapping[int, int]:
        """How many there are, by layer."""
        ...

    @property
    def hook(self) -> str:
        """The hook point of the SAE; empty if there is none."""
        ...

    @property
    def model(self) -> str:
        """What the SAE calls the model that it is of; empty if there is none or it does not say."""
        ...

    @property
    def digest(self) -> str:
        """Tells these weights from others, those of the network left aside."""
        ...

    def probes(self, columns: Sequence[Column]) -> list[Probe]:
        """What shows columns, which ascend, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class MlpNeurons:
    """The neurons of a network's MLPs, as `neuron-eval record` sees them."""

    network: HuggingFaceSubject
    hook: str = ""
    model: str = ""
    digest: str = ""

    @property
    def sizes(self) -> Mapping[int, int]:
        return self.network.widths

    def probes(self, columns: Sequence[Column]) -> list[Probe]:
        by_layer = groupby(columns, key=lambda column: column[0])
        return self.network.neurons({layer: [i for _, i in part] for layer, part in by_layer})
