"""From neurons and their explanations to questions, and from a question to the messages."""

import heapq
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser

from neuron_eval.dataset import describe
from neuron_eval.explain.prompting import cutoff
from neuron_eval.formats.base import Shown, bracketed, letter
from neuron_eval.messages import InputError
from neuron_eval.prompts.filling import fill
from neuron_eval.prompts.wording import RatingWording
from neuron_eval.rating.question import KEY, Option, Question, Scale, ShownExcerpt
from neuron_eval.records import ActivationRecord
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import Shard, place

LEAST, MOST = 1, 5  # the scale, as published
Exchange = list[ChatMessage]  # the messages of a question, and what follows them
AGAIN = "#2"  # follows the id of a neuron that is shown for the second time


@dataclass(frozen=True, slots=True)
class ExplainedNeuron:
    """A neuron and its explanations, by column, each with something in it."""

    dealt: DealtNeuron
    explanations: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.dealt.neuron.id


@dataclass(frozen=True, slots=True)
class Explained:
    """What is to be rated."""

    columns: tuple[str, ...]  # the formats, or the file's columns
    neurons: tuple[ExplainedNeuron, ...]  # the neurons that every column explains, at least one
    # For the log's header: names without folders, digests, how many neurons were left out.
    about: Mapping[str, Any]


def columns_wanted(wanted: Sequence[str], columns: Sequence[str], path: str) -> tuple[str, ...]:
    """The columns that the user wants, in the order they have; all if none is named."""
    known = {name.strip().lower(): name for name in columns}
    unknown = [name for name in wanted if name.strip().lower() not in known]
    if unknown:
        raise InputError(f"columns={unknown[0]}: {path} has {', '.join(columns)}")
    kept = {known[name.strip().lower()] for name in wanted} or set(columns)
    return tuple(name for name in columns if name in kept)


def drawn_keys(
    keys: Sequence[NeuronKey], limit: int | None, seed: int, part: Shard | None
) -> tuple[Sequence[NeuronKey], Mapping[str, Any]]:
    """At most ``limit`` neurons, by their places in the seed's order, and of these the shard's.

    In the order given, with what a log's header says of the shard.
    """
    if limit is not None and limit < len(keys):
        kept = {key.id for key in heapq.nsmallest(limit, keys, key=lambda key: place(seed, key))}
        keys = [key for key in keys if key.id in kept]
    if part is None:
        return keys, {}
    taken = part.take(keys)
    return taken, part.header(len(taken), len(keys))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An explanation to rate, and whose it is."""

    explanation: str  # the text, without white space around it
    # The formats, or columns of a file, that say exactly this; none for a planted one.
    columns: tuple[str, ...]


def candidates(explanations: Mapping[str, str], planted: str | None = None) -> list[Candidate]:
    """The explanations of a neuron by column, identical ones once, and one of another neuron."""
    merged: dict[str, list[str]] = {}
    for column, text in explanations.items():
        merged.setdefault(text.strip(), []).append(column)
    if planted is not None:
        merged.setdefault(planted.strip(), [])
    return [Candidate(text, tuple(columns)) for text, columns in merged.items()]


def in_order(
    candidates: Sequence[Candidate], seed: int, id_: str, rater: str, turn: int = 0
) -> list[Candidate]:
    """The order in which a rater sees a neuron's explanations, who was asked ``turn`` times before.

    The first order is drawn by seed, neuron and rater. The following ones turn it round, so that
    N of them show each of N explanations once at each place; then another is drawn.
    """
    round_, shift = divmod(turn, len(candidates))
    order = list(candidates)
    random.Random(f"{seed}\n{id_}\n{rater}\n{round_}").shuffle(order)
    return order[shift:] + order[:shift]


def question(
    id_: str, dealt: DealtNeuron, order: Sequence[Candidate], excerpts: str, wording: RatingWording
) -> Question:
    """The question about a neuron; its excerpts are ``train``, as the explainer's, or ``valid``."""
    chosen = {"train": dealt.train, "valid": dealt.valid}[excerpts]
    # The cutoff is the explainer's, whatever the rater sees.
    above = cutoff(dealt.neuron, dealt.shown)
    shown = Shown(tuple(excerpt.record for excerpt in chosen), above)

    def as_shown(name: str, record: ActivationRecord) -> ShownExcerpt:
        levels, highlighted = shown.normalised(record), shown.high(record)
        return ShownExcerpt(name, record.tokens, tuple(levels), tuple(highlighted))

    return Question(
        id=id_,
        title=describe(dealt.neuron),
        excerpts=tuple(as_shown(excerpt.name, excerpt.record) for excerpt in chosen),
        options=tuple(Option(letter(i), each.explanation) for i, each in enumerate(order)),
        scale=Scale(LEAST, MOST, wording.least_means, wording.most_means),
        instructions=wording.instructions,
    )


