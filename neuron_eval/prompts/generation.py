"""What a pack says to a writer, who writes texts to try an explanation with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FittingWording:
    """The literal strings of what a writer is asked who shall write texts that fit an explanation.

    A prompt is ``system``; for each example ``question``, and its texts as the answer, a line and a
    number each; and ``question`` about the explanation at hand. See `neuron_eval.generating`.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"question": "{explanation}"}

    system: str  # with the form of the answer
    question: str  # may also hold ``{texts}``, how many are wanted
    retry: str  # asks again; may hold ``{reason}`` and ``{texts}``


@dataclass(frozen=True, slots=True)
class NearWording(FittingWording):
    """The same, for texts that are near an explanation and do not fit it.

    ``question`` holds ``{fitting}``, a line and a number for each text that fits.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"question": "{fitting}"}


@dataclass(frozen=True, slots=True)
class WrittenExample:
    """An explanation, and what a writer makes of it; as many texts fit as are near."""

    explanation: str
    fitting: tuple[str, ...]
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GenerationWording:
    """What a pack says to a writer."""

    fitting: FittingWording
    near: NearWording
    examples: tuple[WrittenExample, ...]
