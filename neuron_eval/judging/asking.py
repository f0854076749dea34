"""Asking a judge, in the pack's words around excerpts with letters, until each has an answer.

An answer stands on a line of its own: ``A: yes``. Other lines are passed over, unless they begin
like an answer. To read a reply takes time linear in its length.
"""

import math
import re
from collections.abc import Callable, Collection, Sequence

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case, Judged, Round, Unread
from neuron_eval.models.requests import simulation_request, together
from neuron_eval.prompts.filling import fill
from neuron_eval.prompts.wording import FuzzingWording, JudgementWording
from neuron_eval.records import ActivationRecord
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.asking import ATTEMPTS, Asker, NoReadableReplyError
from neuron_eval.simulation.expected import probability
from neuron_eval.simulation.packing import PackQuestion, ask_pack, grouped
from neuron_eval.simulation.reading import candidates, cut_off, quoted, readable, token_places

EXCERPTS_PER_CALL = 5

PROSE = 32  # output tokens for what a judge may write around its answer
LINE = 8  # output tokens of a line with an answer

_LINE = re.compile(
    r"^[^\w\n]*+(?:(?i:excerpt)[ \t]++)?+(?P<letter>[A-Z]{1,2})[ \t]*+[>*_`]*+[ \t]*+[:.)=-]"
    r"(?P<answer>[^\n]*+)$",
    re.MULTILINE,
)
_LETTER = re.compile(r"[^\w]*+(?:(?i:excerpt|answer)\b[^\w]*+)*+(?P<letter>[A-Z]{1,2})[^\w]*+")
_YES_NO = re.compile(r"[^\w]*+(?P<word>(?i:yes|no))[^\w]*+")
_SURROUNDINGS = " \t\r\n:.*_`>\"'▁ĠĊ"


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


def read_yes_or_no(output: ModelOutput, count: int) -> list[Judged[bool] | UnreadableReplyError]:
    """The answers in a reply about E = ``count`` >= 1 excerpts: E parts.

    A part is bad unless its letter has exactly one line, with yes or no and nothing else.
    """
    output = readable(output)
    reply = output.completion
    letters = [letter(i) for i in range(count)]
    bare = _YES_NO.fullmatch(reply) if count == 1 else None
    if bare is not None:
        return [_judged(output, bare.start("word"), bare["word"])]
    parts: dict[str, Judged[bool] | UnreadableReplyError] = {}
    last = ""
    for line in _LINE.finditer(reply):
        last = name = line["letter"]
        answer = _YES_NO.fullmatch(line["answer"])
        if name not in letters:
            continue
        if name in parts:
            parts[name] = UnreadableReplyError(f"there are two lines for {name}")
        elif answer is None:
            stated = quoted(line["answer"].strip())
            parts[name] = UnreadableReplyError(f"in the line of {name}: {stated} is not yes or no")
        else:
            at = line.start("answer") + answer.start("word")
            parts[name] = _judged(output, at, answer["word"])
    if cut_off(output) and last in parts:
        parts[last] = UnreadableReplyError(f"in the line of {last}: the reply was cut off")
    return [
        parts.get(name, UnreadableReplyError(f"there is no line for {name}")) for name in letters
    ]


def read_letter(output: ModelOutput, count: int, right: int) -> Judged[int]:
    """The one excerpt of E = ``count`` that a reply names, and the probability of the right one."""
    output = readable(output)
    letters = [letter(i) for i in range(count)]
    answer = _LETTER.fullmatch(output.completion)
    if answer is None or answer["letter"] not in letters:
        raise UnreadableReplyError(
            f"the reply is {quoted(output.completion.strip())}, not one of the letters "
            f"{', '.join(letters)} alone"
        )
    share = _share(output, answer.start("letter"), letters[right], letters, str.strip)
    return Judged(letters.index(answer["letter"]), share)


def _judged(output: ModelOutput, start: int, word: str) -> Judged[bool]:
    share = _share(output, start, "yes", ("yes", "no"), str.casefold)
    return Judged(word.casefold() == "yes", share)


def _share(
    output: ModelOutput,
    start: int,
    answer: str,
    answers: Sequence[str],
    fold: Callable[[str], str],
) -> float | None:
    """An answer's share of all answers' probability where one begins; None if it is not known."""
    logprobs = output.choices[0].logprobs
    if logprobs is None or not logprobs.content:
        return None
    places = token_places(output.completion, [start], logprobs.content)
    if places is None:
        return None
    token = logprobs.content[places[0]]
    if fold(token.token.strip(_SURROUNDINGS)) not in answers:
        return None  # a part of a word: its alternatives say little of the answer
    masses = dict.fromkeys(answers, 0.0)
    for text, logprob in dict(candidates(token)).items():
        name = fold(text.strip(_SURROUNDINGS))
        if name in masses:
            masses[name] += probability(logprob)
    total = math.fsum(masses.values())
    return masses[answer] / total if total > 0 else None
