"""AVHS (activation value HighlightSummary): brackets, then a list with activations.

Unlike the other highlighting formats it marks every token whose normalised activation is above
0, that is, whose raw activation is at least a tenth of the highest shown.
"""

from __future__ import annotations

from neuron_eval.formats.base import Shown, bracketed, excerpt_text, prompt_format, token_list
from neuron_eval.prompts.wording import Wording


@prompt_format("avhs")
def avhs(shown: Shown, wording: Wording) -> str:
    """Each excerpt as text with brackets, followed by token TAB normalised activation."""
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, [level > 0 for level in levels]), wording)
        + token_list(
            (
                f"{token}\t{level}"
                for token, level in zip(excerpt.tokens, levels, strict=True)
                if level > 0
            ),
            wording,
        )
        for i, (excerpt, levels) in enumerate((e, shown.normalised(e)) for e in shown.excerpts)
    )
