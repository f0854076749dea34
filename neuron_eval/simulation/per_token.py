"""`per_token`: one request per token; the first token of the reply is the whole answer.

For models that give log-probabilities of what they write: the expectation over 0..10 is taken over
the alternatives at that first token (Bills et al. 2023, "one at a time"). The prompt shows the text
up to and including the token, as the neuron saw it. It is the dearest way by far.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self
from weakref import WeakKeyDictionary

from inspect_ai.model import ChatMessage, ChatMessageUser, ModelAPI, ModelOutput

from neuron_eval.explain.solvers import reasons
from neuron_eval.models.requests import once, together
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import Excerpt
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation import (
    Failed,
    Outcome,
    Piece,
    Simulated,
    Simulation,
    Simulator,
    Tokenize,
    Tokens,
    UnreadableReplyError,
    way,
)
from neuron_eval.simulation.asking import Asker, NoReadableReplyError
from neuron_eval.simulation.per_token_prompt import (
    PerTokenWording,
    per_token_prompt,
    read_per_token,
)
from neuron_eval.simulation.reading import expected_first, readable

MAX_TOKENS = 2
"""One for the value; the second tells a 1 from a 10 where a tokenizer writes 10 as "1" and "0"."""

SHOWN = 20  # so many characters of a reply stand in the reason why there is no value

QUESTION = "Answer with one digit: how many legs does a cat have?"
ROOM = 16  # output tokens for the answer

_LOGPROBS: WeakKeyDictionary[ModelAPI, bool] = WeakKeyDictionary()
"""Whether a model gives log-probabilities of its replies."""

_UP_TO_TOKEN = re.compile(r"\nText:\n(.*)\n\nLast token of the text: (\".*\")\n.*\Z", re.DOTALL)


class NoLogprobsError(UnreadableReplyError):
    """The simulator gives no log-probabilities; the cache may hold what came without."""


@way("per_token")
class PerTokenSimulation(Simulation):
    """One request per token, by the log-probabilities of the reply (Bills et al. 2023)."""

    wording = PerTokenWording
    asks_per_token = True

    def __init__(self, asker: Asker, wording: PerTokenWording) -> None:
        self.model = asker.name
        self._asker = asker
        self._wording = wording

    @classmethod
    def read_wording(cls, section: Mapping[str, Any], at: str) -> PerTokenWording:
        return read_per_token(section, at)

    @classmethod
    def bind(cls, simulator: Simulator, pack: Pack, excerpts_per_call: int | None) -> Self:
        return cls(Asker.of(simulator), pack.simulation_wording(cls.name))

    @classmethod
    def requests(
        cls, explanation: str, excerpts: Sequence[Excerpt], pack: Pack, model: str, size: int | None
    ) -> Iterator[tuple[list[ChatMessage], int]]:
        wording = pack.simulation_wording(cls.name)
        for excerpt in excerpts:
            tokens = excerpt.record.tokens
            for i in range(len(tokens)):
                yield per_token_prompt(explanation, tokens, i, wording, model), MAX_TOKENS

    @classmethod
    def read_prompt(cls, user: str, tokenize: Tokenize) -> Tokens:
        shown = _UP_TO_TOKEN.search(user)
        if shown is None:
            raise ValueError(f"not a prompt of simulation=per_token: {user!r}")
        return [tokenize(shown[1], json.loads(shown[2]))]

    @classmethod
    def reply(cls, excerpts: Tokens, values: Sequence[Sequence[float]]) -> list[list[Piece]]:
        return [[given[-1]] for given in values]

    async def check(self) -> None:
        """Make sure, with a short question, that the model gives log-probabilities."""
        if not await once(_LOGPROBS, self._asker.model.api, self._gives_logprobs):
            raise NoLogprobsError(
                f"{self.model} gives no log-probabilities of its replies, which "
                "simulation=per_token reads; use -T simulation=chat or -T simulation=sparse"
            )

    async def _gives_logprobs(self) -> bool:
        if reasons(self._asker.model):
            return False

        def read(output: ModelOutput) -> bool:
            return any(choice.logprobs and choice.logprobs.content for choice in output.choices)

        question = [ChatMessageUser(content=QUESTION)]
        return await self._asker.ask(question, read, again=None, max_tokens=ROOM)

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """See `Simulation`; raises `NoLogprobsError` where the replies have none."""
        if not excerpts:
            return []
        questions = [(e.record.tokens, i) for e in excerpts for i in range(len(e.record.tokens))]
        # One alone: a model that cannot do it costs one request and not hundreds, and the others
        # find the prefix in the provider's cache.
        first = await self._token(explanation, *questions[0])
        rest = await together(*(self._token(explanation, *each) for each in questions[1:]))
        answers = iter([first, *rest])
        return [_outcome(e, list(islice(answers, len(e.record.tokens)))) for e in excerpts]

    async def _token(self, explanation: str, tokens: Sequence[str], index: int) -> float | str:
        try:
            return await self._asker.ask(
                per_token_prompt(explanation, tokens, index, self._wording, self.model),
                read=lambda output: read_reply(output, self.model),
                again=None,
                max_tokens=MAX_TOKENS,
            )
        except NoReadableReplyError as error:
            if isinstance(error.last, NoLogprobsError):
                raise error.last from error
            return str(error)


def read_reply(output: ModelOutput, model: str) -> float:
    """The expected activation of one token, in [0, 10]; ``model`` is named in errors."""
    readable(output)
    logprobs = output.choices[0].logprobs
    if logprobs is None or not logprobs.content:
        raise NoLogprobsError(
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
    values = tuple(math.nan if isinstance(answer, str) else answer for answer in answers)
    unread = [(i, answer) for i, answer in enumerate(answers) if isinstance(answer, str)]
    if not unread:
        return Simulated(values, "log-probabilities")
    i, why = unread[0]
    token = json.dumps(excerpt.record.tokens[i], ensure_ascii=False)
    problem = f"token {i + 1} of {len(answers)}, {token}: {why}"
    if len(unread) == len(answers):
        return Failed(f"excerpt {excerpt.name}: {problem}")
    problem = f"no value for {len(unread)} of {len(answers)} tokens: {problem}"
    return Simulated(values, "log-probabilities", problem=problem)
