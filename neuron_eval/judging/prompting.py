"""What a judge reads: the pack's words around excerpts with letters."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from inspect_ai.model import ChatMessage

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case
from neuron_eval.prompts.wording import FuzzingWording, JudgementWording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation.prompting import simulation_request


def judgement_prompt(
    explanation: str, texts: Sequence[str], wording: JudgementWording, model: str = ""
) -> list[ChatMessage]:
    """The messages for E >= 1 excerpts; ``model`` is the judge's name, for cache marks.

    ``explanation`` has no part in wording without ``{explanation}``.
    """
    shown = [
        _lettered(wording.start, i) + text + _lettered(wording.end, i)
        for i, text in enumerate(texts)
    ]
    opening = wording.opening.replace("{explanation}", explanation)
    rest = "".join(shown) + with_letters(wording.closing, len(texts))
    return simulation_request(model, wording.system, opening, rest)


def case_text(case: Case, wording: JudgementWording) -> str:
    """An excerpt as the judge sees it, with its marks."""
    if not isinstance(wording, FuzzingWording):
        return case.excerpt.record.text
    return marked(case.excerpt.record, case.marks, wording.mark)


def marked(record: ActivationRecord, marks: Collection[int], mark: str) -> str:
    """The text with each token at one of the places in the mark's ``{token}``."""
    return "".join(
        mark.replace("{token}", token) if i in marks else token
        for i, token in enumerate(record.tokens)
    )


def with_letters(text: str, count: int) -> str:
    return text.replace("{letters}", ", ".join(letter(i) for i in range(count)))


def _lettered(text: str, index: int) -> str:
    return text.replace("{letter}", letter(index))
