"""An explainer that tests its explanation: it writes texts, and sees how the neuron responds.

It begins with a format's prompt and answer. Then come up to ``rounds`` of: competing hypotheses,
texts that tell them apart, the neuron's activations on these, a revised explanation. SAGE
(arXiv 2511.20820) works like that. What it writes is no part of any score, and held-out excerpts
are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["tools", "plain"]


@dataclass(frozen=True, slots=True)
class TestedText:
    """One text and the neuron's highest activation on it."""

    text: str
    peak: float


@dataclass(slots=True)
class Investigation:
    """What has been done about one neuron so far; it is written into the sample's store."""

    protocol: Protocol
    why: str  # why it is this protocol
    explanation: str  # the latest
    stopped: str = "it was not finished"  # why it ended
    rounds: list[Experiment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment."""

    explanation: str  # that was tested
    hypotheses: tuple[str, ...]
    tests: tuple[TestedText, ...]
