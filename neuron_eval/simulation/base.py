"""What every way to simulate gives: for each excerpt, expected activations or a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from neuron_eval.records import Excerpt

Basis = Literal["log-probabilities", "values", "cosine"]


class UnreadableReplyError(ValueError):
    """A reply that does not give every token exactly one value; the message says how.

    The simulator is told what was wrong, and asked again.
    """


class BrokenReplyError(UnreadableReplyError):
    """A reply with numbers that no server should send, whatever its model wrote.

    There is nothing to tell the simulator; the same question is asked again.
    """


class HopelessReplyError(UnreadableReplyError):
    """A reply after which the same question, asked again, would hardly get a better one."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """The expected activations of one excerpt."""

    values: tuple[float, ...]
    """One a token, shape [T]; in [0, 10] from a language model, in [-1, 1] for cosines."""

    basis: Basis
    """What the values were read from."""

    unplaced: int = 0
    """How many names of the reply stand for no token of the excerpt, and so for nothing."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An excerpt that the simulator gave nothing usable for; it is no measurement."""

    reason: str
    """Why, for a person; names what was wrong with the last reply."""


Outcome = Simulated | Failed


class Simulation(Protocol):
    """One way to simulate, bound to a model."""

    name: str
    """What users type after ``-T simulation=``."""

    model: str
    """The simulating model's name."""

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """Predict a neuron's activations from its explanation.

        Args:
            explanation: What the neuron is said to do; not empty, no space around it.
            excerpts: What to predict, E excerpts.

        Returns:
            E outcomes, in order.

        Raises:
            Exception: The machinery is broken (no server, no key): not a failure of a reply.
        """
        ...
