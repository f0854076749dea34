"""How an explainer investigates: in plain messages, or by tools, as Inspect's `react` agent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from inspect_ai.agent import AgentSubmit, react, run
from inspect_ai.model import ChatMessageUser, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, TaskState
from inspect_ai.tool import ToolDef, ToolError
from inspect_ai.util import Limit, message_limit

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.explain.solvers import (
    MAX_TOKENS,
    ask_explainer,
    bad_explanation,
    chat_messages,
    explained,
)
from neuron_eval.formats.base import Shown
from neuron_eval.investigation.experiment import (
    Experiment,
    Investigation,
    Protocol,
    TestedText,
    TestPlan,
    read_test_plan,
    results_text,
    tested_texts,
    texts_in,
)
from neuron_eval.models.replies import answer_text
from neuron_eval.models.server_errors import about_neuron, model_errors
from neuron_eval.prompts.filling import fill, turns
from neuron_eval.prompts.wording import InvestigationWording, Wording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError

ATTEMPTS = 3  # how often texts are asked for in a round: once, and again twice
PLAN_TOKENS = 100  # output tokens per text and for as many hypotheses

CALLING_TOOLS = (
    *("anthropic", "azureai", "bedrock", "google", "grok", "groq", "mistral", "openai"),
    *("openrouter", "perplexity", "together", "vertex"),
)
"""Inspect's providers of models that are trained to call tools. What stands behind others, such as
a server of one's own, may not be."""

# Messages beyond those of a good run: calls that fail, and reminders to go on, each answered.
SPARE = 6


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change while one neuron is investigated."""

    format: str
    shown: Shown
    wording: Wording  # of the format
    words: InvestigationWording
    openings: tuple[str, ...]  # with which the format's prompt closes, longest first
    rounds: int
    texts: int
    # The subject's activations on texts, in order.
    run: Callable[[tuple[str, ...]], Awaitable[list[ActivationRecord]]]

    def worded(self, text: str, rounds: int, **marks: str) -> str:
        """A text of the pack with its marks replaced; ``rounds`` are those left."""
        return fill(text, texts=str(self.texts), rounds=str(rounds), **marks)

    async def experiment(
        self,
        log: Investigation,
        explanation: str,
        texts: tuple[str, ...],
        hypotheses: tuple[str, ...] = (),
    ) -> str:
        """Run the subject on texts that test an explanation; gives what is read of it."""
        records = await self.run(texts)
        tests = tuple(TestedText(t, r.peak) for t, r in zip(texts, records, strict=True))
        log.explanation = explanation
        log.rounds.append(Experiment(explanation, hypotheses, tests))
        return results_text(self.format, self.shown, records, self.wording, self.words.results)


def choose_protocol(protocol: str, model: Model) -> tuple[Protocol, str]:
    """``auto`` by the model's provider; and why, in words."""
    if protocol in ("tools", "plain"):
        return ("tools" if protocol == "tools" else "plain"), "it was asked for"
    provider = str(model).partition("/")[0]
    if provider in CALLING_TOOLS:
        return "tools", f"models of {provider} call tools"
    return "plain", f"it is not known that models of {provider} call tools"


async def investigate_plainly(
    state: TaskState, generate: Generate, setting: Setting, log: Investigation
) -> ModelOutput:
    """Up to the given rounds; gives the last explanation as the output.

    The messages and ``log`` are extended on the way, and ``state.output`` is always the latest
    explanation, so that whatever ends the sample leaves it.
    """
    output = state.output
    for left in range(setting.rounds, 0, -1):
        plan = await _plan(state, generate, setting, left, log)
        if isinstance(plan, str):
            log.stopped = plan
            return output
        results = await setting.experiment(log, log.explanation, plan.texts, plan.hypotheses)
        question = results + setting.worded(setting.words.revise, left - 1)
        state.messages.append(ChatMessageUser(content=question + setting.openings[0]))
        revised = await _reply(state, generate)
        if revised.choices:
            revised = explained(revised, setting.openings)
        if bad_explanation(revised) is not None or revised.stop_reason == "model_length":
            reason = "none" if revised.empty else revised.stop_reason
            log.stopped = f"the explainer gave no explanation (stop reason: {reason})"
            return output
        output = state.output = revised
        log.explanation = revised.completion
    log.stopped = f"all {setting.rounds} rounds were used"
    return output


async def _reply(state: TaskState, generate: Generate, max_tokens: int = MAX_TOKENS) -> ModelOutput:
    """What the explainer says next; the state keeps its output, whatever limit ends the sample."""
    latest = state.output
    try:
        await ask_explainer(state, generate, max_tokens)
        return state.output
    finally:
        state.output = latest


async def _plan(
    state: TaskState, generate: Generate, setting: Setting, left: int, log: Investigation
) -> TestPlan | str:
    """What to test; or why nothing is known of it, after all attempts."""
    words = setting.words
    if left == setting.rounds:
        examples = [
            (setting.worded(words.test, left, explanation=explanation), answer)
            for explanation, answer in words.examples
        ]
        state.messages += chat_messages(turns(examples))
    known = {text for _, answer in words.examples for text in texts_in(answer)}
    known |= {test.text for experiment in log.rounds for test in experiment.tests}
    question, problem = words.test, ""
    for _ in range(ATTEMPTS):
        text = setting.worded(question, left, explanation=log.explanation, reason=problem)
        state.messages.append(ChatMessageUser(content=text))
        reply = await _reply(state, generate, PLAN_TOKENS * setting.texts)
        try:
            return read_test_plan(reply, setting.texts, known)
        except UnreadableReplyError as error:
            question, problem = words.retry, str(error)
    return f"no text could be read after {ATTEMPTS} replies, the last: {problem}"


async def investigate_by_tools(
    state: TaskState, setting: Setting, log: Investigation
) -> ModelOutput:
    """Let the explainer call the tool `activations`, then submit; gives its last explanation.

    ``log`` is extended on the way. Where the agent ends without a submission, the explanation is
    the one that it gave with its last call.
    """
    question = setting.worded(setting.words.agent, setting.rounds)
    state.messages.append(ChatMessageUser(content=question))
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
    state.output = ModelOutput.from_content(str(state.model), log.explanation)
    state.messages = ended.messages
    return state.output


def _explanation(text: str, setting: Setting) -> str:
    """Without thinking and what else is no part of it; empty if it is nothing but that."""
    return clean_explanation(answer_text(text) or "", setting.openings)


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
        tested = _explanation(explanation, setting) or log.explanation
        results = await setting.experiment(log, tested, chosen)
        # The latest, whatever limit ends the sample.
        state.output = ModelOutput.from_content(str(state.model), tested)
        behind = setting.words.left if left > 1 else setting.words.spent
        return results + setting.worded(behind, left - 1)

    return ToolDef(
        activations,
        name="activations",
        description=setting.words.tool,
        parameters={
            "explanation": setting.words.tool_explanation,
            "texts": setting.worded(setting.words.tool_texts, setting.rounds),
        },
    )
