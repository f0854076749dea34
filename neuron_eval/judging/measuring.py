"""From a judge's answers to the numbers of one sample, and how the log shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case, Judged, Round, Unread
from neuron_eval.judging.asking import case_text
from neuron_eval.judging.choosing import CHANCE, LEAST
from neuron_eval.prompts.wording import FuzzingWording, JudgementWording
from neuron_eval.simulation.presenting import plain, problem_list

WRONG = " ✗"  # stands behind a wrong answer


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge said of the cases of one neuron."""

    answered: tuple[tuple[Case, Judged[bool]], ...]  # in the order of the questions
    failures: tuple[str, ...]  # why each other case has no answer
    # The mean of both shares below, in [0, 1]; chance, and always yes, get 0.5.
    balanced_accuracy: float | None = None
    yes_where_right: float | None = None  # the share of cases whose right answer is yes that got it
    no_where_right: float | None = None  # likewise no
    # By the probabilities of yes, in [0, 1]; None unless every answer has one.
    auroc: float | None = None  # chance gets 0.5
    auprc: float | None = None  # average precision; chance gets the share of cases with yes

    @property
    def cases(self) -> int:
        return len(self.answered) + len(self.failures)

    @property
    def unscored_reason(self) -> str:
        """Why there is no balanced accuracy; empty if there is one."""
        if self.balanced_accuracy is not None:
            return ""
        return (
            f"too few answers of a kind could be read ({len(self.answered)} of {self.cases} in "
            f"all); {LEAST} are the least"
        )

    def agreement(self) -> tuple[list[bool], list[bool]]:
        """Whether each case whose right answer is yes got it; likewise no."""
        yes = [judged.answer for case, judged in self.answered if case.right]
        no = [not judged.answer for case, judged in self.answered if not case.right]
        return yes, no


def verdicts(answers: Sequence[tuple[Case, Judged[bool] | Unread]]) -> Verdicts:
    """Measure; nothing where fewer than `LEAST` cases of a kind have an answer."""
    answered = tuple((case, a) for case, a in answers if isinstance(a, Judged))
    failures = tuple(a.reason for _, a in answers if isinstance(a, Unread))
    yes, no = Verdicts(answered, failures).agreement()
    if min(len(yes), len(no)) < LEAST:
        return Verdicts(answered, failures)
    shares = sum(yes) / len(yes), sum(no) / len(no)
    probable = [(case.right, a.probability) for case, a in answered if a.probability is not None]
    auroc = auprc = None
    if len(probable) == len(answered):
        from sklearn.metrics import average_precision_score, roc_auc_score

        right, probabilities = zip(*probable, strict=True)
        auroc = float(roc_auc_score(right, probabilities))
        auprc = float(average_precision_score(right, probabilities))
    return Verdicts(answered, failures, sum(shares) / 2, *shares, auroc, auprc)


def verdict_line(result: Verdicts, wording: JudgementWording) -> str:
    """Markdown: the numbers, and a table of the cases."""
    fuzzing = isinstance(wording, FuzzingWording)
    right, wrong = ("right marks", "wrong marks") if fuzzing else ("that fire", "silent ones")
    yes, no = result.agreement()
    counts = f"yes to {sum(yes)} of {len(yes)} {right}, no to {sum(no)} of {len(no)} {wrong}"
    if result.balanced_accuracy is None:
        line = f"Not scored: {result.unscored_reason} ({counts})."
    else:
        parts = [f"balanced accuracy {result.balanced_accuracy:.3f}", counts]
        if result.auroc is not None and result.auprc is not None:
            parts.append(f"AUROC {result.auroc:.3f}, AUPRC {result.auprc:.3f}")
        line = f"{'; '.join(parts)}. Chance: 0.5."
    words = {True: "yes", False: "no"}
    rows = [
        (
            case.excerpt.name,
            words[case.right],
            words[judged.answer] + WRONG * (judged.answer != case.right),
            "" if judged.probability is None else f"{judged.probability:.2f}",
            plain(case_text(case, wording)),
        )
        for case, judged in result.answered
    ]
    head = ("excerpt", "right", "says", "P(yes)", "text")
    return f"{line}{_problems(result.failures)}{_table(head, rows)}"


