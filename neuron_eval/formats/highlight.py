"""Highlight: the text with each highly activating token in square brackets."""

from __future__ import annotations

from neuron_eval.formats.base import Shown, bracketed, excerpt_text, prompt_format
from neuron_eval.prompts.wording import Wording


@prompt_format("highlight")
def highlight(shown: Shown, wording: Wording) -> str:
    """Each excerpt as text with brackets, one pair a token."""
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, shown.high(excerpt)), wording)
        for i, excerpt in enumerate(shown.excerpts)
    )
