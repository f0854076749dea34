"""Asking a judge, in the pack's words around excerpts with letters, until each has an answer."""

from collections.abc import Callable, Collection, Sequence

from inspect_ai.model import ChatMessage

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case, Judged, Round, Unread
from neuron_eval.judging.reading import read_letter, read_yes_or_no
from neuron_eval.models.requests import simulation_request, together
from neuron_eval.prompts.filling import fill
from neuron_eval.prompts.wording import FuzzingWording, JudgementWording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.packing import PackQuestion, ask_pack, grouped

EXCERPTS_PER_CALL = 5

PROSE = 32  # output tokens for what a judge may write around its answer
LINE = 8  # output tokens of a line with an answer


def case_question(
    explanation: str, cases: Sequence[Case], wording: JudgementWording, model: str = ""
) -> PackQuestion[Judged[bool]]:
    """What is asked about E >= 1 cases; ``model`` is the judge's name, for cache marks."""
    count = len(cases)
    return PackQuestion(
        count,
        _prompt(explanation, [case_text(c, wording) for c in cases], wording, model),
        read=lambda output: read_yes_or_no(output, count),
        again=_again(wording, count),
        stop=[f"\n{letter(count)}:"],
    )


def round_question(
    shown: Round, wording: JudgementWording, model: str = ""
) -> PackQuestion[Judged[int]]:
    """What is asked about a round; its answer is one, of all its excerpts."""
    count = len(shown.excerpts)
    return PackQuestion(
        1,
        _prompt("", [excerpt.record.text for excerpt in shown.excerpts], wording, model),
        read=lambda output: [read_letter(output, count, shown.intruder)],
        again=_again(wording, count),
        stop=[],
    )


async def ask_cases(
    asker: Asker,
    explanation: str,
    lists: Sequence[Sequence[Case]],
    wording: JudgementWording,
    excerpts_per_call: int = EXCERPTS_PER_CALL,
) -> list[tuple[Case, Judged[bool] | Unread]]:
    """Each case with its answer; no request holds cases of two lists."""
    groups = [group for cases in lists for group in grouped(cases, excerpts_per_call)]
    questions = [case_question(explanation, g, wording, asker.name) for g in groups]
    answers = await together(
        *(ask_pack(asker, q, PROSE + LINE * q.count, ATTEMPTS) for q in questions)
    )
    return [
        (case, _answer(f"excerpt {case.excerpt.name}", part))
        for group, parts in zip(groups, answers, strict=True)
        for case, part in zip(group, parts, strict=True)
    ]


async def ask_rounds(
    asker: Asker, rounds: Sequence[Round], wording: JudgementWording
) -> list[tuple[Round, Judged[int] | Unread]]:
    """Each round with its answer."""
    questions = [round_question(shown, wording, asker.name) for shown in rounds]
    answers = await together(*(ask_pack(asker, q, PROSE + LINE, ATTEMPTS) for q in questions))
    return [
        (shown, _answer(f"round {i}", part))
        for i, (shown, (part,)) in enumerate(zip(rounds, answers, strict=True), start=1)
    ]


def case_text(case: Case, wording: JudgementWording) -> str:
    """An excerpt as the judge sees it, with its marks."""
    if not isinstance(wording, FuzzingWording):
        return case.excerpt.record.text
    return marked(case.excerpt.record, case.marks, wording.mark)


def marked(record: ActivationRecord, marks: Collection[int], mark: str) -> str:
    """The text with each token at one of the places in the mark's ``{token}``."""
    return "".join(
        fill(mark, token=token) if i in marks else token for i, token in enumerate(record.tokens)
    )


def _prompt(
    explanation: str, texts: Sequence[str], wording: JudgementWording, model: str
) -> list[ChatMessage]:
    letters = [letter(i) for i in range(len(texts))]
    shown = [
        fill(wording.start, letter=name) + text + fill(wording.end, letter=name)
        for name, text in zip(letters, texts, strict=True)
    ]
    opening = fill(wording.opening, explanation=explanation)
    rest = "".join(shown) + fill(wording.closing, letters=", ".join(letters))
    return simulation_request(model, wording.system, opening, rest)


def _again(wording: JudgementWording, count: int) -> Callable[[str], str]:
    letters = ", ".join(letter(i) for i in range(count))
    return lambda reason: fill(wording.retry, letters=letters, reason=reason)


def _answer(what: str, part: Judged | NoReadableReplyError) -> Judged | Unread:  # type: ignore
    return Unread(f"{what}: {part}") if isinstance(part, NoReadableReplyError) else part
