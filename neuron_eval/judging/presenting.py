"""How the log shows judgements: a line of numbers, and each excerpt with both answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case, Judged
from neuron_eval.judging.choosing import CHANCE
from neuron_eval.judging.measuring import Rounds, Verdicts
from neuron_eval.judging.prompting import case_text
from neuron_eval.prompts.wording import FuzzingWording, JudgementWording
from neuron_eval.simulation.presenting import REASONS, plain

WRONG = "✗"
"""Stands behind a wrong answer."""


def verdict_line(result: Verdicts, wording: JudgementWording) -> str:
    """Markdown: the numbers, and a table of the cases."""
    fuzzing = isinstance(wording, FuzzingWording)
    right, wrong = ("right marks", "wrong marks") if fuzzing else ("that fire", "silent ones")
    yes = [a.answer for case, a in result.answered if case.right]
    no = [not a.answer for case, a in result.answered if not case.right]
    counts = f"yes to {sum(yes)} of {len(yes)} {right}, no to {sum(no)} of {len(no)} {wrong}"
    if result.balanced_accuracy is None:
        line = f"Not scored: {result.unscored_reason} ({counts})."
    else:
        parts = [f"balanced accuracy {result.balanced_accuracy:.3f}", counts]
        if result.auroc is not None and result.auprc is not None:
            parts.append(f"AUROC {result.auroc:.3f}, AUPRC {result.auprc:.3f}")
        line = f"{'; '.join(parts)}. Chance: 0.5."
    rows = [
        (
            case.excerpt.name,
            _word(case.right),
            _word(judged.answer) + (f" {WRONG}" if judged.answer != case.right else ""),
            _probability(judged),
            plain(case_text(case, wording)),
        )
        for case, judged in result.answered
    ]
    head = ("excerpt", "right", "says", "P(yes)", "text")
    return f"{line}{_problems(result.failures)}{_table(head, rows)}"


def verdict_metadata(
    result: Verdicts, name: str, judge: str, explainer: str, cases: Sequence[Case]
) -> dict[str, Any]:
    """Everything that can be computed with later; ``cases`` are all that were asked about."""
    return {
        **_about(name, judge, explainer, [judged for _, judged in result.answered]),
        "yes_where_right": result.yes_where_right,
        "no_where_right": result.no_where_right,
        "auroc": result.auroc,
        "auprc": result.auprc,
        "cases": len(cases),
        **_counts(len(result.answered), result.failures),
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
            ("named" + ("" if place == shown.intruder else f" {WRONG}"))
            if place == judged.answer
            else "",
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
        **_counts(len(result.answered), result.failures),
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


def _counts(answered: int, failures: Sequence[str]) -> dict[str, Any]:
    return {
        "excerpts_scored": answered,
        "excerpts_failed": len(failures),
        "failures": list(failures),
    }


def _word(answer: bool) -> str:
    return "yes" if answer else "no"


def _probability(judged: Judged[bool]) -> str:
    return "" if judged.probability is None else f"{judged.probability:.2f}"


def _problems(failures: Sequence[str]) -> str:
    if not failures:
        return ""
    lines = [f"\n\n{len(failures)} without an answer that can be read:\n"]
    lines += [f"- {plain(failure)}" for failure in failures[:REASONS]]
    if len(failures) > REASONS:
        lines.append(f"- and {len(failures) - REASONS} more, in the metadata")
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
