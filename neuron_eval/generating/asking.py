"""Asking a writer for texts that fit an explanation, and for texts that are near it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ModelOutput,
)

from neuron_eval.generating import Written
from neuron_eval.generating.reading import read_texts, repeats
from neuron_eval.prompts.generation import FittingWording, GenerationWording
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.asking import Asker, NoReadableReplyError
from neuron_eval.simulation.limits import RoomRefusedError

PROSE = 32  # output tokens for what a writer may say around its texts
LINE = 64  # output tokens of a line with a text

Read = Callable[[ModelOutput], list[str]]


async def write_fitting(
    asker: Asker, explanation: str, texts: int, wording: GenerationWording
) -> Written:
    """Texts that fit, as many as could be had in all replies together."""
    read = partial(read_new, wanted=texts, explanation=explanation, known=_example_texts(wording))
    messages = fitting_prompt(explanation, texts, wording)
    return await _write(asker, messages, read, texts, wording.fitting)


async def write_near(
    asker: Asker, explanation: str, fitting: Sequence[str], wording: GenerationWording
) -> Written:
    """Texts that do not fit, each made from one of those that do; there may be fewer."""
    read = partial(
        read_new,
        wanted=len(fitting),
        explanation=explanation,
        known=[*_example_texts(wording), *fitting],
    )
    messages = near_prompt(explanation, fitting, wording)
    return await _write(asker, messages, read, len(fitting), wording.near)


def fitting_prompt(explanation: str, texts: int, wording: GenerationWording) -> list[ChatMessage]:
    """The messages: examples are turns of the conversation, which small models follow best."""

    def question(explanation: str, count: int) -> str:
        return filled(wording.fitting.question, explanation=explanation, texts=str(count))

    turns = [(question(e.explanation, len(e.fitting)), e.fitting) for e in wording.examples]
    return _conversation(wording.fitting.system, turns, question(explanation, texts))


def near_prompt(
    explanation: str, fitting: Sequence[str], wording: GenerationWording
) -> list[ChatMessage]:
    """The same for texts that are near."""

    def question(explanation: str, texts: Sequence[str]) -> str:
        return filled(
            wording.near.question,
            explanation=explanation,
            fitting=numbered(texts),
            texts=str(len(texts)),
        )

    turns = [(question(e.explanation, e.fitting), e.near) for e in wording.examples]
    return _conversation(wording.near.system, turns, question(explanation, fitting))


def read_new(
    output: ModelOutput, wanted: int, explanation: str, known: Sequence[str] = ()
) -> list[str]:
    """The texts of a reply that are neither known nor the explanation; see `read_texts`."""
    texts = [t for t in read_texts(output, wanted, known) if not repeats(t, explanation)]
    if not texts:
        raise UnreadableReplyError("its text is the explanation")
    return texts


def filled(wording: str, **values: str) -> str:
    """A wording with its marks replaced; marks within what replaces them stay as they are."""
    parts = wording.split("{")
    written = parts[0]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        written += values[name] + rest if closed and name in values else "{" + part
    return written


def numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def _example_texts(wording: GenerationWording) -> list[str]:
    return [text for example in wording.examples for text in (*example.fitting, *example.near)]


async def _write(
    asker: Asker, messages: list[ChatMessage], read: Read, wanted: int, wording: FittingWording
) -> Written:
    """Ask until there are enough texts; those of earlier replies count."""
    pool: dict[str, None] = {}

    def collect(output: ModelOutput) -> tuple[str, ...]:
        pool.update(dict.fromkeys(read(output)))
        if len(pool) < wanted:
            raise UnreadableReplyError(f"{len(pool)} of {wanted} texts can be used")
        return tuple(pool)[:wanted]

    def again(reason: str) -> str:
        return filled(wording.retry, reason=reason, texts=str(wanted))

    problem = ""
    try:
        await asker.ask(messages, collect, again, PROSE + LINE * wanted, stop=[f"\n{wanted + 1}."])
    except (NoReadableReplyError, RoomRefusedError) as error:
        problem = str(error)
    texts = tuple(pool)[:wanted]
    return Written(texts, wanted - len(texts), problem)


def _conversation(
    system: str, turns: Sequence[tuple[str, Sequence[str]]], question: str
) -> list[ChatMessage]:
    shown = [
        message
        for earlier, texts in turns
        for message in (
            ChatMessageUser(content=earlier),
            ChatMessageAssistant(content=numbered(texts)),
        )
    ]
    return [ChatMessageSystem(content=system), *shown, ChatMessageUser(content=question)]
