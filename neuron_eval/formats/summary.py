"""Summary: the plain text, then the list of the tokens that activate highly."""

from __future__ import annotations

from itertools import compress

from neuron_eval.formats.base import Shown, excerpt_text, prompt_format, token_list
from neuron_eval.prompts.wording import Wording


@prompt_format("summary")
def summary(shown: Shown, wording: Wording) -> str:
    """Each excerpt as running text, followed by its highly activating tokens."""
    return "".join(
        excerpt_text(i, excerpt.text, wording)
        + token_list(compress(excerpt.tokens, shown.high(excerpt)), wording)
        for i, excerpt in enumerate(shown.excerpts)
    )
