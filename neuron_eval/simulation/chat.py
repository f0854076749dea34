"""`chat`: one request an excerpt; the simulator answers one ``index: value`` line a token.

Tokens go out numbered and as JSON strings, so that tabs, newlines and other tokenizers cannot
shift anything. With log-probabilities of the reply the expectation over 0..10 is taken at each
value, without them the value itself. A bad reply is asked for again up to twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser, ModelOutput

from neuron_eval.concurrently import together
from neuron_eval.prompts.wording import ChatWording
from neuron_eval.records import Excerpt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Failed, Outcome, Simulated
from neuron_eval.simulation.reading import UnreadableReplyError, expected_values, read_values


class ChatSimulation:
    """Simulate with a chat model."""

    name = "chat"

    def __init__(self, asker: Asker, wording: ChatWording) -> None:
        """Bind to a model.

        Args:
            asker: The simulator.
            wording: The prompt's literal strings.
        """
        self.model = asker.name
        self._asker = asker
        self._wording = wording

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `neuron_eval.simulation.base.Simulation`."""
        return await together(*(self._excerpt(explanation, excerpt) for excerpt in excerpts))

    async def _excerpt(self, explanation: str, excerpt: Excerpt) -> Outcome:
        tokens = excerpt.record.tokens
        try:
            return await self._asker.ask(
                chat_prompt(explanation, tokens, self._wording),
                read=lambda output: read_reply(output, len(tokens)),
                again=lambda reason: _retry(self._wording, reason, len(tokens)),
                max_tokens=64 + 16 * len(tokens),
            )
        except UnreadableReplyError as error:
            return Failed(f"excerpt {excerpt.name}: {error}")


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
