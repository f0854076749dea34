"""The explainer: the solvers that ask for an explanation, and what a missing one scores."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    GenerateConfigArgs,
    Model,
    ModelOutput,
    get_model,
    get_model_info,
)
from inspect_ai.scorer import Score
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff, explainer_prompt, opening_phrases
from neuron_eval.formats import get_format
from neuron_eval.formats.base import Shown
from neuron_eval.inspect_private import active_generate_config
from neuron_eval.messages import InputError
from neuron_eval.models.edge import guarded
from neuron_eval.models.replies import answer_text, refusal, starved
from neuron_eval.models.server_errors import about_neuron, model_errors
from neuron_eval.prompts.filling import Message
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import from_metadata
from neuron_eval.usage_error import usage_errors

MAX_TOKENS = 60  # tokens of an explanation, as published; reasoning models are not held to it

_ROLES: dict[str, type[ChatMessageSystem | ChatMessageUser | ChatMessageAssistant]] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}

# Where an output's metadata say why nobody gave an explanation, if nobody was asked for one; and
# that the explainer's reply ended within its thinking.
NOT_GIVEN, UNFINISHED = "not_given", "unfinished_thinking"


class PromptTooLongError(InputError):
    """The prompt does not fit into the explainer's context window."""


@solver
def explain(
    format: str = "summary", cutoff_quantile: int = CUTOFF_QUANTILE, pack: str | None = None
) -> Solver:
    """Ask the model for an explanation of the sample's neuron.

    The prompt replaces the sample's messages. The answer, stripped of thinking and of what else
    is not part of the explanation, becomes the output's completion; the answer as it came stays in
    the messages and the transcript. One request a neuron, at temperature 1, top_p 1 and 60 tokens
    (Lee et al. 2023) unless the user says otherwise.

    Args:
        format: A prompt format: original, summary, highlight, highlight_summary, avhs, or one
            registered by the user.
        cutoff_quantile: Which of the neuron's quantile boundaries a token must exceed to count
            as highly activating, an index from 0.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        UsageError: There is no such format, or the pack is bad or lacks it.
    """
    with usage_errors():
        get_format(format)
        wording = load_pack(pack)
        openings = opening_phrases(format, wording)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        dealt = from_metadata(state.metadata, state.sample_id)
        above = cutoff(dealt.neuron, dealt.shown, cutoff_quantile)
        shown = Shown(dealt.shown, above)
        state.messages = chat_messages(explainer_prompt(format, shown, wording))
        state.store.set(
            "prompt",
            {
                "format": format,
                "pack": wording.name,
                "pack_sha256": wording.sha256,
                "cutoff": above,
                "highlighted": shown.highlighted,
            },
        )
        state = await ask_explainer(state, generate)
        raw = state.output
        if raw.stop_reason == "model_length":
            raise PromptTooLongError(
                f"sample {state.sample_id}: the {format} prompt with {len(dealt.train)} excerpts "
                f"does not fit into the context window of {state.model}; use fewer excerpts "
                "(-T excerpts=…), a shorter format or another model"
            )
        if raw.choices:
            state.output = explained(raw, openings)
        return state

    return solve


def explained(raw: ModelOutput, openings: Sequence[str]) -> ModelOutput:
    """A copy of an explainer's reply with the explanation as its completion; empty if it has none.

    ``raw`` has at least one choice; ``openings`` are what the prompt says right before the answer.
    """
    output = deepcopy(raw)
    if refusal(raw) is not None:
        return output
    answer = answer_text(raw.completion)
    output.completion = clean_explanation(answer or "", openings)
    if not output.completion:
        # Inspect takes a completion that is empty from the message when it reads a log.
        output.message.text = ""
    if answer is None:
        output.metadata = {**(output.metadata or {}), UNFINISHED: True}
    return output


