"""Asking a writer for texts that fit an explanation, and for texts that are near it."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from inspect_ai.model import ChatMessage, ModelOutput

from neuron_eval.explain.solvers import chat_messages
from neuron_eval.messages import replace_surrogates
from neuron_eval.models.replies import declines
from neuron_eval.prompts.filling import conversation, fill
from neuron_eval.prompts.wording import FittingWording, GenerationWording
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.asking import Asker, NoReadableReplyError
from neuron_eval.simulation.limits import RoomRefusedError
from neuron_eval.simulation.reading import cut_off, readable, unquoted, words_of

PROSE = 32  # output tokens for what a writer may say around its texts
LINE = 64  # output tokens of a line with a text

WORDS = 64  # the longest text in words; what goes on behind them is cut off

CHARACTERS = 600  # likewise in characters, for scripts without spaces

# Possessive, so that reading takes time linear in the reply's length.
_NUMBER = re.compile(r"[ \t]*+(?:\*\*)?+[(\[]?+\d{1,3}+[.):\]](?:\*\*)?+(?:[ \t]++|$)")
_BULLET = re.compile(r"[ \t]*+[-*•–](?:[ \t]++|$)")
_WORD = re.compile(r"\S++")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer wrote, up to as many texts as it was asked for."""

    texts: tuple[str, ...]  # of one line each, no two the same
    missing: int  # how many more were asked for
    problem: str = ""  # why they are missing; empty if none is


async def write_fitting(
    asker: Asker, explanation: str, texts: int, wording: GenerationWording
) -> Written:
    """Texts that fit, as many as could be had in all replies together."""
    messages, known = fitting_prompt(explanation, texts, wording), _example_texts(wording)
    return await _write(asker, messages, explanation, known, texts, wording.fitting)


async def write_near(
    asker: Asker, explanation: str, fitting: Sequence[str], wording: GenerationWording
) -> Written:
    """Texts that do not fit, each made from one of those that do; there may be fewer."""
    messages, known = near_prompt(explanation, fitting, wording), _example_texts(wording)
    return await _write(
        asker, messages, explanation, [*known, *fitting], len(fitting), wording.near
    )


def fitting_prompt(explanation: str, texts: int, wording: GenerationWording) -> list[ChatMessage]:
    def question(explanation: str, count: int) -> str:
        return fill(wording.fitting.question, explanation=explanation, texts=str(count))

    examples = [
        (question(e.explanation, len(e.fitting)), numbered(e.fitting)) for e in wording.examples
    ]
    prompt = conversation(wording.fitting.system, examples, question(explanation, texts))
    return chat_messages(prompt)


def near_prompt(
    explanation: str, fitting: Sequence[str], wording: GenerationWording
) -> list[ChatMessage]:
    def question(explanation: str, texts: Sequence[str]) -> str:
        values = {"explanation": explanation, "fitting": numbered(texts), "texts": str(len(texts))}
        return fill(wording.near.question, **values)

    examples = [(question(e.explanation, e.fitting), numbered(e.near)) for e in wording.examples]
    return chat_messages(
        conversation(wording.near.system, examples, question(explanation, fitting))
    )


def numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def _example_texts(wording: GenerationWording) -> list[str]:
    return [text for example in wording.examples for text in (*example.fitting, *example.near)]


async def _write(
    asker: Asker,
    messages: list[ChatMessage],
    explanation: str,
    known: Collection[str],
    wanted: int,
    wording: FittingWording,
) -> Written:
    """Ask until there are enough texts; those of earlier replies count."""
    pool: dict[str, None] = {}

    def collect(output: ModelOutput) -> None:
        pool.update(dict.fromkeys(read_new(output, wanted, explanation, known)))
        if len(pool) < wanted:
            raise UnreadableReplyError(f"{len(pool)} of {wanted} texts can be used")

    def again(reason: str) -> str:
        return fill(wording.retry, reason=reason, texts=str(wanted))

    problem = ""
    try:
        await asker.ask(messages, collect, again, PROSE + LINE * wanted, stop=[f"\n{wanted + 1}."])
    except (NoReadableReplyError, RoomRefusedError) as error:
        problem = str(error)
    texts = tuple(pool)[:wanted]
    return Written(texts, wanted - len(texts), problem)


def read_new(
    output: ModelOutput, wanted: int, explanation: str, known: Collection[str] = ()
) -> list[str]:
    """The texts of a reply that are neither known nor the explanation; see `read_texts`."""
    repeated = words_of(explanation)
    texts = [text for text in read_texts(output, wanted, known) if words_of(text) != repeated]
    if not texts:
        raise UnreadableReplyError("its text is the explanation")
    return texts


def read_texts(output: ModelOutput, wanted: int, known: Collection[str] = ()) -> list[str]:
    """The texts in a reply, at most as many as are wanted.

    Each stands on a line with a number, or a bullet; lines without are no texts, unless no line has
    any and there are exactly as many lines as texts. A line that was cut off with the reply is
    passed over, and so is a text that stands there before, or is among those ``known``. An
    `UnreadableReplyError` says that there is no text, or that the first is a refusal.
    """
    output = readable(output)
    lines = replace_surrogates(output.completion).splitlines(keepends=True)
    if cut_off(output) and lines[-1] == lines[-1].rstrip("\r\n"):
        lines.pop()
    passed = {" ".join(text.split()) for text in known}
    texts = []
    for text in map(_bare, _listed(lines, wanted)):
        if text and (folded := " ".join(text.split())) not in passed:
            passed.add(folded)
            texts.append(text)
    if not texts:
        raise UnreadableReplyError("it holds no numbered line with a new text")
    if declines(texts[0]):
        raise UnreadableReplyError("it is a refusal")
    return texts[:wanted]


def _listed(lines: list[str], wanted: int) -> list[str]:
    """The lines that are texts, without numbers and bullets."""
    for mark in (_NUMBER, _BULLET):
        marked = [line[match.end() :] for line in lines if (match := mark.match(line))]
        if marked:
            return marked
    filled = [line for line in lines if line.strip()]
    plain = len(filled) == wanted and not filled[0].rstrip().endswith(":")
    return filled if plain else []


def _bare(line: str) -> str:
    """A text without quotes around it, and not too long."""
    text = unquoted(_CONTROL.sub("", line))[:CHARACTERS]
    ends = [word.end() for word in _WORD.finditer(text)][:WORDS]
    return text[: ends[-1]] if ends else ""
