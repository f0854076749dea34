"""What requests share: marks for prompt caches, Inspect's cache, and answers under way."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping, MutableMapping, Sequence
from typing import TypeVar

import anyio
from anyio.lowlevel import RunVar
from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    ContentText,
    Model,
    ModelOutput,
)
from inspect_ai.util import collect

MARKING = ("anthropic/", "openai/")  # how the names of models begin whose providers take marks

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_UNDER_WAY: RunVar[dict[tuple[int, Hashable], anyio.Event]] = RunVar("neuron_eval under way")
"""By memo and key: when it is over."""


def of_loop(variable: RunVar[dict[K, T]]) -> dict[K, T]:
    """What the running event loop keeps: events, limiters and clients belong to one."""
    kept = variable.get(None)
    if kept is None:
        variable.set(kept := {})
    return kept


def simulation_request(model: str, system: str, explanation: str, rest: str) -> list[ChatMessage]:
    """The messages of one request to ``model``, the simulator with its provider.

    ``system`` is the same for every request, ``explanation``, which is not blank, for every request
    about one; ``rest`` are the excerpts, and what closes the prompt. Most providers find the prefix
    that they know by themselves. Anthropic's and OpenAI's newest models take marks of where it
    ends, so that no excerpt is paid for as a cache entry that nobody reads again. All others get
    plain text: some servers put line breaks between the parts of a message.
    """
    if not model.startswith(MARKING):
        return [ChatMessageSystem(content=system), ChatMessageUser(content=explanation + rest)]
    return [
        ChatMessageSystem(content=[ContentText(text=system, cache_breakpoint=True)]),
        ChatMessageUser(
            content=[ContentText(text=explanation, cache_breakpoint=True), ContentText(text=rest)]
        ),
    ]


async def together(*awaitables: Awaitable[T]) -> list[T]:
    """Run awaitables at once, each in a span of the transcript if there are several; in order.

    Inspect tells errors apart by type, and shows their message; a group of errors has neither. So
    the first error of any of them goes up by itself.
    """
    if len(awaitables) == 1:
        return [await awaitables[0]]
    try:
        return await collect(*awaitables)
    except ExceptionGroup as errors:
        error = first_error(errors)
        raise error from error.__cause__


async def once(memo: MutableMapping[K, T], key: K, find_out: Callable[[], Awaitable[T]]) -> T:
    """What a memo holds for a key; see `each_once`."""

    async def find(_: Sequence[K]) -> Mapping[K, T]:
        memo[key] = await find_out()
        return {key: memo[key]}

    def known(keys: Sequence[K]) -> Mapping[K, T]:
        return {k: memo[k] for k in keys if k in memo}

    return (await each_once(memo, known, [key], find))[key]


async def each_once(
    memo: object,
    known: Callable[[Sequence[K]], Mapping[K, T]],
    keys: Sequence[K],
    find_out: Callable[[Sequence[K]], Awaitable[Mapping[K, T]]],
) -> dict[K, T]:
    """What belongs to distinct keys; found out by the first who asks, while the others wait.

    Keys of two memos are told apart. ``known`` is what the memo holds of keys, and ``find_out`` is
    called with those that nobody is finding out; it keeps what it finds in the memo. If it fails or
    is cancelled, the next who waits tries.
    """
    under_way = of_loop(_UNDER_WAY)
    results: dict[K, T] = {}
    while missing := [key for key in keys if key not in results]:
        if kept := known(missing):
            results |= kept
            continue
        own = [key for key in missing if (id(memo), key) not in under_way]
        if not own:
            await under_way[id(memo), missing[0]].wait()
            continue
        over = anyio.Event()
        under_way |= {(id(memo), key): over for key in own}
        try:
            results |= await find_out(own)
        finally:
            for key in own:
                del under_way[id(memo), key]
            over.set()
    return results


def first_error(error: BaseException) -> BaseException:
    """The first error in a group, however deep; an error that is no group is itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def cache_policy(model: Model, **scopes: str) -> CachePolicy:
    """The same question to the same model has the same answer, in every epoch, eval and scoring.

    Inspect's own key holds a model's name, but neither its arguments (a path to weights, say) nor
    an address that its client took from the environment; here they are part of it, but for how
    long the client waits. ``scopes``: what else the answer depends on.
    """
    address = getattr(getattr(model.api, "client", None), "base_url", "")
    arguments = {name: v for name, v in model.model_args.items() if name != "client_timeout"}
    # An object's own text may hold where it lies in memory; its type does not.
    identity = json.dumps(
        [arguments, str(address)], sort_keys=True, default=lambda o: type(o).__qualname__
    )
    # A digest, since arguments may hold secrets.
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return CachePolicy(expiry=None, per_epoch=False, scopes={"model": digest, **scopes})


def event_of(output: ModelOutput) -> ModelEvent | None:
    ids = {choice.message.id for choice in output.choices}
    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and ids & {c.message.id for c in event.output.choices}:
            return event
    return None


def came_from_cache(output: ModelOutput) -> bool:
    event = event_of(output)
    return event is not None and event.cache == "read"
