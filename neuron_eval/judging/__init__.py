"""Judgements by classification: a model answers yes or no, or names an excerpt, of held-out text.

They cost less than a simulation: an answer is two tokens for an excerpt, not a number for a token.

- `detection`: does the explanation fit the excerpt?
- `fuzzing`: are the tokens that the explanation means the marked ones?
- `intruder`: in which of five excerpts does the neuron not fire? It takes no explanation.

An excerpt fires or is silent by its highest activation on the scale of 0 to 10 that explainers
see, see `neuron_eval.judging.choosing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from neuron_eval.records import Excerpt

A = TypeVar("A", bool, int)

MEANINGS: Mapping[str, str] = {
    "detection": "a judge says which excerpts the explanation fits; this is the balanced accuracy. "
    "Chance gets 0.5. It does not see where in an excerpt the neuron fires.",
    "fuzzing": "a judge says of right and random marks whether the explanation means them; this is "
    "the balanced accuracy. Chance gets 0.5. It does not see silent excerpts.",
    "intruder": "a judge finds the silent one of five excerpts; this is how often it is right. "
    "Chance gets 0.2. It is of the neuron, and sees no explanation.",
}
"""By scorer: what it measures and what it does not notice, in a line."""


@dataclass(frozen=True, slots=True)
class Case:
    """An excerpt to answer yes or no of, and the right answer."""

    excerpt: Excerpt
    right: bool  # whether yes is right
    marks: tuple[int, ...] = ()  # the places of the marked tokens, ascending; of `fuzzing` only


@dataclass(frozen=True, slots=True)
class Round:
    """Excerpts of which one is silent."""

    excerpts: tuple[Excerpt, ...]  # as they are shown
    intruder: int  # the place of the silent one, from 0


@dataclass(frozen=True, slots=True)
class Judged(Generic[A]):
    """A judge's answer: yes or no, or the place of an excerpt."""

    answer: A
    # Of yes, or of the right place, in [0, 1], by log-probabilities; None without these.
    probability: float | None


@dataclass(frozen=True, slots=True)
class Unread:
    """No answer could be read; that is no answer, and never a no."""

    reason: str