def shown_twice(neurons: Sequence[ExplainedNeuron], number: int, seed: int) -> list[str]:
    """The ids of as many neurons, drawn by the seed; an InputError if there are fewer."""
    if number > len(neurons):
        raise InputError(f"repeat={number}: there are only {len(neurons)} neurons")
    ids = sorted(neuron.id for neuron in neurons)
    return sorted(random.Random(f"{seed}\nrepeat").sample(ids, number))


def from_another(
    neuron: ExplainedNeuron, neurons: Sequence[ExplainedNeuron], seed: int
) -> tuple[str, str]:
    """Another neuron's explanation that is none of this one's, and its id; else an InputError."""
    own = {text.strip() for text in neuron.explanations.values()}
    others = [
        (text, other.id)
        for other in neurons
        if other.id != neuron.id
        for text in other.explanations.values()
        if text.strip() not in own
    ]
    if not others:
        raise InputError(f"planted=true: no neuron but {neuron.id} has an explanation of its own")
    return random.Random(f"{seed}\nplanted\n{neuron.id}").choice(others)


def messages(question: Question, wording: RatingWording) -> Exchange:
    """The messages; the user's holds the question as JSON in its metadata, for people's pages."""
    return [
        ChatMessageSystem(content=wording.system),
        ChatMessageUser(content=in_words(question, wording), metadata={KEY: question.to_json()}),
    ]


def in_words(question: Question, wording: RatingWording) -> str:
    """The question as a text, see `neuron_eval.prompts.rating`."""
    parts = [f"{question.instructions}\n", fill(wording.title, title=question.title)]
    parts += (_excerpt(i, e, wording) for i, e in enumerate(question.excerpts, start=1))
    parts.append(wording.options_heading)
    for option in question.options:
        explanation = _quoted(option.explanation)
        parts.append(fill(wording.option, letter=option.letter, explanation=explanation))
    return "".join([*parts, _about(wording.closing, question)])


def asks_again(question: Question, wording: RatingWording, reason: str) -> str:
    """What a language model is told whose answer could not be used; the reason is a clause."""
    return fill(_about(wording.retry, question), reason=reason)


def _excerpt(number: int, excerpt: ShownExcerpt, wording: RatingWording) -> str:
    tokens = zip(excerpt.tokens, excerpt.levels, excerpt.highlighted, strict=True)
    items = [f"{_quoted(token)}: {level}" for token, level, mark in tokens if mark]
    body = bracketed(excerpt.tokens, excerpt.highlighted)
    listed = wording.list_separator.join(items) or wording.list_empty
    heading = fill(wording.heading, number=str(number))
    shown = f"{heading}{wording.start}{body}{wording.end}"
    return f"{shown}{wording.list_heading}{listed}{wording.list_end}"


def _about(text: str, question: Question) -> str:
    scale = {name: str(value) for name, value in asdict(question.scale).items()}
    return fill(text, letters=", ".join(question.letters), **scale)


def _quoted(text: str) -> str:
    # A line break or a letter of its own could otherwise pass for another explanation.
    return json.dumps(text, ensure_ascii=False)
