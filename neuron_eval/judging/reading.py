"""Reading what a judge wrote: exactly one answer for each excerpt, and how probable it was.

An answer stands on a line of its own: ``A: yes``. Other lines are passed over, unless they begin
like an answer. Time is linear in the reply's length.
"""

import math
import re
from collections.abc import Callable, Sequence

from inspect_ai.model import ModelOutput

from neuron_eval.formats.base import letter
from neuron_eval.judging import Judged
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.expected import probability
from neuron_eval.simulation.reading import candidates, cut_off, quoted, readable, token_places

_LINE = re.compile(
    r"^[^\w\n]*+(?:(?i:excerpt)[ \t]++)?+(?P<letter>[A-Z]{1,2})[ \t]*+[>*_`]*+[ \t]*+[:.)=-]"
    r"(?P<answer>[^\n]*+)$",
    re.MULTILINE,
)
_LETTER = re.compile(r"[^\w]*+(?:(?i:excerpt|answer)\b[^\w]*+)*+(?P<letter>[A-Z]{1,2})[^\w]*+")
_YES_NO = re.compile(r"[^\w]*+(?P<word>(?i:yes|no))[^\w]*+")
_SURROUNDINGS = " \t\r\n:.*_`>\"'▁ĠĊ"


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
