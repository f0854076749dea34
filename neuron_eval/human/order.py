"""In which order a rater is shown the questions."""

from __future__ import annotations

from collections.abc import Mapping

from neuron_eval.rating.asked import digest
from neuron_eval.rating.attention import AGAIN
from neuron_eval.rating.question import Question

_DIGITS = 12


def own_order(rater: str, questions: Mapping[str, Question]) -> list[str]:
    """The questions' keys in an order of the rater's own, drawn by rater and sample id.

    A neuron that is shown twice comes the second time half a questionnaire after the first: a
    rater who remembers what was said a moment ago would agree with it.

    Args:
        rater: The rater's name.
        questions: By key, all that are known.
    """
    ids = {question.id for question in questions.values()}

    def place(key: str) -> tuple[float, str]:
        first = questions[key].id.removesuffix(AGAIN)
        drawn = int(digest(f"{rater}/{first}")[:_DIGITS], 16) / 16**_DIGITS
        if questions[key].id != first:
            return 0.5 + drawn / 2, key
        return (drawn / 2 if f"{first}{AGAIN}" in ids else drawn), key

    return sorted(questions, key=place)
