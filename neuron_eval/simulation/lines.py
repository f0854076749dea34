"""Few-shot neurons as simulators see them: numbered, and a line a token."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.prompts.published import LineWording


def numbered(text: str, number: int, explanation: str) -> str:
    """A string of a pack about one neuron, filled in.

    Args:
        text: May hold ``{number}`` and ``{explanation}``.
        number: The neuron's place in the prompt, from 1.
        explanation: What the neuron is said to do; nothing is replaced within it.
    """
    return text.replace("{number}", str(number)).replace("{explanation}", explanation)


def excerpt_lines(tokens: Sequence[str], activations: Sequence[str], wording: LineWording) -> str:
    """An excerpt of T tokens with what stands for each one's activation, shape [T]."""
    lines = (
        token + wording.separator + activation + wording.line_end
        for token, activation in zip(tokens, activations, strict=True)
    )
    return wording.start + "".join(lines) + wording.end
