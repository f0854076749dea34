"""Log-probabilities of a prompt's own tokens, from the servers that give them.

Two dialects are asked for, and the first that works is kept for the model: ``prompt_logprobs``
(vLLM, SGLang) and echo (the completions API as OpenAI defined it). Most chat APIs have neither.

A reply holds 15 alternatives for every token of the prompt, more than a megabyte. So it is read
before Inspect logs and caches it, and what was read takes the place of what it was read from. Only
some sixty of a thousand tokens are read; the alternatives of the others are dropped before Inspect
makes objects of them, or that would be nine tenths of the time that this process takes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

from inspect_ai.model import (
    ChatMessageUser,
    GenerateConfig,
    Logprob,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
)

from neuron_eval.models.requests import cache_policy, once
from neuron_eval.models.server_errors import raise_failure
from neuron_eval.simulation import (
    BrokenReplyError,
    UnreadableReplyError,
    with_nan,
    without_nan,
)
from neuron_eval.simulation.asking import count_reply
from neuron_eval.simulation.expected import AlignmentError
from neuron_eval.simulation.limits import ALTERNATIVES

Read = Callable[[Sequence[Logprob]], Sequence[float]]
"""From the tokens of a prompt, with log-probabilities and alternatives, to numbers, NaN where there
is none. Raises `AlignmentError` or `UnreadableReplyError`."""

Places = Callable[[Sequence[str]], Collection[int]]
"""From the tokens of a prompt to the indices of those whose alternatives are read. Raises
`AlignmentError`."""

_PLACES: ContextVar[Places | None] = ContextVar("neuron_eval places", default=None)
_THINNED: WeakSet[Any] = WeakSet()  # clients' completions whose replies are thinned

REFUSALS = (400, 422, 501)  # HTTP statuses of a server that does not take a question as it is

READING = "3"  # part of the cache's key: to be raised with every change to how a reply is read


class RefusedPromptError(UnreadableReplyError):
    """The server does not take a request as it is."""


class PromptLogprobsUnsupportedError(ValueError):
    """The model's server gives no log-probabilities of the prompt; the message says which do."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to ask for the log-probabilities of a prompt: by echo or by ``prompt_logprobs``."""

    echo: bool
    alternatives: int
    max_tokens: int  # tokens to generate; they are thrown away, but few servers agree to none

    def __str__(self) -> str:
        name = "echo" if self.echo else "prompt_logprobs"
        return f"{name} with {self.alternatives} alternatives, max_tokens={self.max_tokens}"

    def config(self) -> GenerateConfig:
        config = GenerateConfig(temperature=0.0, max_tokens=self.max_tokens)
        if self.echo:
            config.logprobs, config.top_logprobs = True, self.alternatives
            config.extra_body = {"echo": True}
        else:
            config.prompt_logprobs = self.alternatives
        return config

    def tokens(self, output: ModelOutput) -> list[Logprob]:
        """The prompt's tokens in a reply; with echo, generated ones may follow."""
        choice = output.choices[0] if output.choices else None
        logprobs = choice and (choice.logprobs if self.echo else choice.prompt_logprobs)
        if not logprobs or not logprobs.content:
            raise UnreadableReplyError("the reply holds no log-probabilities of the prompt")
        if not any(token.top_logprobs for token in logprobs.content):
            raise UnreadableReplyError("the reply holds no alternatives to the prompt's tokens")
        return list(logprobs.content)


DIALECTS = (
    *(Dialect(echo=False, alternatives=n, max_tokens=1) for n in ALTERNATIVES[:2]),
    *(Dialect(True, alternatives=n, max_tokens=m) for n in ALTERNATIVES[:2] for m in (0, 1)),
)
"""What is tried, in order. A server that refuses 15 alternatives may take 5, as OpenAI's did, and
one that refuses to generate nothing may generate a token."""

# By provider, not by model: Inspect copies models to give them a role.
_DIALECTS: WeakKeyDictionary[ModelAPI, Dialect] = WeakKeyDictionary()


async def decide(model: Model, probe: str, read: Read) -> Dialect:
    """Find out by a short prompt how this model's server wants to be asked, once a process."""
    return await once(_DIALECTS, model.api, lambda: _first_that_works(model, probe, read))


async def read_prompt_logprobs(
    model: Model, prompt: str, dialect: Dialect, read: Read, places: Places
) -> tuple[float, ...]:
    """What ``read`` makes of a prompt's log-probabilities, with the alternatives in ``places``.

    Only what it can read is cached. A request whose reply was broken is made twice.
    """
    try:
        output = await _generate(model, prompt, dialect, read, places)
    except BrokenReplyError:
        output = await _generate(model, prompt, dialect, read, places)
    count_reply()
    return with_nan((output.metadata or {})["expected"])


