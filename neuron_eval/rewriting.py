"""Explanations that a model makes too narrow or too broad, for the sanity checks of scores.

A score that asks a model reads words, not labels: what `neuron_eval.sanity` does to the labels of
a concept is done here to the explanation.
"""

from __future__ import annotations

import re
from functools import partial

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ModelOutput,
)

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.models.replies import apologises
from neuron_eval.prompts.wording import RewritingWording
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.reading import cut_off, quoted, readable

ROOM = 120
"""Output tokens of a rewritten explanation: twice what an explainer has."""

_WORD = re.compile(r"\w+")


async def rewrite(asker: Asker, explanation: str, wording: RewritingWording) -> str:
    """The explanation as a model rewrites it, on one line.

    Raises:
        NoReadableReplyError: After its retries no reply can be used.
        RoomRefusedError: The server does not give `ROOM` output tokens.
    """
    return await asker.ask(
        rewriting_prompt(explanation, wording),
        partial(read_rewritten, explanation=explanation, wording=wording),
        lambda reason: wording.retry.replace("{reason}", reason),
        ROOM,
    )


def rewriting_prompt(explanation: str, wording: RewritingWording) -> list[ChatMessage]:
    """The messages: examples are turns of the conversation, which small models follow best."""

    def question(text: str) -> ChatMessage:
        return ChatMessageUser(content=wording.question.replace("{explanation}", text))

    turns = [
        message
        for text, answer in wording.examples
        for message in (question(text), ChatMessageAssistant(content=answer))
    ]
    return [ChatMessageSystem(content=wording.system), *turns, question(explanation)]


def read_rewritten(output: ModelOutput, explanation: str, wording: RewritingWording) -> str:
    """The new explanation in a reply.

    Raises:
        UnreadableReplyError: There is none, it has several lines, it was cut off, it is a refusal,
            it is the old one but for case and punctuation, or it is made of an example's words.
    """
    output = readable(output)
    opening = wording.question.rpartition("\n")[2]
    text = clean_explanation(output.completion, [opening])
    if not text:
        raise UnreadableReplyError(f"{quoted(output.completion.strip())} holds no explanation")
    if apologises(text) and not apologises(explanation):
        raise UnreadableReplyError("the answer is a refusal")
    if "\n" in text:
        raise UnreadableReplyError("the answer has several lines")
    if cut_off(output):
        raise UnreadableReplyError("the reply was cut off")
    if _words(text) == _words(explanation):
        raise UnreadableReplyError("the answer is the given explanation")
    for example in wording.examples:
        known = {word for part in example for word in _words(part)}
        # What is asked about may be the example's subject.
        if known.issuperset(_words(text)) and not known.issuperset(_words(explanation)):
            raise UnreadableReplyError("the answer repeats an example")
    return text


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
