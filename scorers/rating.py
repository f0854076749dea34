"""`rating`: what a rater, person or model, thinks of a neuron's explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import TaskState

from neuron_eval.parameters import check_text
from neuron_eval.rating.answers_file import AnswersError, AnswersFile, read_answers
from neuron_eval.rating.judging import STORE, Judgement, Turn, answered, from_json, judge
from neuron_eval.rating.metrics import attention, by_format, by_place
from neuron_eval.rating.question import question_in
from neuron_eval.usage_error import usage_errors


@scorer(metrics=[by_format(), by_place(), attention()])
def rating(answers: str | None = None) -> Scorer:
    """The rating of each explanation, 1 to 5, and which was chosen as the best (Lee et al. 2023).

    The value is the mean rating of the neuron's explanations. The metadata hold ``ratings`` and
    ``best`` by format: the mean over the orders in which the rater was asked, and the share of
    the choice, see `neuron_eval.rating.judging.Judgement`. A neuron that was skipped or not
    answered, or of which no answer could be read, is unscored with the reason.

    Args:
        answers: The file that a rater saved on the page of ``neuron-eval rate-static``; for the
            log of that page only.

    Raises:
        UsageError: The file cannot be used, or does not go with the log; raised when the first
            sample is scored.
    """

    # Not at once: Inspect takes an error while a scorer is made for one that it cannot find.
    @cache
    def file() -> AnswersFile:
        check_text("answers", answers)
        return read_answers(Path(str(answers)).expanduser())

    async def score(state: TaskState, target: Target) -> Score:
        stored = state.store.get(STORE)
        if not stored:
            return Score.unscored(reason="nobody was asked")
        turns = [from_json(one) for one in stored["turns"]]
        seconds = (state.output.metadata or {}).get("seconds")
        if answers is not None:
            with usage_errors():
                turns, seconds = _given(file(), state, stored["rater"], turns)
        metadata = _metadata(state, stored["rater"], turns) | {"seconds": seconds}
        found = judge(turns)
        if found is None:
            reason, why = _not_scored(turns)
            return Score.unscored(reason=reason, explanation=why, metadata=metadata)
        return Score(
            value=fmean(found.ratings.values()),
            answer=_answer(found),
            explanation=_in_words(found, metadata["comment"]),
            metadata=metadata | _judged(found, list(state.metadata["explanations"])),
        )

    return score


def _given(
    file: AnswersFile, state: TaskState, rater: str, turns: Sequence[Turn]
) -> tuple[list[Turn], float | None]:
    """The sample's one turn with the answer from the file, and the seconds that it took.

    Raises:
        ValueError: The log has answers already, or the file's are not those to its question.
    """
    asked = question_in(state.messages)
    if asked is None or len(turns) != 1 or not _is_open(turns[0]):
        raise AnswersError(
            f"answers={file.name}: {rater} was asked already; answers in a file go with a log of "
            "neuron-eval rate-static"
        )
    found, seconds = file.find(str(state.sample_id), rater, asked)
    return ([*turns] if found is None else [answered(turns[0].order, asked, found)]), seconds


def _metadata(state: TaskState, rater: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """What is known whether or not there is an answer."""
    return {
        "rater": rater,
        "orders": len(turns),
        "repeat_of": (state.metadata or {}).get("repeat_of"),
        "comment": "\n".join(turn.comment for turn in turns if turn.comment),
        "failures": [_failure(turn) for turn in turns if not turn.ratings],
        "places": [
            {"ratings": list(turn.ratings), "best": turn.best + 1} for turn in turns if turn.ratings
        ],
        "shared": [list(one.columns) for one in turns[0].order if len(one.columns) > 1],
    }


def _is_open(turn: Turn) -> bool:
    """Whether nobody has been asked yet."""
    return not (turn.ratings or turn.skipped or turn.problem)


def _failure(turn: Turn) -> str:
    return turn.skipped or turn.problem or "not answered"


def _judged(found: Judgement, columns: Sequence[str]) -> dict[str, Any]:
    """The judgement, its columns in the task's order and not in the order they were shown."""
    planted = None if found.planted is None else asdict(found.planted)
    return {
        "ratings": {column: found.ratings[column] for column in columns},
        "best": {column: found.best[column] for column in columns},
        "planted": planted,
    }


def _not_scored(turns: Sequence[Turn]) -> tuple[str, str]:
    skipped = next((turn.skipped for turn in turns if turn.skipped), "")
    if skipped:
        return "skipped", f"Skipped: {skipped}"
    if _is_open(turns[-1]):
        return "not answered", "Not answered."
    return "unreadable answer", f"Not scored, the last answer cannot be used: {turns[-1].problem}"


def _answer(found: Judgement) -> str:
    """The chosen columns."""
    return ", ".join(column for column, share in found.best.items() if share) or "planted"


def _in_words(found: Judgement, comment: str) -> str:
    ratings = ", ".join(f"{column} {value:g}" for column, value in sorted(found.ratings.items()))
    planted = "" if found.planted is None else f", planted {found.planted.rating:g}"
    said = f" Comment: {comment}" if comment else ""
    return f"Rated {ratings}{planted}; best {_answer(found)}.{said}"
