"""A fake rater: what it thinks of explanations is a function.

    rater = fake_rater(lambda question, explanation: 5 if "cat" in explanation else 1)
    eval(rate(explanations="logs"), model=rater.model)

It reads the question where a person's page does, from the message's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, StopReason

from neuron_eval.rating.question import KEY, Question, from_json
from neuron_eval.testing.models import Fake, FakeRateLimitError, fake

Rate = Callable[[Question, str], int]


def fake_rater(rate: Rate, *, faults: Iterable[str] = (), name: str = "rater") -> Fake:
    """A rater that answers every question, and chooses what it rates highest.

    Of explanations that it rates alike it chooses the one that is shown first, so that its place
    counts.

    Args:
        rate: From the question and one of its explanations to a rating from 1 to 5.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``truncated``,
            ``missing`` (a rating left out), ``off-scale``, ``empty``, ``skip`` (as people may),
            ``rate-limit``; an empty text is no fault.
        name: The model's name.
    """
    left = list(faults)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        question = question_in(messages)
        ratings = {option.letter: rate(question, option.explanation) for option in question.options}
        best = max(ratings, key=lambda letter: ratings[letter])
        fault = left.pop(0) if left else ""
        if fault == "rate-limit":
            raise FakeRateLimitError("429: slow down")
        if fault == "missing":
            del ratings[question.letters[-1]]
        if fault == "off-scale":
            ratings[question.letters[0]] = question.scale.most + 1
        text = json.dumps({"ratings": ratings, "best": best, "comment": ""})
        spoilt = {
            "garbage": "I would rather not.",
            "truncated": text[: len(text) // 2],
            "empty": "",
            "skip": json.dumps({"skipped": "I cannot tell"}),
        }
        stop: StopReason = "max_tokens" if fault == "truncated" else "stop"
        return ModelOutput.from_content(
            f"neuron-fake/{name}", spoilt.get(fault, text), stop_reason=stop
        )

    return fake(name, respond)


def question_in(messages: Iterable[ChatMessage]) -> Question:
    """The question that a request holds.

    Raises:
        LookupError: It holds none.
    """
    for message in messages:
        if message.role == "user" and KEY in (message.metadata or {}):
            return from_json((message.metadata or {})[KEY])
    raise LookupError("no message holds a question")
