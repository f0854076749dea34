"""The prompt of `per_token`, as one text (Bills et al. 2023) or as messages, and its wording.

Few-shot neurons are shown as here in the other published way, `all_at_once`, too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from inspect_ai.model import ChatMessage, ChatMessageUser

from neuron_eval.explain.solvers import chat_messages
from neuron_eval.messages import shown
from neuron_eval.models.requests import simulation_request
from neuron_eval.prompts.filling import Message, fill
from neuron_eval.prompts.sections import check_keys, read_excerpt, read_neurons, read_strings
from neuron_eval.prompts.wording import FewShotNeuron, PackError
from neuron_eval.records import ActivationRecord
from neuron_eval.records.activations import highest, normalise

_CHOICES = {"token_as": ("json", "text"), "layout": ("messages", "text")}
"""What `PerTokenWording` allows where it allows no other text."""


@dataclass(frozen=True, slots=True)
class LineWording:
    """How an excerpt is shown with its activations: ``start``, a line per token, ``end``.

    A line is the token, ``separator``, the activation, ``line_end``.
    """

    start: str
    separator: str
    line_end: str
    end: str


def few_shot_excerpts(
    neuron: FewShotNeuron, wording: LineWording, unknown: str | None = None
) -> str:
    """A few-shot neuron's excerpts with their activations on the scale from 0 to 10.

    With ``unknown``, that stands for those that the pack hides; else all are shown.
    """
    maximum, text = highest(neuron.excerpts), ""
    for excerpt, revealed in zip(neuron.excerpts, neuron.revealed_from, strict=True):
        levels = [str(level) for level in normalise(excerpt.activations, maximum)]
        if unknown is not None:
            if revealed is None:
                continue
            levels[:revealed] = [unknown] * revealed
        pairs = zip(excerpt.tokens, levels, strict=True)
        lines = (token + wording.separator + level + wording.line_end for token, level in pairs)
        text += wording.start + "".join(lines) + wording.end
    return text


def numbered(text: str, number: int, explanation: str) -> str:
    """A text with its ``{number}``, the neuron's place from 1, and ``{explanation}``."""
    return fill(text, number=str(number), explanation=explanation)


@dataclass(frozen=True, slots=True)
class PerTokenFewShot(LineWording):
    """Neurons that ``simulation=per_token`` shows with all their activations.

    Of each there are a user message, ``neuron``, and an assistant message: ``activations``, the
    excerpts, ``neuron_end``.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"neuron": "{explanation}"}

    neurons: tuple[FewShotNeuron, ...]
    neuron: str  # the user message; holds ``{explanation}``, may hold ``{number}``
    activations: str  # stands before a neuron's excerpts
    neuron_end: str = ""  # stands after a neuron's last excerpt


@dataclass(frozen=True, slots=True)
class PerTokenExample:
    """A token with its activation, asked for as the one at hand is, which stands before that."""

    must_hold: ClassVar[Mapping[str, str]] = {"answer": "{activation}"}

    excerpt: ActivationRecord
    token: int  # the token's index in the excerpt, from 0
    answer: str  # the assistant message; holds ``{activation}``, on the scale from 0 to 10
    explanation: str | None = None
    """What the example's neuron does; the published prompt repeats the explanation at hand,
    which None does."""

    system: str = ""  # a system message before the example; none if empty
    closing: str | None = None
    """Closes the example's user message; None is the ``closing`` of the token at hand."""


