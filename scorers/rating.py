"""`rating`: what a rater, person or model, thinks of a neuron's explanations; and its metrics.

Each metric gives several numbers under plain names, or none. A neuron that was shown twice counts
by its first time. A neuron's epochs are averaged here: what Inspect's reducers leave of a score's
metadata is the first epoch's.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import TaskState

from neuron_eval.metrics import NAN
from neuron_eval.parameters import check_text
from neuron_eval.rating import judging
from neuron_eval.rating.answers_file import AnswersError, AnswersFile, read_answers
from neuron_eval.rating.judging import About, Judgement, Turn, judgement_in
from neuron_eval.rating.question import question_in
from neuron_eval.stats import mean_interval
from neuron_eval.usage_error import usage_errors

Values = dict[str, str | int | float | bool | None]


@metric(scores="unreduced")
def by_format() -> Metric:
    """Of each format its mean ``rating`` with ``lower`` and ``upper``, and how often ``chosen``.

    The ends are those of the bootstrap interval over neurons, NaN for fewer than two. ``chosen``
    is the share of neurons, in [0, 1]; formats that say the same are credited alike, so the
    shares may add up to more than 1.
    """

    def compute(scores: list[SampleScore]) -> Value:
        judgements = _by_neuron(scores, again=False).values()
        values: Values = {}
        for column in dict.fromkeys(column for judged in judgements for column in judged.ratings):
            rated = [judged for judged in judgements if column in judged.ratings]
            ratings = [judged.ratings[column] for judged in rated]
            lower, upper = mean_interval(ratings) or (NAN, NAN)
            chosen = fmean(judged.best[column] for judged in rated)
            numbers = {"rating": fmean(ratings), "lower": lower, "upper": upper, "chosen": chosen}
            values |= {f"{column} {name}": number for name, number in numbers.items()}
        return values

    return compute


@metric(scores="unreduced")
def by_place() -> Metric:
    """Whether the place in which an explanation is shown counts, where there are several orders.

    Of each place, from 1, by how much the ``rating`` of what stood there is above the question's
    mean, and by how much it was ``chosen`` more often than by chance. All are near 0 without a
    bias.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: Values = {}
        for place in judging.places([about for _, about, _ in _rated(scores)]):
            values[f"place {place.number} rating"] = place.rating
            values[f"place {place.number} chosen"] = place.chosen
        return values

    return compute


@metric(scores="unreduced")
def attention() -> Metric:
    """How attentive the rater was, where that was checked.

    Of neurons shown twice ``repeated difference``, the mean absolute difference of the two
    ratings, and ``repeated same best``, the share with the same choice; of planted explanations
    ``planted rating``, ``planted lowest`` and ``planted chosen``, the latter two as shares.
    """

    def compute(scores: list[SampleScore]) -> Value:
        values: Values = {}
        first, again = _by_neuron(scores, again=False), _by_neuron(scores, again=True)
        agreed = judging.consistency((first[i], two) for i, two in again.items() if i in first)
        if agreed is not None:
            values["repeated difference"], values["repeated same best"] = agreed
        rated = [about for _, about, _ in _rated(scores) if not about["repeat_of"]]
        planted = [about["planted"] for about in rated if about["planted"]]
        for name in ("rating", "lowest", "chosen") if planted else ():
            values[f"planted {name}"] = fmean(plant[name] for plant in planted)
        return values

    return compute


def _rated(scores: Sequence[SampleScore]) -> list[tuple[str, About, Judgement]]:
    every = [(str(score.sample_id), score.score.metadata or {}) for score in scores]
    return [(id_, about, judged) for id_, about in every if (judged := judgement_in(about))]


def _by_neuron(scores: Sequence[SampleScore], *, again: bool) -> dict[str, Judgement]:
    """By neuron the mean of the epochs, of the first time that it was shown or of the second."""
    epochs: dict[str, list[Judgement]] = {}
    for id_, about, judgement in _rated(scores):
        if again == bool(about["repeat_of"]):
            epochs.setdefault(about["repeat_of"] or id_, []).append(judgement)
    return {key: mean for key, of in epochs.items() if (mean := judging.mean_judgement(of))}


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
        stored = state.store.get(judging.STORE)
        if not stored:
            return Score.unscored(reason="nobody was asked")
        turns = [judging.from_json(turn) for turn in stored["turns"]]
        seconds = (state.output.metadata or {}).get("seconds")
        if answers is not None:
            with usage_errors():
                turns, seconds = _given(file(), state, stored["rater"], turns)
        metadata = _metadata(state, stored["rater"], turns) | {"seconds": seconds}
        judgement = judging.judge(turns)
        if judgement is None:
            reason, why = _not_scored(turns)
            return Score.unscored(reason=reason, explanation=why, metadata=metadata)
        columns = list(state.metadata["explanations"])  # not in the order they were shown
        best = ", ".join(c for c, share in judgement.best.items() if share) or "planted"
        return Score(
            value=fmean(judgement.ratings.values()),
            answer=best,
            explanation=_in_words(judgement, best, metadata["comment"]),
            metadata={
                **metadata,
                "ratings": {column: judgement.ratings[column] for column in columns},
                "best": {column: judgement.best[column] for column in columns},
                "planted": judgement.planted and asdict(judgement.planted),
            },
        )

    return score


def _given(
    file: AnswersFile, state: TaskState, rater: str, turns: Sequence[Turn]
) -> tuple[list[Turn], float | None]:
    question = question_in(state.messages)
    if question is None or len(turns) != 1 or not turns[0].open:
        raise AnswersError(
            f"answers={file.name}: {rater} was asked already; answers in a file go with a log of "
            "neuron-eval rate-static"
        )
    answer, seconds = file.find(str(state.sample_id), rater, question)
    if answer is None:
        return [*turns], seconds
    return [judging.answered(turns[0].order, question, answer)], seconds


def _metadata(state: TaskState, rater: str, turns: Sequence[Turn]) -> dict[str, Any]:
    rated = [turn for turn in turns if turn.ratings]
    return {
        "rater": rater,
        "orders": len(turns),
        "repeat_of": (state.metadata or {}).get("repeat_of"),
        "comment": "\n".join(turn.comment for turn in turns if turn.comment),
        "failures": [
            turn.skipped or turn.problem or "not answered" for turn in turns if not turn.ratings
        ],
        "places": [{"ratings": list(turn.ratings), "best": turn.best + 1} for turn in rated],
        "shared": [list(c.columns) for c in turns[0].order if len(c.columns) > 1],
    }


def _not_scored(turns: Sequence[Turn]) -> tuple[str, str]:
    skipped = next((turn.skipped for turn in turns if turn.skipped), "")
    if skipped:
        return "skipped", f"Skipped: {skipped}"
    if turns[-1].open:
        return "not answered", "Not answered."
    return "unreadable answer", f"Not scored, the last answer cannot be used: {turns[-1].problem}"


def _in_words(judgement: Judgement, best: str, comment: str) -> str:
    ratings = ", ".join(f"{name} {value:g}" for name, value in sorted(judgement.ratings.items()))
    planted = f", planted {judgement.planted.rating:g}" if judgement.planted else ""
    remark = f" Comment: {comment}" if comment else ""
    return f"Rated {ratings}{planted}; best {best}.{remark}"
