"""Asking a rater: a person once, a language model again up to twice with what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from weakref import WeakSet

from inspect_ai.model import (
    ChatMessage,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
)

from neuron_eval.explain.solvers import PromptTooLongError, reasons, set_by_user
from neuron_eval.models.replies import refusal
from neuron_eval.models.requests import came_from_cache
from neuron_eval.models.server_errors import answered as answered_by
from neuron_eval.prompts.wording import RatingWording
from neuron_eval.rating.answer import Answer, AnswerError, Skipped, answer_schema, parse_answer
from neuron_eval.rating.build import (
    Candidate,
    asks_again,
    messages,
)
from neuron_eval.rating.judging import Turn, answered
from neuron_eval.rating.question import Question

ATTEMPTS = 3
"""How often a language model is asked one question: once, and again twice."""

MAX_TOKENS = 1000
"""Room for an answer, and for some prose that a model may write before it."""

PERSON = "human/"
"""How the names of models begin that are people."""

BY_SCHEMA = frozenset(
    (
        "anthropic", "fireworks", "google", "grok", "groq", "mistral", "ollama", "openai",
        "openai-api", "openrouter", "sagemaker", "sglang", "together", "vllm",
    )
)  # fmt: skip
"""Providers that hand a schema on; Inspect's others drop it without a word, or warn."""

_REFUSED: WeakSet[ModelAPI] = WeakSet()
"""Models whose server takes no schema."""


def is_person(rater: str) -> bool:
    """Whether a rater's name is that of a person."""
    return rater.startswith(PERSON)


async def ask(
    model: Model,
    order: Sequence[Candidate],
    question: Question,
    wording: RatingWording,
    past_cache: bool = False,
) -> tuple[Turn, list[ChatMessage], ModelOutput]:
    """Ask one question, and again with what was wrong.

    Returns:
        What came of it, the messages with every answer, and the last output.

    Raises:
        PromptTooLongError: The question does not fit into the model's context window.
    """
    exchange = messages(question, wording)
    person, cached = is_person(str(model)), False
    attempts, problem = (1 if person else ATTEMPTS), ""
    for attempt in range(attempts):
        if person:
            reply = model.generate(exchange)
        else:
            reply = _generate(model, exchange, question, past_cache)
        output = await answered_by("rater", model, reply)
        if not output.empty and output.stop_reason == "model_length":
            raise PromptTooLongError(
                f"sample {question.id}: a question with {len(question.excerpts)} excerpts and "
                f"{len(question.options)} explanations does not fit into the context window of "
                f"{model}"
            )
        exchange += [output.message] if output.choices else []
        try:
            return answered(order, question, _parsed(output, question)), exchange, output
        except AnswerError as error:
            problem = str(error)
        cached = cached or came_from_cache(output)
        if attempt + 1 < attempts:
            exchange.append(ChatMessageUser(content=asks_again(question, wording, problem)))
    if cached and not past_cache:
        # An answer that cannot be used may stay in Inspect's cache for good.
        return await ask(model, order, question, wording, past_cache=True)
    return Turn(tuple(order), problem=problem), exchange, output


async def _generate(
    model: Model, exchange: list[ChatMessage], question: Question, past_cache: bool
) -> ModelOutput:
    """One answer; by schema where the provider can, without where its server then refuses."""
    generate = partial(model.generate, exchange)
    if past_cache:
        generate = partial(generate, cache=False)
    config = _settings(model)
    if str(model).partition("/")[0] in BY_SCHEMA and model.api not in _REFUSED:
        try:
            schema = GenerateConfig(response_schema=answer_schema(question))
            return await generate(config=config.merge(schema))
        except Exception as error:
            if not _refuses_schema(error):
                raise
            _REFUSED.add(model.api)
    return await generate(config=config)


def _settings(model: Model) -> GenerateConfig:
    own = set_by_user(model)
    if reasons(model):
        return GenerateConfig()
    return GenerateConfig(
        temperature=0.0 if own.temperature is None else None,
        max_tokens=MAX_TOKENS if own.max_tokens is None else None,
    )


def _refuses_schema(error: Exception) -> bool:
    """Whether a server's error is about the schema; Inspect adds the request, which names it."""
    message = getattr(error, "provider_message", None) or str(error)
    reason = message.partition("\nRequest:\n")[0].lower()
    names = ("response_format", "output_format", "json_schema", "response_schema", "structured")
    return any(name in reason for name in names)


def _parsed(output: ModelOutput, question: Question) -> Answer | Skipped:
    """The answer in a reply.

    Raises:
        AnswerError: There is none, or the reply is a refusal, whatever it holds.
    """
    if (refused := refusal(output)) is not None:
        raise AnswerError(f"the rater refused: {refused}")
    try:
        return parse_answer(output.completion, question)
    except AnswerError as error:
        if not output.empty and output.stop_reason == "max_tokens":
            raise AnswerError(f"it was cut off: {error}") from None
        raise
