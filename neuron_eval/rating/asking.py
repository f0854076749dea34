"""Asking a rater of a neuron, or only writing the question down; the solvers of the task `rate`."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from weakref import WeakSet

from inspect_ai.model import (
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.solvers import PromptTooLongError, reasons, set_by_user
from neuron_eval.models.edge import guarded
from neuron_eval.models.replies import refusal
from neuron_eval.models.requests import came_from_cache
from neuron_eval.models.server_errors import about_neuron, model_errors
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import RatingWording
from neuron_eval.rating import build
from neuron_eval.rating.answer import Answer, AnswerError, Skipped, answer_schema, parse_answer
from neuron_eval.rating.build import Candidate, Exchange
from neuron_eval.rating.judging import STORE, Turn, answered
from neuron_eval.rating.question import Question
from neuron_eval.records.splits import from_metadata
from neuron_eval.usage_error import usage_errors

ATTEMPTS = 3  # how often a language model is asked one question: once, and again twice
MAX_TOKENS = 1000  # room for an answer, and for some prose that a model may write before it
PERSON = "human/"  # how the names of models begin that are people

BY_SCHEMA = (
    "anthropic", "fireworks", "google", "grok", "groq", "mistral", "ollama", "openai",
    "openai-api", "openrouter", "sagemaker", "sglang", "together", "vllm",
)  # fmt: skip
"""Providers that hand a schema on; Inspect's others drop it without a word, or warn."""

_REFUSED: WeakSet[ModelAPI] = WeakSet()  # models whose server takes no schema


def is_person(rater: str) -> bool:
    return rater.startswith(PERSON)


async def ask(
    model: Model,
    order: Sequence[Candidate],
    question: Question,
    wording: RatingWording,
    past_cache: bool = False,
) -> tuple[Turn, Exchange, ModelOutput]:
    """Ask one question, and again with what was wrong.

    Gives what came of it, the messages with every answer, and the last output.
    """
    exchange = build.messages(question, wording)
    person, cached = is_person(str(model)), False
    attempts, problem = (1 if person else ATTEMPTS), ""
    for attempt in range(attempts):
        if person:
            reply = model.generate(exchange)
        else:
            reply = _generate(model, exchange, question, past_cache)
        with model_errors("rater", model):
            output = await reply
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
            exchange.append(ChatMessageUser(content=build.asks_again(question, wording, problem)))
    if cached and not past_cache:
        # An answer that cannot be used may stay in Inspect's cache for good.
        return await ask(model, order, question, wording, past_cache=True)
    return Turn(tuple(order), problem=problem), exchange, output


async def _generate(
    model: Model, exchange: Exchange, question: Question, past_cache: bool
) -> ModelOutput:
    """One answer; by schema where the provider can, without where its server then refuses."""
    generate = partial(model.generate, exchange)
    if past_cache:
        generate = partial(generate, cache=False)
    own, config = set_by_user(model), GenerateConfig()
    if not reasons(model):
        config.temperature = 0.0 if own.temperature is None else None
        config.max_tokens = MAX_TOKENS if own.max_tokens is None else None
    if str(model).partition("/")[0] in BY_SCHEMA and model.api not in _REFUSED:
        try:
            schema = GenerateConfig(response_schema=answer_schema(question))
            return await generate(config=config.merge(schema))
        except Exception as error:
            if not _refuses_schema(error):
                raise
            _REFUSED.add(model.api)
    return await generate(config=config)


def _refuses_schema(error: Exception) -> bool:
    """Whether a server's error is about the schema; Inspect adds the request, which names it."""
    message = getattr(error, "provider_message", None) or str(error)
    reason = message.partition("\nRequest:\n")[0].lower()
    names = ("response_format", "output_format", "json_schema", "response_schema", "structured")
    return any(name in reason for name in names)


def _parsed(output: ModelOutput, question: Question) -> Answer | Skipped:
    if (refused := refusal(output)) is not None:
        raise AnswerError(f"the rater refused: {refused}")
    try:
        return parse_answer(output.completion, question)
    except AnswerError as error:
        if not output.empty and output.stop_reason == "max_tokens":
            raise AnswerError(f"it was cut off: {error}") from None
        raise


EXCERPTS = ("train", "valid")


@solver
def ask_rater(
    excerpts: str = "train", orders: int = 1, seed: int = 0, pack: str | None = None
) -> Solver:
    """Ask the model, or the person, to rate the sample's explanations and to choose the best.

    A person is asked once. A language model is asked at temperature 0 unless the user says
    otherwise, once an order, and again up to twice where its answer cannot be used. What comes of
    it is kept in the sample's store; messages and output are those of the first order.

    Args:
        excerpts: ``train`` shows the excerpts that the explainer saw, ``valid`` those held out.
        orders: In how many orders a language model sees the explanations.
        seed: What orders are drawn by, with neuron and rater.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        UsageError: A parameter is not among the allowed values, or the pack is bad.
    """
    return _solver(excerpts, orders, seed, pack, asks=True)


@solver
def put_question(excerpts: str = "train", seed: int = 0, pack: str | None = None) -> Solver:
    """Write down the question that the rater is to be asked, and ask nobody.

    The sample gets the messages that `ask_rater` sends first, and in its store one turn without an
    answer. The scorer `rating` takes the answer from a file. Parameters and errors are those of
    `ask_rater`.
    """
    return _solver(excerpts, 1, seed, pack, asks=False)


def _solver(excerpts: str, orders: int, seed: int, pack: str | None, *, asks: bool) -> Solver:
    with usage_errors():
        check_number("orders", orders, least=1)
        check_choice("excerpts", excerpts, EXCERPTS)
        check_number("seed", seed, least=0)
        loaded = load_pack(pack)
        wording = loaded.rating_wording()

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = guarded(get_model())
        rater, id_ = str(model), str(state.sample_id)
        dealt = from_metadata(state.metadata, id_)
        planted = (state.metadata.get("planted") or {}).get("explanation")
        every = build.candidates(state.metadata["explanations"], planted)
        turns: list[Turn] = []
        for number in range(1 if is_person(rater) else orders):
            order = build.in_order(every, seed, id_, rater, number)
            asking = build.question(id_, dealt, order, excerpts, wording)
            if asks:
                with about_neuron(state.sample_id):
                    turn, exchange, output = await ask(model, order, asking, wording)
            else:
                turn, output = Turn(tuple(order)), state.output
                exchange = build.messages(asking, wording)
            turns.append(turn)
            if number == 0:
                state.messages, state.output = exchange, output
        stored = {
            "rater": rater,
            "excerpts": excerpts,
            "pack": loaded.name,
            "pack_sha256": loaded.sha256,
            "turns": [asdict(turn) for turn in turns],
        }
        state.store.set(STORE, stored)
        return state

    return solve