@dataclass(frozen=True, slots=True)
class PerTokenWording:
    """The literal strings of the simulator's prompt for ``simulation=per_token``.

    After ``system``, the few-shot neurons and the example, the user message of the token at hand
    is ``explanation``, ``text``, the text, ``token``, the token, ``closing``.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"explanation": "{explanation}"}

    system: str
    explanation: str
    """Opens the user message; holds ``{explanation}``, may hold ``{number}``, the neuron's place
    in the prompt from 1."""

    text: str  # stands before the text up to and including the token
    token: str  # stands between that text and the token
    closing: str  # closes the user message; what comes next should be the activation at once
    token_as: Literal["json", "text"] = "json"
    """Whether the token is written as a JSON string or as it is."""

    layout: Literal["messages", "text"] = "messages"
    """Whether the messages are sent as such or joined to one, which completion models take."""

    few_shot: PerTokenFewShot | None = None
    example: PerTokenExample | None = None


def read_per_token(data: Mapping[str, Any], at: str) -> PerTokenWording:
    parts: dict[str, Any] = {}
    for key, read in (("few_shot", _per_token_few_shot), ("example", _per_token_example)):
        part = data.get(key) if isinstance(data, Mapping) else None
        parts[key] = None if part is None else read(part, f"{at}.{key}")
    wording = read_strings(PerTokenWording, data, at, parts)
    for key, allowed in _CHOICES.items():
        if getattr(wording, key) not in allowed:
            raise PackError(f"{at}.{key}: allowed are {', '.join(allowed)}, got {shown(data[key])}")
    return wording


def _per_token_few_shot(data: Mapping[str, Any], at: str) -> PerTokenFewShot:
    check_keys(data, at, {"neurons"}, {f.name for f in fields(PerTokenFewShot)})
    neurons = read_neurons(data["neurons"], f"{at}.neurons")
    return read_strings(PerTokenFewShot, data, at, {"neurons": neurons})


def _per_token_example(data: Mapping[str, Any], at: str) -> PerTokenExample:
    check_keys(data, at, {"excerpt", "token"}, {f.name for f in fields(PerTokenExample)})
    excerpt, token = read_excerpt(data["excerpt"], f"{at}.excerpt"), data["token"]
    last = len(excerpt.tokens) - 1
    if type(token) is not int or not 0 <= token <= last:
        raise PackError(
            f"{at}.token: expected a token's index from 0 to {last}, got {shown(token)}"
        )
    return read_strings(PerTokenExample, data, at, {"excerpt": excerpt, "token": token})


def per_token_prompt(
    explanation: str, tokens: Sequence[str], index: int, wording: PerTokenWording, model: str = ""
) -> list[ChatMessage]:
    """The messages for the token ``index`` of an excerpt; a single one where the layout is text.

    The few-shot neurons and the example, where the pack has them, stand between the system
    message and the neuron at hand.
    """
    before = list(_few_shot(wording.few_shot)) if wording.few_shot else []
    number = len(wording.few_shot.neurons) + 1 if wording.few_shot else 1
    if wording.example:
        before += _example(explanation, number, wording.example, wording)
        number += 1
    opening = numbered(wording.explanation, number, explanation)
    rest = _text_and_token(tokens, index, wording) + wording.closing
    if wording.layout == "text":
        examples = "".join(message.content for message in before)
        return [ChatMessageUser(content=wording.system + examples + opening + rest)]
    system, user = simulation_request(model, wording.system, opening, rest)
    return [system, *chat_messages(before), user]


def _few_shot(wording: PerTokenFewShot) -> Iterator[Message]:
    for number, neuron in enumerate(wording.neurons, start=1):
        yield Message(
            "user", fill(wording.neuron, number=str(number), explanation=neuron.explanation)
        )
        excerpts = few_shot_excerpts(neuron, wording)
        yield Message("assistant", wording.activations + excerpts + wording.neuron_end)


def _example(
    explanation: str, number: int, example: PerTokenExample, wording: PerTokenWording
) -> Iterator[Message]:
    if example.system:
        yield Message("system", example.system)
    excerpt, own = example.excerpt, example.explanation
    question = numbered(wording.explanation, number, explanation if own is None else own)
    question += _text_and_token(excerpt.tokens, example.token, wording)
    question += wording.closing if example.closing is None else example.closing
    yield Message("user", question)
    level = normalise(excerpt.activations, highest([excerpt]))[example.token]
    yield Message("assistant", fill(example.answer, activation=str(level)))


def _text_and_token(tokens: Sequence[str], index: int, wording: PerTokenWording) -> str:
    token = tokens[index]
    if wording.token_as == "json":
        token = json.dumps(token, ensure_ascii=False)
    return wording.text + "".join(tokens[: index + 1]) + wording.token + token
