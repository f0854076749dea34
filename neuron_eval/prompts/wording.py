"""What a prompt pack holds, as types; `neuron_eval.prompts.pack` reads them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuron_eval.messages import InputError
from neuron_eval.prompts.few_shot import FewShotNeuron
from neuron_eval.prompts.rating import RatingWording


class PackError(InputError):
    """A prompt pack that breaks the schema; the message names file, section, key and value."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The literal strings of one format's prompt; the module's docstring says where each stands."""

    system: str
    """The system message."""

    header: str
    """Opens a user message; may hold ``{number}``."""

    opening: str
    """Closes a user message: the beginning of the answer; may hold ``{number}``."""

    heading: str
    """Stands before each excerpt; may hold ``{letter}``."""

    start: str
    """Stands right before an excerpt's body."""

    end: str
    """Stands right after an excerpt's body."""

    list_heading: str
    """Stands before the list of highly activating tokens, in formats that have one."""

    list_separator: str
    """Stands between the items of that list."""

    list_end: str
    """Stands after that list, empty or not."""

    repeat_heading: str
    """Stands before the repetition without zeros, in formats that repeat."""

    answer: str = " {explanation}."
    """An assistant message of a few-shot neuron; holds ``{explanation}``."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A checked prompt pack."""

    name: str
    """The pack's own name."""

    version: str
    """The pack's own version."""

    sha256: str
    """SHA-256 of the file's bytes, hexadecimal."""

    formats: Mapping[str, Wording]
    """Wording by format name."""

    few_shot: tuple[FewShotNeuron, ...]
    """The few-shot neurons, in the order in which they are shown."""

    simulation: Mapping[str, Any]
    """By way to simulate what it says; each way has a type of its own."""

    rating: RatingWording | None = None
    """The raters' wording; None if the pack has none."""

    def wording(self, format_name: str) -> Wording:
        """The wording of one format.

        Raises:
            PackError: The pack has no section for it.
        """
        if format_name not in self.formats:
            raise PackError(
                f"prompt pack {self.name!r} has no section formats.{format_name}; "
                f"it has {', '.join(sorted(self.formats))}"
            )
        return self.formats[format_name]

    def simulation_wording(self, way: str) -> Any:
        """The wording of one way to simulate.

        Raises:
            PackError: The pack has no section for it.
        """
        if way not in self.simulation:
            raise PackError(f"prompt pack {self.name!r} has no section simulation.{way}")
        return self.simulation[way]
