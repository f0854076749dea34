"""Whether a model refused, by what its provider says of the reply, never by the words."""

from __future__ import annotations

from inspect_ai.model import ChatCompletionChoice, ContentText, ModelOutput

SHOWN = 200
"""So many characters of a refusal stand in a message."""


def refusal(output: ModelOutput) -> str | None:
    """What a model said when it refused, or else why its reply ends; None if it did not refuse.

    Providers tell in three ways, of which one is enough: the stop reason ``content_filter``
    (Anthropic, Google, Bedrock, Grok, a filter before OpenAI's models), stop details of the type
    ``refusal`` or a text marked as one (OpenAI's own field, also where the stop reason is ``stop``;
    its Responses API; whoever speaks either). A refusal in plain words alone is a reply.
    """
    if output.empty or not _refused(output.choices[0]):
        return None
    said = " ".join(output.choices[0].message.text.split()) or _detail(output.choices[0])
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"


def _refused(choice: ChatCompletionChoice) -> bool:
    if choice.stop_reason == "content_filter":
        return True
    if choice.stop_details is not None and choice.stop_details.type == "refusal":
        return True
    content = choice.message.content
    return not isinstance(content, str) and any(
        isinstance(part, ContentText) and part.refusal for part in content
    )


def _detail(choice: ChatCompletionChoice) -> str:
    explanation = choice.stop_details.explanation if choice.stop_details else None
    return " ".join((explanation or "").split()) or f"stop reason {choice.stop_reason}"
