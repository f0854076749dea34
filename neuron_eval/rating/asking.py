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
    ResponseSchema,
)
from inspect_ai.util import JSONSchema

from neuron_eval.explain.solvers import PromptTooLongError, reasons, set_by_user
from neuron_eval.models.replies import refusal
from neuron_eval.models.requests import came_from_cache
from neuron_eval.models.server_errors import answered as answered_by
from neuron_eval.prompts.rating import RatingWording
from neuron_eval.rating.answer import Answer, AnswerError, Skipped, parse_answer
from neuron_eval.rating.build import Candidate, asks_again, messages
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
    model: Model, order: Sequence[Candidate], question: Question, wording: RatingWording
) -> tuple[Turn, list[ChatMessage], ModelOutput]:
    """Ask one question.

    Args:
        model: The rater.
        order: The explanations as the question shows them.
        question: The question.
        wording: The pack's.

    Returns:
        What came of it, the messages with every answer, and the last output.

    Raises:
        PromptTooLongError: The question does not fit into the model's context window.
    """
    turn, asked, output, cached = await _ask(model, order, question, wording, past_cache=False)
    if turn.problem and cached:
        # An answer that cannot be used may stay in Inspect's cache for good.
        turn, asked, output, _ = await _ask(model, order, question, wording, past_cache=True)
    return turn, asked, output


async def _ask(
    model: Model,
    order: Sequence[Candidate],
    question: Question,
    wording: RatingWording,
    *,
    past_cache: bool,
) -> tuple[Turn, list[ChatMessage], ModelOutput, bool]:
    """Ask, and again with what was wrong; the last value says whether the cache answered."""
    asked = messages(question, wording)
    person, cached = is_person(str(model)), False
    attempts, problem = (1 if person else ATTEMPTS), ""
    for attempt in range(attempts):
        reply = model.generate(asked) if person else _generate(model, asked, question, past_cache)
        output = await answered_by("rater", model, reply)
        if not output.empty and output.stop_reason == "model_length":
            raise PromptTooLongError(
                f"sample {question.id}: a question with {len(question.excerpts)} excerpts and "
                f"{len(question.options)} explanations does not fit into the context window of "
                f"{model}"
            )
        asked += [output.message] if output.choices else []
        try:
            found = _parsed(output, question)
        except AnswerError as error:
            problem = str(error)
        else:
            return answered(order, question, found), asked, output, cached
        cached = cached or came_from_cache(output)
        if attempt + 1 < attempts:
            asked.append(ChatMessageUser(content=asks_again(question, wording, problem)))
    return Turn(tuple(order), problem=problem), asked, output, cached


async def _generate(
    model: Model, asked: list[ChatMessage], question: Question, past_cache: bool
) -> ModelOutput:
    """One answer; by schema where the provider can, without where its server then refuses."""
    generate = partial(model.generate, asked)
    if past_cache:
        generate = partial(model.generate, asked, cache=False)
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


def answer_schema(question: Question) -> ResponseSchema:
    """The form of an answer to a question, in the subset of JSON Schema that providers share.

    It has no comment: small models that have to write one do not come to an end.
    """
    scale = question.scale
    # Not minimum and maximum: Inspect leaves them out of a strict schema, as OpenAI refuses them.
    rating = JSONSchema(type="integer", enum=list(range(scale.least, scale.most + 1)))
    return ResponseSchema(
        name="rating",
        json_schema=_object(
            {
                "ratings": _object(dict.fromkeys(question.letters, rating)),
                "best": JSONSchema(type="string", enum=list(question.letters)),
            }
        ),
        strict=True,
    )


def _object(properties: dict[str, JSONSchema]) -> JSONSchema:
    return JSONSchema(
        type="object",
        properties=properties,
        required=list(properties),
        additionalProperties=False,
    )


def _refuses_schema(error: Exception) -> bool:
    """Whether a server's error is about the schema; Inspect adds the request, which names it."""
    said = (getattr(error, "provider_message", None) or str(error)).partition("\nRequest:\n")[0]
    names = ("response_format", "output_format", "json_schema", "response_schema", "structured")
    return any(name in said.lower() for name in names)


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
