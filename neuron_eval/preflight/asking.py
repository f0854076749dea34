"""How models are asked before an eval: quickly, together, and each once a process."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, ContextVar
from copy import copy
from dataclasses import dataclass, field
from logging import getLogger
from weakref import WeakKeyDictionary

import anyio
import httpx
from inspect_ai.model import GenerateConfig, Model, ModelAPI, get_model

from neuron_eval.embedding.hosted import OpenAIEmbedder
from neuron_eval.explain.solvers import set_by_user
from neuron_eval.inspect_private import active_model
from neuron_eval.models.edge import guarded
from neuron_eval.models.requests import together
from neuron_eval.models.server_errors import ModelError, address_of, cause_of, model_errors
from neuron_eval.simulation.per_token import NoLogprobsError
from neuron_eval.simulation.prompt_logprobs import PromptLogprobsUnsupportedError
from neuron_eval.usage_error import UsageError

NOT_TRIED = (
    "embed-local", "hf", "human", "mockllm", "neuron-baseline", "neuron-fake", "neuron-subject",
    "nnterp", "none", "transformer_lens",
)  # fmt: skip
"""Providers that cost nothing, or would load a model twice to be asked."""

OWN_SERVERS = ("sglang", "vllm")
"""Providers that may start a server of their own, which takes minutes; its address tells."""

REACHED = 3.0  # seconds in which a server answers an HTTP request that asks its model nothing
ANSWERED = 5.0  # seconds in which its model answers, or else is slow

_LEAVE_OUT: ContextVar[str | None] = ContextVar("neuron_eval leave out", default="-T check=false")

_TRIED: WeakKeyDictionary[ModelAPI, set[str]] = WeakKeyDictionary()
"""By model: what it was asked in this process."""

logger = getLogger(__name__)


class UnableError(ModelError):
    """A model that answers, but not in the way that is needed."""


@contextmanager
def command_check(wanted: bool, option: str = "--no-check") -> Iterator[None]:
    """Within a command: the models are asked, or they are not, as its ``option`` has it."""
    token = _LEAVE_OUT.set(option if wanted else None)
    try:
        yield
    finally:
        _LEAVE_OUT.reset(token)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a model is asked in a role."""

    role: str
    model: Model
    kind: str  # one question of a kind goes to a model
    ask: Callable[[Model], Awaitable[object]] = field(compare=False)


def check_models(wanted: Iterable[Trial | None]) -> None:
    """Ask each model, all at once, and refuse what cannot be used; of None nothing is asked.

    What is asked twice goes out once, and what was asked in this process is not asked again. What
    may pass (too many requests, a server that starts, a slow model) is a warning. A UsageError says
    that a server cannot be reached, refuses, or that its model cannot do what it is for; a
    PrerequisiteError that a model cannot be made.
    """
    fresh: dict[tuple[int, str], tuple[Trial, GenerateConfig]] = {}
    for each in filter(None, wanted):
        if _costs(each.model) and each.kind not in _TRIED.setdefault(each.model.api, set()):
            fresh.setdefault((id(each.model.api), each.kind), (each, _settings(each.model)))
    if not fresh or _LEAVE_OUT.get() is None:
        return
    # In a thread of its own, since Inspect makes tasks within its event loop or outside of one; and
    # in a context of its own, where the user's --max-retries is not in force.
    trials, alone = list(fresh.values()), Context()
    with ThreadPoolExecutor(1) as thread:
        faults = thread.submit(lambda: alone.run(lambda: anyio.run(_ask_all, trials))).result()
    for fault in faults:
        hint = f" {_LEAVE_OUT.get()} leaves this check out."
        sentence = fault.message.removesuffix(".")
        raise UsageError(f"{sentence}.{'' if isinstance(fault, UnableError) else hint}") from fault
    for trial, _ in trials:
        _TRIED[trial.model.api].add(trial.kind)


def _costs(model: Model) -> bool:
    provider = str(model).partition("/")[0].removesuffix("-completions")
    return provider not in NOT_TRIED and not (provider in OWN_SERVERS and not address_of(model))


def _settings(model: Model) -> GenerateConfig:
    """The model's settings, but so that it is quick to fail."""
    active = active_model()
    own = set_by_user(model) if active and model.api is active.api else model.config
    return own.merge(GenerateConfig(max_retries=0, batch=False))


async def _ask_all(trials: list[tuple[Trial, GenerateConfig]]) -> list[ModelError]:
    """What is wrong, in the order of the trials."""

    async def fault(trial: Trial, config: GenerateConfig) -> ModelError | None:
        try:
            await _reach(trial)
            await _try(trial, config)
        except ModelError as error:
            return error
        return None

    return [error for error in await together(*(fault(*each) for each in trials)) if error]


async def _reach(trial: Trial) -> None:
    """Refuse a server that does not answer: a cached reply would hide it, a slow model is alike."""
    address = address_of(trial.model)
    if not address:
        return  # it is its provider's own
    try:
        # Nothing secret is sent, so that it does not matter who answers.
        async with (
            httpx.AsyncClient(verify=False, timeout=REACHED) as client,
            client.stream("GET", f"{address}/models"),
        ):
            return
    except httpx.TimeoutException:
        why = f"gave no answer within {REACHED:g} seconds"
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        why = f"cannot be reached ({error})"
    except httpx.HTTPError:
        return  # there is something
    raise ModelError(
        f"The server of the {trial.role} {trial.model} at {address} {why}; start it, or "
        "correct its address"
    )


async def _try(trial: Trial, config: GenerateConfig) -> None:
    """Ask a model; what may pass is only logged."""
    async with _own(trial.model, config) as model:
        try:
            with anyio.move_on_after(ANSWERED) as time, model_errors(trial.role, model):
                await trial.ask(model)
        except ModelError as error:
            cause = cause_of(error)
            if isinstance(cause, PromptLogprobsUnsupportedError | NoLogprobsError):
                raise UnableError(str(cause).partition(" What was tried:")[0]) from error
            if not model.should_retry(cause):
                raise
            logger.warning(f"{error.message.removesuffix('.')}. This may pass: the eval goes on.")
        if time.cancelled_caught:
            logger.warning(
                f"The {trial.role} {model} took more than {ANSWERED:g} seconds for a short "
                "question. It is slow, or busy: the eval goes on."
            )


@asynccontextmanager
async def _own(model: Model, config: GenerateConfig) -> AsyncIterator[Model]:
    """The same model with clients of its own, as they belong to the event loop they are used in."""
    if isinstance(model.api, OpenAIEmbedder):  # it makes a client for each loop
        lent = copy(model)
        lent.config = config
        yield lent
        return
    made = get_model(
        str(model),
        config=config,
        base_url=model.api.base_url,
        api_key=model.api.initial_api_key,
        memoize=False,
        **model.model_args,
    )
    async with made:
        yield guarded(made)
