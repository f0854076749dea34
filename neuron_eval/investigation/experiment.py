"""From what an explainer writes to texts, and from their activations to what it reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from inspect_ai.model import ModelOutput

from neuron_eval.formats import get_format
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.wording import InvestigationWording, Pack, PackError, Wording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.reading import cut_off, readable

CHARACTERS = 300
"""The longest text that is tested, in characters; what follows the last whole word is left out."""

_LINE = re.compile(
    r"^[^\w\n]*+(?P<kind>(?i:text|hypothesis))[ \t]*+\d*+[*_` \t]*+[:.)][*_` \t]*+"
    r"(?P<rest>[^\n]++)$",
    re.MULTILINE,
)
_QUOTES = {'"': '"', "“": "”", "«": "»", "`": "`"}


@dataclass(frozen=True, slots=True)
class TestPlan:
    """What an explainer wants to test."""

    hypotheses: tuple[str, ...]
    texts: tuple[str, ...]  # at least one, no two alike


def investigation_wording(pack: Pack) -> InvestigationWording:
    """The pack's; a PackError says that it has none."""
    if pack.investigation is None:
        raise PackError(
            f"prompt pack {pack.name!r} (version {pack.version}) has no section investigation; "
            "copy it from the bundled pack, or leave the pack out"
        )
    return pack.investigation


def read_test_plan(output: ModelOutput, most: int, known: Collection[str] = ()) -> TestPlan:
    """The hypotheses and the first ``most`` texts of a reply, but for those that are ``known``.

    Raises:
        UnreadableReplyError: It holds no text, or none that is new.
    """
    output = readable(output)
    lines = list(_LINE.finditer(output.completion))
    if cut_off(output) and lines and lines[-1].end() == len(output.completion.rstrip()):
        lines.pop()
    lines_of: dict[str, list[str]] = {"text": [], "hypothesis": []}
    for line in lines:
        lines_of[line["kind"].casefold()].append(unquoted(line["rest"]))
    if not tested_texts(lines_of["text"], most):
        raise UnreadableReplyError('there is no line that begins with "Text:"')
    every = tested_texts(lines_of["text"], len(lines_of["text"]))
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


def unquoted(text: str) -> str:
    """Without quotes around the whole."""
    text = text.strip()
    end = _QUOTES.get(text[:1])
    inner = text[1:-1]
    return inner if end and len(text) > 2 and text[-1] == end and end not in inner else text


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
