"""The wording of the ways to simulate that Bills et al. (2023) published, in a prompt pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuron_eval.prompts.few_shot import FewShotNeuron
from neuron_eval.records import ActivationRecord


@dataclass(frozen=True, slots=True)
class LineWording:
    """How an excerpt is shown with its activations: ``start``, a line a token, ``end``.

    A line is the token, ``separator``, the activation, ``line_end``.
    """

    start: str
    """Stands before an excerpt's first line."""

    separator: str
    """Stands between a token and its activation."""

    line_end: str
    """Ends a token's line."""

    end: str
    """Stands after an excerpt's last line."""


@dataclass(frozen=True, slots=True)
class AllAtOnceWording(LineWording):
    """The literal strings of the simulator's prompt for ``simulation=all_at_once``.

    The prompt is one text: ``system``; for each few-shot neuron ``neuron``, its excerpts and
    ``neuron_end``; for the neuron at hand ``last_neuron`` and its excerpt.
    """

    system: str
    """Opens the prompt."""

    neuron: str
    """Stands before a few-shot neuron's excerpts; holds ``{explanation}``, may hold
    ``{number}``."""

    unknown: str
    """Stands for an activation that is not shown; begins with a visible ASCII character that is
    no digit."""

    last_neuron: str | None = None
    """Stands before the excerpt of the neuron at hand, for instance with a mark where the prompt
    ends; may hold what ``neuron`` may, and is the same as ``neuron`` if None."""

    neuron_end: str = ""
    """Stands after a few-shot neuron's last excerpt."""


@dataclass(frozen=True, slots=True)
class PerTokenFewShot(LineWording):
    """Neurons that ``simulation=per_token`` shows with all their activations.

    Of each there are a user message, ``neuron``, and an assistant message: ``activations``, the
    excerpts, ``neuron_end``.
    """

    neurons: tuple[FewShotNeuron, ...]
    """The neurons, in order."""

    neuron: str
    """The user message; holds ``{explanation}``, may hold ``{number}``."""

    activations: str
    """Stands before a neuron's excerpts."""

    neuron_end: str = ""
    """Stands after a neuron's last excerpt."""


@dataclass(frozen=True, slots=True)
class PerTokenExample:
    """A token with its activation, asked for as the one at hand is, which stands before that."""

    excerpt: ActivationRecord
    """The excerpt of the token."""

    token: int
    """The token's index in the excerpt, from 0."""

    answer: str
    """The assistant message; holds ``{activation}``, on the scale from 0 to 10."""

    explanation: str | None = None
    """What the example's neuron does; the published prompt repeats the explanation at hand,
    which None does."""

    system: str = ""
    """A system message before the example; none if empty."""

    closing: str | None = None
    """Closes the example's user message; None is the ``closing`` of the token at hand."""


@dataclass(frozen=True, slots=True)
class PerTokenWording:
    """The literal strings of the simulator's prompt for ``simulation=per_token``.

    After ``system``, the few-shot neurons and the example, the user message of the token at hand
    is ``explanation``, ``text``, the text, ``token``, the token, ``closing``.
    """

    system: str
    """The system message."""

    explanation: str
    """Opens the user message; holds ``{explanation}``, may hold ``{number}``, the neuron's place
    in the prompt from 1."""

    text: str
    """Stands before the text up to and including the token."""

    token: str
    """Stands between that text and the token."""

    closing: str
    """Closes the user message; what comes next should be the activation at once."""

    token_as: Literal["json", "text"] = "json"
    """Whether the token is written as a JSON string or as it is."""

    layout: Literal["messages", "text"] = "messages"
    """Whether the messages are sent as such or joined to one, which completion models take."""

    few_shot: PerTokenFewShot | None = None
    """The neurons that are shown first; None if there are none."""

    example: PerTokenExample | None = None
    """The example; None if there is none."""
