"""The investigation in plain messages, for models that call no tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageUser, ModelOutput
from inspect_ai.solver import Generate, TaskState

from neuron_eval.explain.solvers import MAX_TOKENS, ask_explainer, bad_explanation, explained
from neuron_eval.formats.base import Shown
from neuron_eval.generating.asking import filled
from neuron_eval.investigation import Experiment, Investigation, TestedText
from neuron_eval.investigation.experiment import TestPlan, read_test_plan, results_text, texts_in
from neuron_eval.prompts.wording import InvestigationWording, Wording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError

ATTEMPTS = 3  # how often texts are asked for in a round: once, and again twice

PLAN_TOKENS = 100  # output tokens per text and for as many hypotheses

Run = Callable[[tuple[str, ...]], Awaitable[list[ActivationRecord]]]
"""The subject's activations on texts, in order."""


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
    run: Run

    def worded(self, text: str, rounds: int, **marks: str) -> str:
        """A text of the pack with its marks replaced; ``rounds`` are those left."""
        return filled(text, texts=str(self.texts), rounds=str(rounds), **marks)

    def results(self, records: list[ActivationRecord]) -> str:
        return results_text(self.format, self.shown, records, self.wording, self.words.results)


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
        records = await setting.run(plan.texts)
        tests = tuple(TestedText(t, r.peak) for t, r in zip(plan.texts, records, strict=True))
        log.rounds.append(Experiment(log.explanation, plan.hypotheses, tests))
        question = setting.results(records) + setting.worded(setting.words.revise, left - 1)
        state.messages.append(ChatMessageUser(content=question + setting.openings[0]))
        revised = await _reply(state, generate)
        if revised.choices:
            revised = explained(revised, setting.openings)
        if bad_explanation(revised) is not None or revised.stop_reason == "model_length":
            log.stopped = f"the explainer gave no explanation (stop reason: {_reason(revised)})"
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
    if left == setting.rounds:
        state.messages += _examples(setting)
    known = {text for _, answer in setting.words.examples for text in texts_in(answer)}
    known |= {test.text for experiment in log.rounds for test in experiment.tests}
    question, problem = setting.words.test, ""
    for _ in range(ATTEMPTS):
        state.messages.append(
            ChatMessageUser(
                content=setting.worded(question, left, explanation=log.explanation, reason=problem)
            )
        )
        reply = await _reply(state, generate, PLAN_TOKENS * setting.texts)
        try:
            return read_test_plan(reply, setting.texts, known)
        except UnreadableReplyError as error:
            question, problem = setting.words.retry, str(error)
    return f"no text could be read after {ATTEMPTS} replies, the last: {problem}"


def _examples(setting: Setting) -> list[ChatMessage]:
    """Tests of other explanations, as turns of the conversation, which small models follow best."""
    return [
        message
        for explanation, answer in setting.words.examples
        for message in (
            ChatMessageUser(
                content=setting.worded(setting.words.test, setting.rounds, explanation=explanation)
            ),
            ChatMessageAssistant(content=answer),
        )
    ]


def _reason(output: ModelOutput) -> str:
    return "none" if output.empty else str(output.stop_reason)
