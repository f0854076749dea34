"""What becomes of a sample without an explanation: a bad score, or none, with the reason."""

from __future__ import annotations

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score

from neuron_eval.models.replies import refusal

NOT_GIVEN = "not_given"
"""Where an output's metadata say why nobody gave an explanation, if nobody was asked for one."""

UNFINISHED = "unfinished_thinking"
"""Where an output's metadata say that the explainer's reply ended within its thinking."""


def bad_explanation(output: ModelOutput) -> Score | None:
    """The score of an explanation that is missing, empty, unfinished or refused; None for others.

    What an explainer leaves empty or refuses counts as a bad explanation, which tells nothing
    about the neuron: 0, not unscored, or a model could raise its mean by keeping quiet about hard
    neurons. Where no explainer was asked, or there is no reply at all, nothing is measured:
    unscored.
    """
    why = (output.metadata or {}).get(NOT_GIVEN)
    if why:
        return Score.unscored(reason="no explanation given", explanation=f"Not scored: {why}")
    if output.empty:
        return Score.unscored(reason="no reply", explanation="Not scored: there is no reply.")
    if refusal(output) is not None:
        return _zero("refusal", "The explainer refused to explain the neuron.", output.completion)
    if (output.metadata or {}).get(UNFINISHED):
        why = (
            f"The explainer's reply ended within its thinking (stop reason: {output.stop_reason})."
        )
        return _zero(UNFINISHED, why, "")
    if not output.completion.strip():
        why = f"The explainer gave no explanation (stop reason: {output.stop_reason})."
        return _zero("no_response", why, "")
    return None


def _zero(reason: str, why: str, answer: str) -> Score:
    return Score(value=0.0, reason=reason, answer=answer, explanation=why)
