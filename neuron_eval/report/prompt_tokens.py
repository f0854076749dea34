"""Counting a format's prompts over a set of neurons."""

from __future__ import annotations

from dataclasses import dataclass

from neuron_eval.dataset import NeuronSet
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.explain.solvers import chat_messages
from neuron_eval.formats.base import Shown
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.wording import Pack


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """Tokens of one format's prompts over some neurons."""

    mean: float
    """Mean over the neurons."""

    lowest: int
    """The shortest prompt."""

    highest: int
    """The longest prompt."""


def prompt_tokens(
    chosen: NeuronSet, format_name: str, pack: Pack, count: TokenCounter, cutoff_quantile: int
) -> PromptTokens:
    """Count the whole prompt, few-shot neurons and chat overhead included.

    Args:
        chosen: At least one neuron.
        format_name: A registered format that the pack has wording for.
        pack: The prompt pack.
        count: What counts.
        cutoff_quantile: Which quantile boundary a token must exceed to be highlighted.
    """
    counts = []
    for dealt, _ in chosen.neurons:
        shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile))
        counts.append(
            count.count_messages(chat_messages(explainer_prompt(format_name, shown, pack)))
        )
    return PromptTokens(sum(counts) / len(counts), min(counts), max(counts))