def verdict_metadata(result: Verdicts, name: str, judge: str, explainer: str) -> dict[str, Any]:
    return {
        **_about(name, judge, explainer, [judged for _, judged in result.answered]),
        "yes_where_right": result.yes_where_right,
        "no_where_right": result.no_where_right,
        "auroc": result.auroc,
        "auprc": result.auprc,
        "cases": result.cases,
        **_counts(result),
        "excerpts": [
            {
                "excerpt": case.excerpt.name,
                "peak": case.excerpt.record.peak,
                "right": case.right,
                "answer": judged.answer,
                "probability": judged.probability,
                **({"marks": list(case.marks)} if case.marks else {}),
            }
            for case, judged in result.answered
        ],
    }


@dataclass(frozen=True, slots=True)
class Rounds:
    """What a judge said of the rounds of one neuron."""

    answered: tuple[tuple[Round, Judged[int]], ...]
    failures: tuple[str, ...]  # why each other round has no answer
    accuracy: float | None  # the share of right answers, in [0, 1]; None without any answer
    # The mean probability of the right answer, in [0, 1]; None unless every answer has one.
    probability: float | None


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


def rounds_line(result: Rounds) -> str:
    """Markdown: the numbers, and a table of the rounds."""
    chance = f"Chance: {CHANCE['intruder']:g}."
    if result.accuracy is None:
        return f"Not scored: no answer could be read. {chance}{_problems(result.failures)}"
    right = sum(judged.answer == shown.intruder for shown, judged in result.answered)
    line = f"accuracy {result.accuracy:.3f}; the intruder in {right} of {len(result.answered)}"
    if result.probability is not None:
        line += f"; its mean probability {result.probability:.3f}"
    rows = [
        (
            str(number) if place == 0 else "",
            letter(place),
            excerpt.name,
            "silent" if place == shown.intruder else "fires",
            "named" + WRONG * (place != shown.intruder) if place == judged.answer else "",
            plain(excerpt.record.text),
        )
        for number, (shown, judged) in enumerate(result.answered, start=1)
        for place, excerpt in enumerate(shown.excerpts)
    ]
    head = ("round", "letter", "excerpt", "neuron", "judge", "text")
    return f"{line}. {chance}{_problems(result.failures)}{_table(head, rows)}"


def rounds_metadata(result: Rounds, judge: str, explainer: str) -> dict[str, Any]:
    """Everything that can be computed with later; ``excerpts_scored`` counts rounds."""
    return {
        **_about("intruder", judge, explainer, [judged for _, judged in result.answered]),
        "probability": result.probability,
        **_counts(result),
        "rounds": [
            {
                "excerpts": [excerpt.name for excerpt in shown.excerpts],
                "right": shown.intruder,
                "answer": judged.answer,
                "probability": judged.probability,
            }
            for shown, judged in result.answered
        ],
    }


def _about(name: str, judge: str, explainer: str, answers: Sequence[Judged[Any]]) -> dict[str, Any]:
    probable = bool(answers) and all(judged.probability is not None for judged in answers)
    return {
        "simulator": judge,
        "simulator_is_explainer": judge == explainer,
        "basis": "log-probabilities" if probable else "answers",
        "chance": CHANCE[name],
    }


def _counts(result: Verdicts | Rounds) -> dict[str, Any]:
    return {
        "excerpts_scored": len(result.answered),
        "excerpts_failed": len(result.failures),
        "failures": list(result.failures),
    }


def _problems(failures: Sequence[str]) -> str:
    return problem_list(f"{len(failures)} without an answer that can be read", failures)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
