"""What every prompt format shares: what is shown, the scale of 0 to 10, and the registry.

The rules are those of Lee et al. 2023 ("The Importance of Prompt Tuning for Automated Neuron
Explanations") and of Bills et al. 2023, whose normalisation they use.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from neuron_eval.prompts.wording import Wording
from neuron_eval.records import ActivationRecord
from neuron_eval.records.activations import highest, normalise


@dataclass(frozen=True, slots=True)
class Shown:
    """The excerpts of one neuron in a prompt, and from where on a token counts as highlighted."""

    excerpts: tuple[ActivationRecord, ...]  # in order; at least one
    cutoff: float  # a token activates highly if its raw activation is above this, strictly
    peak: float = 0.0  # the highest raw activation that was shown before, which the scale keeps

    @property
    def maximum(self) -> float:
        """The highest raw activation shown, at least 0."""
        return max(highest(self.excerpts), self.peak)

    def high(self, excerpt: ActivationRecord) -> list[bool]:
        """Which tokens of an excerpt activate highly, shape [T]."""
        return [value > self.cutoff for value in excerpt.activations]

    @property
    def highlighted(self) -> int:
        """How many tokens activate highly."""
        return sum(sum(self.high(excerpt)) for excerpt in self.excerpts)

    def normalised(self, excerpt: ActivationRecord) -> list[int]:
        """An excerpt's activations on the scale of 0 to 10, shape [T]."""
        return normalise(excerpt.activations, self.maximum)


Renderer = Callable[[Shown, Wording], str]
"""A pure function from what is shown to the activation block of a user message."""

FORMATS: dict[str, Renderer] = {}  # every registered format by name


def prompt_format(name: str) -> Callable[[Renderer], Renderer]:
    """Register a renderer as the format ``name``, which must not be taken."""

    def register(renderer: Renderer) -> Renderer:
        if name in FORMATS:
            raise ValueError(f"prompt format {name!r} is registered twice")
        FORMATS[name] = renderer
        return renderer

    return register


def letter(index: int) -> str:
    """The heading letter of excerpt ``index`` (from 0): A … Z, AA, AB, …, without end."""
    letters = ""
    index += 1
    while index > 0:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def excerpt_text(index: int, body: str, wording: Wording) -> str:
    """One excerpt with its heading and markers."""
    return wording.heading.replace("{letter}", letter(index)) + wording.start + body + wording.end


def bracketed(tokens: Sequence[str], marks: Sequence[bool]) -> str:
    """The text with each marked token in square brackets of its own, its space inside."""
    return "".join(
        f"[{token}]" if mark else token for token, mark in zip(tokens, marks, strict=True)
    )


def token_list(items: Iterable[str], wording: Wording) -> str:
    """The list that follows an excerpt."""
    return wording.list_heading + wording.list_separator.join(items) + wording.list_end
