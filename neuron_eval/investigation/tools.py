"""The investigation as Inspect's `react` agent, for models that call tools."""

from __future__ import annotations

from inspect_ai.agent import AgentSubmit, react, run
from inspect_ai.model import ChatMessageUser, Model, ModelOutput, get_model
from inspect_ai.solver import TaskState
from inspect_ai.tool import ToolDef, ToolError
from inspect_ai.util import Limit, message_limit

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.investigation import Experiment, Investigation, Protocol, TestedText
from neuron_eval.investigation.experiment import tested_texts
from neuron_eval.investigation.plain import Setting
from neuron_eval.models.replies import answer_text
from neuron_eval.models.server_errors import about_neuron, model_errors

CALLING_TOOLS = (
    *("anthropic", "azureai", "bedrock", "google", "grok", "groq", "mistral", "openai"),
    *("openrouter", "perplexity", "together", "vertex"),
)
"""Inspect's providers of models that are trained to call tools. What stands behind others, such as
a server of one's own, may not be."""

SPARE = 6
"""Messages beyond those of a good run: calls that fail, and reminders to go on, each answered."""


def choose_protocol(protocol: str, model: Model) -> tuple[Protocol, str]:
    """``auto`` by the model's provider; and why, in words."""
    if protocol in ("tools", "plain"):
        return ("tools" if protocol == "tools" else "plain"), "it was asked for"
    provider = str(model).partition("/")[0]
    if provider in CALLING_TOOLS:
        return "tools", f"models of {provider} call tools"
    return "plain", f"it is not known that models of {provider} call tools"


async def investigate_by_tools(
    state: TaskState, setting: Setting, log: Investigation
) -> ModelOutput:
    """Let the explainer call the tool `activations`, then submit; gives its last explanation.

    ``log`` is extended on the way. Where the agent ends without a submission, the explanation is
    the one that it gave with its last call.
    """
    state.messages.append(
        ChatMessageUser(content=setting.worded(setting.words.agent, setting.rounds))
    )
    agent = react(
        name="investigate",
        prompt=None,
        tools=[_tool(state, setting, log)],
        submit=AgentSubmit(answer_only=True, keep_in_messages=True),
    )
    most = len(state.messages) + 2 * (setting.rounds + 1) + SPARE
    # Of limits on messages only the innermost holds.
    limits: list[Limit] = [message_limit(min(most, state.message_limit or most))]
    with about_neuron(state.sample_id), model_errors("explainer", get_model()):
        ended, limit = await run(agent, state.messages, limits=limits)
    explanation = "" if limit is not None else _explanation(_submitted(ended.output), setting)
    log.stopped = "it was submitted"
    if limit is not None:
        log.stopped = f"a limit was reached before it was submitted: {limit.type}"
    elif not explanation:
        log.stopped = "no explanation was submitted"
    log.explanation = explanation or log.explanation
    state.output = _output(state, log.explanation)
    state.messages = ended.messages
    return state.output


def _explanation(text: str, setting: Setting) -> str:
    """Without thinking and what else is no part of it; empty if it is nothing but that."""
    return clean_explanation(answer_text(text) or "", setting.openings)


def _output(state: TaskState, explanation: str) -> ModelOutput:
    return ModelOutput.from_content(str(state.model), explanation)


def _submitted(output: ModelOutput) -> str:
    """What was submitted; empty if the agent ended otherwise."""
    calls = [] if output.empty else output.message.tool_calls or []
    return output.completion if any(call.function == "submit" for call in calls) else ""


def _tool(state: TaskState, setting: Setting, log: Investigation) -> ToolDef:
    async def activations(explanation: str, texts: list[str]) -> str:
        left = setting.rounds - len(log.rounds)
        if left < 1:
            raise ToolError(setting.worded(setting.words.spent, 0).strip())
        chosen = tested_texts(texts, setting.texts)
        if not chosen:
            raise ToolError(f"expected 1 to {setting.texts} texts that are not blank")
        records = await setting.run(chosen)
        tests = tuple(TestedText(t, r.peak) for t, r in zip(chosen, records, strict=True))
        log.explanation = _explanation(explanation, setting) or log.explanation
        state.output = _output(state, log.explanation)  # whatever limit ends the sample
        log.rounds.append(Experiment(log.explanation, (), tests))
        behind = setting.words.left if left > 1 else setting.words.spent
        return setting.results(records) + setting.worded(behind, left - 1)

    return ToolDef(
        activations,
        name="activations",
        description=setting.words.tool,
        parameters={
            "explanation": setting.words.tool_explanation,
            "texts": setting.worded(setting.words.tool_texts, setting.rounds),
        },
    )
