"""Published scores, computed again from the simulations that were published with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from neuron_eval.sources.openai.records import CORRELATION, SimulatedSequence, SimulationResults
from neuron_eval.stats import absolute_deviation_explained, pearson, r_squared

TOLERANCE = 1e-6
"""Scores that differ by no more than this agree."""

RECOMPUTE: Mapping[str, Callable[[Sequence[float], Sequence[float]], float | None]] = {
    CORRELATION: pearson,
    "rsquared_score": r_squared,
    "absolute_dev_explained_score": absolute_deviation_explained,
}
"""How each published score is computed from true and expected activations."""

Verdict = Literal["agrees", "undefined", "disagrees"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One published score beside the same score computed again."""

    layer: int
    """The neuron's layer."""

    neuron: int
    """The neuron's index within the layer."""

    explanation: str
    """The explanation that was scored."""

    score: str
    """Which score, such as ``ev_correlation_score of sequence 3``."""

    released: float | None
    """As published; None where it is null."""

    recomputed: float | None
    """From the published activations; None where they do not define it."""

    noise: bool = False
    """Whether what was published for an undefined score is the rounding of a zero."""

    @property
    def difference(self) -> float | None:
        """How far the two are apart; None if either is undefined."""
        if self.released is None or self.recomputed is None:
            return None
        return abs(self.released - self.recomputed)

    @property
    def verdict(self) -> Verdict:
        """Whether the two agree, are both undefined, or disagree."""
        if self.recomputed is None and (self.released is None or self.noise):
            return "undefined"
        agrees = self.difference is not None and self.difference <= TOLERANCE
        return "agrees" if agrees else "disagrees"


def compare(results: SimulationResults) -> Iterator[Compared]:
    """Every published score of a neuron's explanations, computed again.

    Correlation is compared always. The other scores are compared where they were published: older
    files lack them.

    Args:
        results: Read with its simulations.
    """
    for explanation in results.explanations:
        places: list[tuple[str, SimulatedSequence]] = [
            (f"sequence {i}", sequence) for i, sequence in enumerate(explanation.sequences)
        ]
        places.append(("all sequences", _joined(explanation.sequences, explanation.scores)))
        for place, simulated in places:
            for name, compute in RECOMPUTE.items():
                released = simulated.scores[name]
                if released is None and name != CORRELATION:
                    continue
                yield Compared(
                    layer=results.layer,
                    neuron=results.neuron,
                    explanation=explanation.explanation,
                    score=f"{name} of {place}",
                    released=released,
                    recomputed=_defined(compute, simulated),
                    noise=name == CORRELATION and _is_noise(released, simulated),
                )


def _joined(
    sequences: Sequence[SimulatedSequence], scores: Mapping[str, float | None]
) -> SimulatedSequence:
    """All sequences as one; their scores are not the mean of each one's."""
    return SimulatedSequence(
        expected=tuple(chain.from_iterable(s.expected for s in sequences)),
        true=tuple(chain.from_iterable(s.true for s in sequences)),
        scores=scores,
    )


def _defined(
    compute: Callable[[Sequence[float], Sequence[float]], float | None],
    simulated: SimulatedSequence,
) -> float | None:
    """The score; None where a value was written as null, which makes all of it NaN."""
    if not (np.isfinite(simulated.true).all() and np.isfinite(simulated.expected).all()):
        return None
    return compute(simulated.true, simulated.expected)


def _is_noise(released: float | None, simulated: SimulatedSequence) -> bool:
    """Whether a published correlation is 0 up to rounding, and a side is constant.

    A mean that is off in its last digit turns the correlation with a constant, which is
    undefined, into such a number.
    """
    constant = any(len(set(side)) <= 1 for side in (simulated.expected, simulated.true))
    return constant and released is not None and abs(released) <= TOLERANCE
