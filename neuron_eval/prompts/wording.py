"""What a prompt pack holds, as types; `neuron_eval.prompts.pack` reads them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuron_eval.messages import InputError
from neuron_eval.prompts.few_shot import FewShotNeuron
from neuron_eval.prompts.published import AllAtOnceWording, PerTokenWording
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
class ChatWording:
    """The literal strings of the simulator's prompt for ``simulation=chat``."""

    system: str
    """The system message; it holds for one excerpt and for several in one request."""

    explanation: str
    """Opens the user message; holds ``{explanation}``."""

    tokens: str
    """Stands before the numbered tokens, one JSON string a line, of a request's only excerpt."""

    heading: str
    """Stands there where a request holds several excerpts; holds ``{letter}``."""

    closing: str
    """Closes the user message; may hold ``{ranges}``, such as ``1 to 64`` or ``A 1 to 64, …``."""

    retry: str
    """Asks again; may hold ``{reason}`` and ``{ranges}``."""


@dataclass(frozen=True, slots=True)
class SparseWording:
    """The literal strings of the simulator's prompt for ``simulation=sparse``."""

    system: str
    """The system message, with the form of the answer."""

    explanation: str
    """Opens the user message; holds ``{explanation}``."""

    start: str
    """Stands right before an excerpt's text; holds ``{letter}``."""

    end: str
    """Stands right after an excerpt's text; may hold ``{letter}``."""

    closing: str
    """Closes the user message; may hold ``{letters}``, such as ``A, B, C``."""

    retry: str
    """Asks again; may hold ``{reason}`` and ``{letters}``."""


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

    chat: ChatWording | None = None
    """The chat simulator's wording; None if the pack has none."""

    sparse: SparseWording | None = None
    """The sparse simulator's wording; None if the pack has none."""

    per_token: PerTokenWording | None = None
    """The wording of one request a token; None if the pack has none."""

    all_at_once: AllAtOnceWording | None = None
    """The wording of the published way; None if the pack has none."""

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
