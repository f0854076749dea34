"""`chat`: one request an excerpt; the simulator answers one ``index: value`` line a token.

Tokens go out numbered and as JSON strings, so that tabs, newlines and other tokenizers cannot
shift anything. With log-probabilities of the reply the expectation over 0..10 is taken at each
value, without them the value itself. A bad reply is asked for again up to twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
)

from neuron_eval.concurrently import together
from neuron_eval.prompts.wording import ChatWording
from neuron_eval.records import Excerpt
from neuron_eval.simulation.base import Failed, Outcome, Simulated
from neuron_eval.simulation.reading import UnreadableReplyError, expected_values, read_values

ATTEMPTS = 3
"""How often one excerpt is asked for: once, and again twice."""

TOP_LOGPROBS = 15
"""Alternatives asked for at each position, as published."""

CACHE = CachePolicy(expiry=None, per_epoch=False)
"""The same question has the same answer in every epoch, every eval and every later scoring."""


class ChatSimulation:
    """Simulate with a chat model."""

    name = "chat"

    def __init__(self, model: Model, wording: ChatWording, *, own: bool, reasoning: bool) -> None:
        """Bind to a model.

        Args:
            model: The simulator.
            wording: The prompt's literal strings.
            own: Whether the model was named as the simulator, so that its own temperature
                counts; an explainer that simulates does so at temperature 0.
            reasoning: Whether it thinks before it answers; such models take neither a
                temperature nor log-probabilities, and need room.
        """
        self.model = str(model)
        self._model = model
        self._wording = wording
        self._reasoning = reasoning
        self._logprobs = not reasoning
        named = model.config.temperature if own else None
        self._temperature = None if reasoning else (0.0 if named is None else named)

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `neuron_eval.simulation.base.Simulation`."""
        return await together(*(self._excerpt(explanation, excerpt) for excerpt in excerpts))

    async def _excerpt(self, explanation: str, excerpt: Excerpt) -> Outcome:
        tokens = excerpt.record.tokens
        messages = chat_prompt(explanation, tokens, self._wording)
        reason = ""
        for _ in range(ATTEMPTS):
            output = await self._ask(messages, len(tokens))
            try:
                outcome = read_reply(output, len(tokens))
            except UnreadableReplyError as error:
                reason = str(error)
                messages = [
                    *messages,
                    *([output.message] if output.choices else []),
                    ChatMessageUser(content=_retry(self._wording, reason, len(tokens))),
                ]
            else:
                return outcome
            finally:
                # Once read, they would only swell the log: 15 alternatives a generated token.
                for choice in output.choices:
                    choice.logprobs = None
        return Failed(f"excerpt {excerpt.name}: {ATTEMPTS} unreadable replies, the last: {reason}")

    async def _ask(self, messages: list[ChatMessage], count: int) -> ModelOutput:
        asked = self._logprobs
        try:
            return await self._generate(messages, count, asked)
        except Exception as error:
            # Some servers refuse the question instead of leaving log-probabilities out.
            if not asked or "logprobs" not in str(error).lower():
                raise
            self._logprobs = False
            return await self._generate(messages, count, logprobs=False)

    async def _generate(
        self, messages: list[ChatMessage], count: int, logprobs: bool
    ) -> ModelOutput:
        config = GenerateConfig(
            temperature=self._temperature,
            max_tokens=None if self._reasoning else 64 + 16 * count,
            logprobs=True if logprobs else None,
            top_logprobs=TOP_LOGPROBS if logprobs else None,
        )
        cache = CACHE if self._temperature in (None, 0.0) else False
        return await self._model.generate(messages, config=config, cache=cache)


def chat_prompt(explanation: str, tokens: Sequence[str], wording: ChatWording) -> list[ChatMessage]:
    """The messages for one excerpt: what is the same for all excerpts of a neuron stands first."""
    numbered = "\n".join(
        f"{i}: {json.dumps(token, ensure_ascii=False)}" for i, token in enumerate(tokens, start=1)
    )
    closing = _range(wording.closing, len(tokens))
    opening = wording.explanation.replace("{explanation}", explanation)
    return [
        ChatMessageSystem(content=wording.system),
        ChatMessageUser(content=opening + wording.tokens + numbered + closing),
    ]


def read_reply(output: ModelOutput, count: int) -> Simulated:
    """The expected activations in a reply.

    Args:
        output: What the simulator gave back.
        count: How many tokens the excerpt has.

    Raises:
        UnreadableReplyError: Not every token has exactly one value.
    """
    if output.empty or not output.completion.strip():
        raise UnreadableReplyError(f"the reply is empty (stop reason: {output.stop_reason})")
    reply = output.completion
    try:
        stated = read_values(reply, count)
    except UnreadableReplyError as error:
        if output.stop_reason in ("max_tokens", "model_length"):
            raise UnreadableReplyError(f"the reply was cut off: {error}") from error
        raise
    logprobs = output.choices[0].logprobs
    if logprobs is not None and logprobs.content:
        expected = expected_values(reply, stated, logprobs.content)
        if expected is not None:
            return Simulated(tuple(expected), "log-probabilities")
    return Simulated(tuple(item.value for item in stated), "values")


def _retry(wording: ChatWording, reason: str, count: int) -> str:
    text = wording.retry.replace("{count}", str(count))
    return _range(text, count).replace("{reason}", reason)


def _range(text: str, count: int) -> str:
    return text.replace("{first}", "1").replace("{last}", str(count))
