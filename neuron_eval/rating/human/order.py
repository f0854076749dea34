"""In which order a rater is shown the questions."""

from __future__ import annotations

from collections.abc import Mapping

from neuron_eval.rating.asked import digest
from neuron_eval.rating.attention import AGAIN
from neuron_eval.rating.question import Question


def own_order(rater: str, questions: Mapping[str, Question]) -> list[str]:
    """The questions' keys in an order of the rater's own, drawn by rater and sample id.

    A neuron that is shown twice comes the second time half of these questions (rounded down)
    after the first: a rater who remembers what was said a moment ago would agree with it.

    Args:
        rater: The rater's name.
        questions: By key, all that are known.
    """
    drawn = sorted(questions, key=lambda key: (digest(f"{rater}/{questions[key].id}"), key))
    again = _pairs(drawn, questions)
    half = len(drawn) // 2
    once = [key for key in drawn if key not in again and key not in again.values()]
    early = {*again, *once[: half - len(again)]}
    first_half = [key for key in drawn if key in early]
    late = iter(once[half - len(again) :])
    # a second time stands in its half where the first stands in the other
    second_half = [again[key] if key in again else next(late) for key in first_half]
    return [*first_half, *second_half, *late]


def _pairs(keys: list[str], questions: Mapping[str, Question]) -> dict[str, str]:
    """The key of the second time by that of the first, where both are known."""
    seconds = [key for key in keys if questions[key].id.endswith(AGAIN)]
    firsts = {questions[key].id: key for key in keys if key not in seconds}
    bases = {key: questions[key].id.removesuffix(AGAIN) for key in seconds}
    return {firsts[base]: key for key, base in bases.items() if base in firsts}
