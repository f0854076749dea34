"""From what an explainer writes to texts, and from their activations to what it reads."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from inspect_ai.model import ModelOutput

from neuron_eval.formats import get_format
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.wording import Wording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.reading import cut_off, readable, unquoted

Protocol = Literal["tools", "plain"]

CHARACTERS = 300
"""The longest text that is tested, in characters; what follows the last whole word is left out."""

_LINE = re.compile(
    r"^[^\w\n]*+(?P<kind>(?i:text|hypothesis))[ \t]*+\d*+[*_` \t]*+[:.)][*_` \t]*+"
    r"(?P<rest>[^\n]++)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class TestedText:
    """One text and the neuron's highest activation on it."""

    text: str
    peak: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment."""

    explanation: str  # that was tested
    hypotheses: tuple[str, ...]
    tests: tuple[TestedText, ...]


@dataclass(slots=True)
class Investigation:
    """What has been done about one neuron so far; it is written into the sample's store."""

    protocol: Protocol
    why: str  # why it is this protocol
    explanation: str  # the latest
    stopped: str = "it was not finished"  # why it ended
    rounds: list[Experiment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TestPlan:
    """What an explainer wants to test."""

    hypotheses: tuple[str, ...]
    texts: tuple[str, ...]  # at least one, no two alike


def read_test_plan(output: ModelOutput, most: int, known: Collection[str] = ()) -> TestPlan:
    """The hypotheses and the first ``most`` texts of a reply, but for those that are ``known``.

    An `UnreadableReplyError` says that it holds no text, or none that is new.
    """
    output = readable(output)
    lines = list(_LINE.finditer(output.completion))
    if cut_off(output) and lines and lines[-1].end() == len(output.completion.rstrip()):
        lines.pop()
    lines_of: dict[str, list[str]] = {"text": [], "hypothesis": []}
    for line in lines:
        lines_of[line["kind"].casefold()].append(unquoted(line["rest"]))
    every = tested_texts(lines_of["text"], len(lines))
    if not every:
        raise UnreadableReplyError('there is no line that begins with "Text:"')
    texts = tuple(text for text in every if text not in known)[:most]
    if not texts:
        raise UnreadableReplyError("no text is new")
    return TestPlan(tuple(lines_of["hypothesis"]), texts)


def texts_in(lines: str) -> list[str]:
    """The texts in lines such as an explainer writes."""
    return [unquoted(m["rest"]) for m in _LINE.finditer(lines) if m["kind"].casefold() == "text"]


def tested_texts(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """The first ``most`` distinct texts that are not blank, each cut to `CHARACTERS`."""
    cut = dict.fromkeys(shortened for text in texts if (shortened := _cut(text.strip())))
    return tuple(cut)[:most]


def _cut(text: str) -> str:
    if len(text) <= CHARACTERS:
        return text
    beginning, _, _ = text[: CHARACTERS + 1].rpartition(" ")
    return beginning.rstrip() or text[:CHARACTERS]


def results_text(
    format: str,
    shown: Shown,
    records: Sequence[ActivationRecord],
    wording: Wording,
    results: str,
) -> str:
    """The tested texts with their activations, as the format shows excerpts.

    The scale and the cutoff are those of the excerpts ``shown`` before, unless a text exceeds them.
    """
    tested = replace(shown, excerpts=tuple(records), peak=shown.maximum)
    return results + get_format(format)(tested, wording)
