"""What one explanation asks of the simulator, by way: the requests that would be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neuron_eval.compare.plan import Plan
from neuron_eval.formats.base import letter
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.records import Excerpt
from neuron_eval.records.scale import highest, normalise
from neuron_eval.simulation.all_at_once import all_at_once_prompt
from neuron_eval.simulation.chat import EXCERPTS_PER_CALL as CHAT_PACK
from neuron_eval.simulation.chat import chat_prompt
from neuron_eval.simulation.packing import grouped
from neuron_eval.simulation.per_token import MAX_TOKENS, per_token_prompt
from neuron_eval.simulation.sparse import EXCERPTS_PER_CALL as SPARSE_PACK
from neuron_eval.simulation.sparse import sparse_prompt

EXPLANATION = "words and phrases that have to do with times of the year."
"""Stands for an explanation that is still to be written; those of Lee et al. 2023 have 8 to 12
words on average, this one 12."""


@dataclass(frozen=True, slots=True)
class Size:
    """Requests and tokens."""

    requests: float = 0.0
    """Requests."""

    input: float = 0.0
    """Tokens of their prompts."""

    output: float = 0.0
    """Tokens of their replies."""

    def __add__(self, other: Size) -> Size:
        """Both together."""
        return Size(
            self.requests + other.requests, self.input + other.input, self.output + other.output
        )

    def times(self, factor: float) -> Size:
        """So many of it."""
        return Size(self.requests * factor, self.input * factor, self.output * factor)


def requests(
    way: str,
    model: str,
    excerpts: Sequence[Excerpt],
    plan: Plan,
    pack: Pack,
    counter: TokenCounter,
) -> Iterator[Size]:
    """The requests of one way for one explanation, with the reply that each would get.

    Replies hold a value a token for ``chat``, and the tokens that truly fire for ``sparse``.

    Raises:
        PackError: The pack has no words for the way.
    """
    per_call = plan.parameters.get("excerpts_per_call")
    tokens = [excerpt.record.tokens for excerpt in excerpts]
    if way == "all_at_once" and pack.all_at_once:
        for each in tokens:
            parts = all_at_once_prompt(EXPLANATION, each, pack.all_at_once, pack.few_shot)
            yield Size(1, counter.count_text("".join(parts)), 1)
    elif way == "chat" and pack.chat:
        for some in grouped(tokens, per_call or CHAT_PACK):
            asked = counter.count_messages(chat_prompt(EXPLANATION, some, pack.chat, model))
            yield Size(1, asked, counter.count_text(chat_reply(some)))
    elif way == "sparse" and pack.sparse:
        for group in grouped(excerpts, per_call or SPARSE_PACK):
            some = [excerpt.record.tokens for excerpt in group]
            asked = counter.count_messages(sparse_prompt(EXPLANATION, some, pack.sparse, model))
            yield Size(1, asked, counter.count_text(sparse_reply(group)))
    elif way == "per_token" and pack.per_token:
        for each in tokens:
            for i in range(len(each)):
                prompt = per_token_prompt(EXPLANATION, each, i, pack.per_token, model)
                yield Size(1, counter.count_messages(prompt), MAX_TOKENS)
    else:
        raise PackError(f"prompt pack {pack.name!r} has no section simulation.{way}")


def chat_reply(excerpts: Sequence[Sequence[str]]) -> str:
    """A reply with a value for every token."""
    parts = []
    for i, tokens in enumerate(excerpts):
        parts += [letter(i)] if len(excerpts) > 1 else []
        parts += [f"{n}: 0" for n in range(1, len(tokens) + 1)]
    return "\n".join(parts)


def sparse_reply(excerpts: Sequence[Excerpt]) -> str:
    """A reply that names the tokens that truly fire."""
    top = highest([excerpt.record for excerpt in excerpts])
    lines = []
    for i, excerpt in enumerate(excerpts):
        levels = normalise(excerpt.record.activations, top)
        named = [f'"{t}":{v}' for t, v in zip(excerpt.record.tokens, levels, strict=True) if v > 0]
        lines.append(f"{letter(i)}: {', '.join(named) or 'none'}")
    return "\n".join(lines)