async def _first_that_works(model: Model, probe: str, read: Read) -> Dialect:
    problems: list[str] = []
    answered: set[bool] = set()
    for dialect in DIALECTS:
        if dialect.echo in answered:  # other numbers would be passed over as well
            continue
        try:
            await _generate(model, probe, dialect, read)
            return dialect
        except Exception as problem:
            problems.append(f"- {dialect}: {problem}")
            if isinstance(problem, RefusedPromptError):
                continue
            if isinstance(problem, UnreadableReplyError | AlignmentError):
                answered.add(dialect.echo)
            # Chat providers have errors of their own for what they do not know; but one
            # that has answered once is there, and takes the key.
            elif not answered:
                raise
    raise PromptLogprobsUnsupportedError(
        f"{model} gives no log-probabilities of the prompt, which simulation=all_at_once "
        "needs. Servers of the completions API do: vLLM and SGLang (as "
        "vllm-completions/MODEL or openai-api-completions/SERVICE/MODEL), and others that "
        "know echo. With any other model use simulation=chat or simulation=sparse. What was "
        "tried:\n" + "\n".join(problems)
    )


async def _generate(
    model: Model, prompt: str, dialect: Dialect, read: Read, places: Places | None = None
) -> ModelOutput:
    """A reply whose metadata hold under ``expected`` what was read."""

    def reduce(output: ModelOutput) -> None:
        output.metadata = {"expected": without_nan(read(dialect.tokens(output)))}

    copied, config = copy(model), dialect.config()
    copied.api = _reducing(model.api, reduce, places)
    if model.config.temperature is not None:
        config.temperature = None  # what the user set stays
    try:
        return await copied.generate(
            [ChatMessageUser(content=prompt)],
            config=config,
            cache=cache_policy(model, reading=READING),
        )
    except (UnreadableReplyError, AlignmentError):
        raise
    except Exception as error:
        if getattr(error, "status_code", None) not in REFUSALS:
            raise_failure("simulator", model, error)
        raise RefusedPromptError(f"the server refuses: {error}") from error


def _reducing(
    api: ModelAPI, reduce: Callable[[ModelOutput], None], places: Places | None
) -> ModelAPI:
    """A provider like another one, whose replies are read before Inspect sees them."""

    async def generate(*args: Any, **options: Any) -> Any:
        with thinned_replies(api, places):
            result = await api.generate(*args, **options)
        output, call = result if isinstance(result, tuple) else (result, None)
        if isinstance(output, ModelOutput):
            try:
                reduce(output)
            finally:
                _drop_logprobs(output, call)
        return result

    # of the same class: by its name Inspect tells which models share a limit of connections
    reduced = copy(api)
    reduced.generate = generate  # type: ignore[method-assign]
    return reduced


def _drop_logprobs(output: ModelOutput, call: ModelCall | None) -> None:
    for choice in output.choices:
        choice.logprobs = choice.prompt_logprobs = None
    raw = (call.response if call else None) or {}
    for holder in (raw, *cast(list[dict[str, Any]], raw.get("choices") or [])):
        for key in ("logprobs", "prompt_logprobs"):
            holder.pop(key, None)


@contextmanager
def thinned_replies(api: ModelAPI, places: Places | None) -> Iterator[None]:
    """Requests of this task to this provider bring alternatives in ``places`` only; None: all.

    For providers whose client is OpenAI's; others are left as they are.
    """
    client: Any = getattr(api, "client", None)
    completions = getattr(client, "completions", None)
    if completions is not None and completions not in _THINNED:
        _THINNED.add(completions)
        completions.create = _thinning(completions.create)
    token = _PLACES.set(places)
    try:
        yield
    finally:
        _PLACES.reset(token)


def _thinning(create: Callable[..., Any]) -> Callable[..., Any]:
    async def thinned(*args: Any, **options: Any) -> Any:
        response = await create(*args, **options)
        if (places := _PLACES.get()) is not None:
            for choice in response.choices or []:
                # What is not as expected is left for the reader to complain of.
                with suppress(AlignmentError, AttributeError, KeyError, TypeError, StopIteration):
                    _thin(choice, places)
        return response

    return thinned


def _thin(choice: Any, places: Places) -> None:
    """Leave alternatives only where they are read, in either dialect."""
    listed: list[dict[str, Any] | None] | None = (choice.model_extra or {}).get("prompt_logprobs")
    if listed:  # by token id, the prompt's own token first; nothing for the first token
        own = [next(iter(each.items())) if each else None for each in listed]
        kept = places(["" if each is None else each[1]["decoded_token"] for each in own])
        for index, each in enumerate(own):
            if each is not None and index not in kept:
                listed[index] = dict([each])
    elif choice.logprobs.top_logprobs:
        kept = places(choice.logprobs.tokens)
        choice.logprobs.top_logprobs = [
            each if index in kept else None
            for index, each in enumerate(choice.logprobs.top_logprobs)
        ]
