"""The five formats of Lee et al. 2023 in the paper's order; Original is Bills et al. 2023's."""

from collections.abc import Sequence
from itertools import chain, compress

from neuron_eval.formats.base import Shown, bracketed, excerpt_text, prompt_format, token_list
from neuron_eval.prompts.wording import Wording

REPEAT_BELOW = 0.2
"""The block is repeated without zeros if a smaller share of the activations is non-zero."""


@prompt_format("original")
def original(shown: Shown, wording: Wording) -> str:
    """A line per token, token TAB normalised activation; if few fire, then those that do again."""
    levels = [shown.normalised(excerpt) for excerpt in shown.excerpts]
    flat = list(chain.from_iterable(levels))
    block = _lines(shown, levels, wording, zeros=True)
    if sum(level > 0 for level in flat) / len(flat) < REPEAT_BELOW:
        block += wording.repeat_heading + _lines(shown, levels, wording, zeros=False)
    return block


def _lines(shown: Shown, levels: list[list[int]], wording: Wording, *, zeros: bool) -> str:
    bodies = (
        "\n".join(_with_levels(excerpt.tokens, row, zeros=zeros))
        for excerpt, row in zip(shown.excerpts, levels, strict=True)
    )
    return "".join(excerpt_text(i, body, wording) for i, body in enumerate(bodies))


def _with_levels(tokens: Sequence[str], levels: Sequence[int], *, zeros: bool) -> list[str]:
    pairs = zip(tokens, levels, strict=True)
    return [f"{token}\t{level}" for token, level in pairs if zeros or level > 0]


@prompt_format("summary")
def summary(shown: Shown, wording: Wording) -> str:
    """Each excerpt as running text, followed by its highly activating tokens."""
    return "".join(
        excerpt_text(i, excerpt.text, wording)
        + token_list(compress(excerpt.tokens, shown.high(excerpt)), wording)
        for i, excerpt in enumerate(shown.excerpts)
    )


@prompt_format("highlight")
def highlight(shown: Shown, wording: Wording) -> str:
    """Each excerpt as text with brackets, one pair per token."""
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, shown.high(excerpt)), wording)
        for i, excerpt in enumerate(shown.excerpts)
    )


@prompt_format("highlight_summary")
def highlight_summary(shown: Shown, wording: Wording) -> str:
    """Each excerpt as text with brackets, followed by its highly activating tokens."""
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, high), wording)
        + token_list(compress(excerpt.tokens, high), wording)
        for i, (excerpt, high) in enumerate((e, shown.high(e)) for e in shown.excerpts)
    )


@prompt_format("avhs")
def avhs(shown: Shown, wording: Wording) -> str:
    """Activation value HighlightSummary: brackets, then a list of token TAB normalised activation.

    Unlike the other highlighting formats it marks every token whose normalised activation is above
    0, that is, whose raw activation is at least a tenth of the highest shown.
    """
    return "".join(
        excerpt_text(i, bracketed(excerpt.tokens, [level > 0 for level in levels]), wording)
        + token_list(_with_levels(excerpt.tokens, levels, zeros=False), wording)
        for i, (excerpt, levels) in enumerate((e, shown.normalised(e)) for e in shown.excerpts)
    )
