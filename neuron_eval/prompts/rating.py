"""The raters' wording in a prompt pack; `neuron_eval.prompts.pack` reads it from a file.

People see ``instructions`` and the scale's ends on a page. A language model reads ``system``, and
a message that is

    instructions, a line break, title, then each excerpt, options_heading, then each option,
    closing

where an excerpt is ``heading start BODY end list_heading ITEM list_separator ITEM … list_end``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class RatingWording:
    """The literal strings of what raters are asked."""

    must_hold: ClassVar[Mapping[str, str]] = {"title": "{title}", "option": "{explanation}"}

    instructions: str
    """What a rater shall do."""

    least_means: str
    """The worst rating in words."""

    most_means: str
    """The best rating in words."""

    system: str
    """A language model's system message, with the form of the answer."""

    title: str
    """Names the neuron; holds ``{title}``."""

    heading: str
    """Stands before each excerpt; may hold ``{number}``, from 1."""

    start: str
    """Stands right before an excerpt's text, in which highlighted tokens are in brackets."""

    end: str
    """Stands right after an excerpt's text."""

    list_heading: str
    """Stands before the list of highlighted tokens, each with its level."""

    list_separator: str
    """Stands between the items of that list."""

    list_end: str
    """Stands after that list."""

    list_empty: str
    """Stands in place of the items of an empty list."""

    options_heading: str
    """Stands before the explanations."""

    option: str
    """An explanation, written as a JSON string; holds ``{explanation}``, may ``{letter}``."""

    closing: str
    """Closes the message; may hold ``{letters}``, ``{least}``, ``{most}``, ``{least_means}`` and
    ``{most_means}``."""

    retry: str
    """Asks again; may hold ``{reason}`` and what ``closing`` may hold."""
