"""From a judge's answers to the numbers of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuron_eval.judging import Case, Judged, Round, Unread
from neuron_eval.judging.choosing import LEAST


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge said of the cases of one neuron."""

    answered: tuple[tuple[Case, Judged[bool]], ...]  # in the order of the questions
    failures: tuple[str, ...]  # why each other case has no answer
    balanced_accuracy: float | None
    """The mean of both shares below, in [0, 1]; chance, and always yes, get 0.5."""

    yes_where_right: float | None  # the share of cases whose right answer is yes that got it
    no_where_right: float | None  # likewise no
    # By the probabilities of yes, in [0, 1]; None unless every answer has one.
    auroc: float | None  # chance gets 0.5
    auprc: float | None  # average precision; chance gets the share of cases with yes

    @property
    def unscored_reason(self) -> str:
        """Why there is no balanced accuracy; empty if there is one."""
        if self.balanced_accuracy is not None:
            return ""
        return (
            f"too few answers of a kind could be read ({len(self.answered)} of "
            f"{len(self.answered) + len(self.failures)} in all); {LEAST} are the least"
        )


def verdicts(answers: Sequence[tuple[Case, Judged[bool] | Unread]]) -> Verdicts:
    """Measure; nothing where fewer than `LEAST` cases of a kind have an answer."""
    answered = tuple((case, a) for case, a in answers if isinstance(a, Judged))
    failures = tuple(a.reason for _, a in answers if isinstance(a, Unread))
    yes = [a.answer for case, a in answered if case.right]
    no = [not a.answer for case, a in answered if not case.right]
    if min(len(yes), len(no)) < LEAST:
        return Verdicts(answered, failures, None, None, None, None, None)
    shares = sum(yes) / len(yes), sum(no) / len(no)
    probable = [(case.right, a.probability) for case, a in answered if a.probability is not None]
    auroc = auprc = None
    if len(probable) == len(answered):
        from sklearn.metrics import average_precision_score, roc_auc_score

        right, probabilities = zip(*probable, strict=True)
        auroc = float(roc_auc_score(right, probabilities))
        auprc = float(average_precision_score(right, probabilities))
    return Verdicts(answered, failures, sum(shares) / 2, *shares, auroc, auprc)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What a judge said of the rounds of one neuron."""

    answered: tuple[tuple[Round, Judged[int]], ...]
    failures: tuple[str, ...]  # why each other round has no answer
    accuracy: float | None  # the share of right answers, in [0, 1]; None without any answer

    probability: float | None
    """The mean probability of the right answer, in [0, 1]; None unless every answer has one."""


def measure_rounds(answers: Sequence[tuple[Round, Judged[int] | Unread]]) -> Rounds:
    answered = tuple((shown, a) for shown, a in answers if isinstance(a, Judged))
    failures = tuple(a.reason for _, a in answers if isinstance(a, Unread))
    right = [a.answer == shown.intruder for shown, a in answered]
    probable = [a.probability for _, a in answered if a.probability is not None]
    complete = bool(probable) and len(probable) == len(answered)
    return Rounds(
        answered,
        failures,
        sum(right) / len(right) if right else None,
        sum(probable) / len(probable) if complete else None,
    )
