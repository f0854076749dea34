"""HighlightSummary: Highlight's text, then Summary's list."""

from __future__ import annotations

from itertools import compress

from neuron_eval.formats.base import Shown, bracketed, excerpt_text, prompt_format, token_list
from neuron_eval.prompts.wording import Wording


@prompt_format("highlight_summary")
def highlight_summary(shown: Shown, wording: Wording) -> str:
    """Each excerpt as text with brackets, followed by its highly activating tokens."""
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, high), wording)
        + token_list(compress(excerpt.tokens, high), wording)
        for i, (excerpt, high) in enumerate((e, shown.high(e)) for e in shown.excerpts)
    )
