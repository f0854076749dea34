"""Original: a line a token, token TAB activation, as Bills et al. (2023) show it."""

from __future__ import annotations

from itertools import chain

from neuron_eval.formats.base import Shown, excerpt_text, prompt_format
from neuron_eval.prompts.wording import Wording

REPEAT_BELOW = 0.2
"""The block is repeated without zeros if a smaller share of the activations is non-zero."""


@prompt_format("original")
def original(shown: Shown, wording: Wording) -> str:
    """Every token with its normalised activation, then, if few fire, only those that do."""
    levels = [shown.normalised(excerpt) for excerpt in shown.excerpts]
    flat = list(chain.from_iterable(levels))
    block = _lines(shown, levels, wording, zeros=True)
    if sum(level > 0 for level in flat) / len(flat) < REPEAT_BELOW:
        block += wording.repeat_heading + _lines(shown, levels, wording, zeros=False)
    return block


def _lines(shown: Shown, levels: list[list[int]], wording: Wording, *, zeros: bool) -> str:
    bodies = (
        "\n".join(
            f"{token}\t{level}"
            for token, level in zip(excerpt.tokens, row, strict=True)
            if zeros or level > 0
        )
        for excerpt, row in zip(shown.excerpts, levels, strict=True)
    )
    return "".join(excerpt_text(i, body, wording) for i, body in enumerate(bodies))