def bad_explanation(output: ModelOutput, value: float = 0.0) -> Score | None:
    """The score of an explanation that is missing, empty, unfinished or refused; None for others.

    What an explainer leaves empty or refuses counts as a bad explanation, which tells nothing
    about the neuron. It gets the ``value`` of one that predicts nothing, and is not unscored, or a
    model could raise its mean by keeping quiet about hard neurons. Where no explainer was asked, or
    there is no reply at all, nothing is measured: unscored.
    """

    def bad(reason: str, why: str, answer: str) -> Score:
        return Score(value=value, reason=reason, answer=answer, explanation=why)

    if why := (output.metadata or {}).get(NOT_GIVEN):
        return Score.unscored(reason="no explanation given", explanation=f"Not scored: {why}")
    if output.empty:
        return Score.unscored(reason="no reply", explanation="Not scored: there is no reply.")
    if refusal(output) is not None:
        return bad("refusal", "The explainer refused to explain the neuron.", output.completion)
    stopped = f"(stop reason: {output.stop_reason})."
    if (output.metadata or {}).get(UNFINISHED):
        return bad(UNFINISHED, f"The explainer's reply ended within its thinking {stopped}", "")
    if not output.completion.strip():
        return bad("no_response", f"The explainer gave no explanation {stopped}", "")
    return None


def score_of(
    value: float | None,
    reason: str,
    output: ModelOutput,
    explanation: str,
    metadata: dict[str, Any] | None = None,
) -> Score:
    """What an explanation scores; unscored, for the reason, where there is no value."""
    if value is None:
        return Score.unscored(
            reason=reason, answer=output.completion, explanation=explanation, metadata=metadata
        )
    return Score(value=value, answer=output.completion, explanation=explanation, metadata=metadata)


def not_scored(reason: str, output: ModelOutput) -> Score:
    return score_of(None, reason, output, f"Not scored: {reason}.")


def chat_messages(prompt: Sequence[Message]) -> list[ChatMessage]:
    return [_ROLES[message.role](content=message.content) for message in prompt]


async def ask_explainer(
    state: TaskState, generate: Generate, max_tokens: int = MAX_TOKENS
) -> TaskState:
    """One generation; a second only if reasoning used up the room for the answer."""
    model = guarded(get_model())
    settings = generation_settings(set_by_user(model), reasons(model), max_tokens)
    prompt = list(state.messages)
    with about_neuron(state.sample_id), model_errors("explainer", model):
        state = await generate(state, **settings)
        if starved(state.output) and "max_tokens" in settings:
            state.messages = prompt
            del settings["max_tokens"]
            state = await generate(state, **settings)
    return state


def set_by_user(model: Model) -> GenerateConfig:
    return model.config.merge(active_generate_config())


def generation_settings(
    config: GenerateConfig, reasoning: bool, max_tokens: int = MAX_TOKENS
) -> GenerateConfigArgs:
    """The published settings, where the user has not set others.

    A model that reasons gets the room that its provider gives it, and its provider's sampling.
    """
    settings: GenerateConfigArgs = {}
    if reasoning:
        return settings
    if config.temperature is None:
        settings["temperature"] = 1.0
    if config.top_p is None:
        settings["top_p"] = 1.0
    if config.max_tokens is None:
        settings["max_tokens"] = max_tokens
    return settings


def reasons(model: Model) -> bool:
    return reasons_as(str(model), model.config)


def reasons_as(model: str, config: GenerateConfig) -> bool:
    if config.reasoning_effort == "none":
        return False
    if config.reasoning_effort is not None or config.reasoning_tokens is not None:
        return True
    info = get_model_info(model)
    return bool(info and info.reasoning)


def _of_format(name: str) -> Callable[..., Solver]:
    """`explain` with one format, for ``--solver neuron_eval/NAME``."""

    @solver(name=name)
    def of_format(cutoff_quantile: int = CUTOFF_QUANTILE, pack: str | None = None) -> Solver:
        return explain(name, cutoff_quantile, pack)

    return of_format


original = _of_format("original")
summary = _of_format("summary")
highlight = _of_format("highlight")
highlight_summary = _of_format("highlight_summary")
avhs = _of_format("avhs")
