"""`per_token`: one request a token; the first token of the reply is the whole answer.

For models that give log-probabilities of what they write: the expectation over 0..10 is taken
over the alternatives at that first token (Bills et al. 2023, "one at a time"). The prompt shows
the text up to and including the token, and nothing behind it, as the neuron saw it.

It is the dearest way by far: one request for every token of every excerpt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from inspect_ai.model import ChatMessage, ChatMessageUser, ModelOutput

from neuron_eval.explain.prompting import Message
from neuron_eval.explain.solvers import chat_messages
from neuron_eval.models.requests import together
from neuron_eval.prompts.published import PerTokenExample, PerTokenFewShot, PerTokenWording
from neuron_eval.records import Excerpt
from neuron_eval.records.activations import LEVELS, highest, normalise
from neuron_eval.simulation.asking import Asker, NoReadableReplyError
from neuron_eval.simulation.base import Failed, Outcome, Simulated, UnreadableReplyError
from neuron_eval.simulation.lines import excerpt_lines, numbered
from neuron_eval.simulation.reading import expected_first, readable
from neuron_eval.simulation.request import simulation_request

MAX_TOKENS = 2
"""One for the value; the second tells a 1 from a 10 where a tokenizer writes 10 as "1" and "0"."""

SHOWN = 20
"""So many characters of a reply stand in the reason why there is no value."""


class NoLogprobsError(RuntimeError):
    """The simulator gives no log-probabilities of what it writes."""


class _WithoutLogprobsError(UnreadableReplyError):
    """A reply without log-probabilities; if it comes from the cache, another may have some."""


class PerTokenSimulation:
    """Simulate one token at a time."""

    name = "per_token"

    def __init__(self, asker: Asker, wording: PerTokenWording) -> None:
        """Bind to a model.

        Args:
            asker: The simulator.
            wording: The prompt's literal strings.
        """
        self.model = asker.name
        self._asker = asker
        self._wording = wording

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `neuron_eval.simulation.base.Simulation`.

        Raises:
            NoLogprobsError: The simulator gives no log-probabilities of what it writes.
        """
        if not excerpts:
            return []
        questions = [(e.record.tokens, i) for e in excerpts for i in range(len(e.record.tokens))]
        # One alone: a model that cannot do it costs one request and not hundreds, and the others
        # find the prefix in the provider's cache.
        first = await self._token(explanation, *questions[0])
        rest = await together(*(self._token(explanation, *each) for each in questions[1:]))
        answers, outcomes = [first, *rest], []
        for excerpt in excerpts:
            count = len(excerpt.record.tokens)
            outcomes.append(_outcome(excerpt, answers[:count]))
            del answers[:count]
        return outcomes

    async def _token(self, explanation: str, tokens: Sequence[str], index: int) -> float | str:
        try:
            return await self._asker.ask(
                per_token_prompt(explanation, tokens, index, self._wording, self.model),
                read=lambda output: read_reply(output, self.model),
                again=None,
                max_tokens=MAX_TOKENS,
            )
        except NoReadableReplyError as error:
            if isinstance(error.last, _WithoutLogprobsError):
                raise NoLogprobsError(str(error.last)) from error
            return str(error)


def per_token_prompt(
    explanation: str, tokens: Sequence[str], index: int, wording: PerTokenWording, model: str = ""
) -> list[ChatMessage]:
    """The messages for one token; a single one where the pack's layout is text.

    The few-shot neurons and the example, where the pack has them, stand between the system
    message and the neuron at hand.

    Args:
        explanation: What the neuron is said to do.
        tokens: The excerpt's tokens, shape [T].
        index: The token's place, from 0.
        wording: The prompt's literal strings.
        model: The simulator's name, for cache marks.
    """
    before = list(_few_shot(wording.few_shot)) if wording.few_shot else []
    number = len(wording.few_shot.neurons) + 1 if wording.few_shot else 1
    if wording.example:
        before += _example(explanation, number, wording.example, wording)
        number += 1
    opening = numbered(wording.explanation, number, explanation)
    rest = _text_and_token(tokens, index, wording) + wording.closing
    if wording.layout == "text":
        shown = "".join(message.content for message in before)
        return [ChatMessageUser(content=wording.system + shown + opening + rest)]
    system, user = simulation_request(model, wording.system, opening, rest)
    return [system, *chat_messages(before), user]


def _few_shot(shown: PerTokenFewShot) -> Iterator[Message]:
    for number, neuron in enumerate(shown.neurons, start=1):
        yield Message("user", numbered(shown.neuron, number, neuron.explanation))
        maximum, text = highest(neuron.excerpts), shown.activations
        for excerpt in neuron.excerpts:
            levels = [str(level) for level in normalise(excerpt.activations, maximum)]
            text += excerpt_lines(excerpt.tokens, levels, shown)
        yield Message("assistant", text + shown.neuron_end)


def _example(
    explanation: str, number: int, example: PerTokenExample, wording: PerTokenWording
) -> Iterator[Message]:
    if example.system:
        yield Message("system", example.system)
    excerpt, own = example.excerpt, example.explanation
    asked = numbered(wording.explanation, number, explanation if own is None else own)
    asked += _text_and_token(excerpt.tokens, example.token, wording)
    yield Message("user", asked + (wording.closing if example.closing is None else example.closing))
    level = normalise(excerpt.activations, highest([excerpt]))[example.token]
    yield Message("assistant", example.answer.replace("{activation}", str(level)))


def _text_and_token(tokens: Sequence[str], index: int, wording: PerTokenWording) -> str:
    token = tokens[index]
    if wording.token_as == "json":
        token = json.dumps(token, ensure_ascii=False)
    return wording.text + "".join(tokens[: index + 1]) + wording.token + token


def read_reply(output: ModelOutput, model: str) -> float:
    """The expected activation of one token, in [0, 10].

    Args:
        output: What the simulator gave back.
        model: Its name, for the error.

    Raises:
        UnreadableReplyError: The reply is empty or nothing but thinking, or it begins with
            something else than a value.
        BrokenReplyError: A log-probability is none.
    """
    readable(output)
    logprobs = output.choices[0].logprobs
    if logprobs is None or not logprobs.content:
        raise _WithoutLogprobsError(
            f"{model} gives no log-probabilities of what it writes, which simulation=per_token "
            "needs; use -T simulation=sparse or -T simulation=chat"
        )
    value = expected_first(logprobs.content)
    if value is None:
        raise UnreadableReplyError(
            f"the reply begins with {output.completion[:SHOWN]!r}, no number from 0 to {LEVELS}"
        )
    return value


def _outcome(excerpt: Excerpt, answers: Sequence[float | str]) -> Outcome:
    values = [answer for answer in answers if not isinstance(answer, str)]
    for i, answer in enumerate(answers):
        if isinstance(answer, str):
            token = json.dumps(excerpt.record.tokens[i], ensure_ascii=False)
            return Failed(
                f"excerpt {excerpt.name}: token {i + 1} of {len(answers)}, {token}: {answer}"
            )
    return Simulated(tuple(values), "log-probabilities")
