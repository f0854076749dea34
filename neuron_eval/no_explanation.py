"""What becomes of a sample whose explainer gave no explanation: a bad score, with the reason."""

from __future__ import annotations

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score


def bad_explanation(output: ModelOutput) -> Score | None:
    """The score of an empty or refused explanation; None if there is one to score.

    It counts as a bad explanation, which tells nothing about the neuron: 0, not unscored, or a
    model could raise its mean by keeping quiet about hard neurons.
    """
    if output.stop_reason == "content_filter":
        return _zero("refusal", "The explainer refused to explain the neuron.", output.completion)
    if not output.completion.strip():
        why = f"The explainer gave no explanation (stop reason: {output.stop_reason})."
        return _zero("no_response", why, "")
    return None


def _zero(reason: str, why: str, answer: str) -> Score:
    return Score(value=0.0, reason=reason, answer=answer, explanation=why)
