"""What a simulator's provider can do, found out from what its first reply holds.

No table of providers: servers differ, change, and stand behind gateways. One short question a
model and process; Inspect's cache answers it in later ones.
"""

from __future__ import annotations

from typing import Literal, get_args
from weakref import WeakKeyDictionary

from inspect_ai.model import ChatMessageUser, GenerateConfig, Model, ModelAPI

from neuron_eval.explain.solvers import reasons
from neuron_eval.models.refused_parameters import room_given
from neuron_eval.models.requests import cache_policy, once
from neuron_eval.models.server_errors import raise_failure
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.simulation.all_at_once import AllAtOnceSimulation
from neuron_eval.simulation.logprobs import forget_logprobs, with_logprobs
from neuron_eval.simulation.per_token import NoLogprobsError
from neuron_eval.simulation.prompt_logprobs import PromptLogprobsUnsupportedError

BestWay = Literal["all_at_once", "sparse", "chat"]

QUESTION = "Answer with one digit: how many legs does a cat have?"

ROOM = 16
"""Output tokens for the answer."""

_DECIDED: WeakKeyDictionary[ModelAPI, dict[tuple[str, ...], tuple[BestWay, str]]] = (
    WeakKeyDictionary()
)
"""By model and by the ways that the prompt pack has words for."""

_LOGPROBS: WeakKeyDictionary[ModelAPI, bool] = WeakKeyDictionary()


async def best_way(model: Model, pack: Pack) -> tuple[BestWay, str]:
    """The best way to simulate with a model and a prompt pack, and why.

    Args:
        model: The simulator.
        pack: The prompt pack.

    Raises:
        PackError: The pack has no words for any way that `auto` chooses from.
        PromptLogprobsUnsupportedError: It has words for ``all_at_once`` alone, and the model's
            server cannot do that.
    """
    worded = tuple(way for way in get_args(BestWay) if getattr(pack, way) is not None)
    if not worded:
        raise PackError(
            f"prompt pack {pack.name!r} has no section simulation.{' or '.join(get_args(BestWay))}"
        )
    decided = _DECIDED.setdefault(model.api, {})
    return await once(decided, worded, lambda: _decide(model, pack, worded))


async def check_output_logprobs(model: Model, settings: GenerateConfig) -> None:
    """Make sure that a model gives log-probabilities of its reply.

    Args:
        model: The simulator.
        settings: With what a short question is asked.

    Raises:
        NoLogprobsError: It gives none.
    """
    if not await _gives_logprobs(model, settings):
        raise NoLogprobsError(
            f"{model} gives no log-probabilities of its replies, which simulation=per_token "
            "reads; use -T simulation=chat or -T simulation=sparse"
        )


async def _decide(model: Model, pack: Pack, worded: tuple[str, ...]) -> tuple[BestWay, str]:
    if pack.all_at_once is not None and not reasons(model):
        try:
            dialect = await AllAtOnceSimulation(model, pack.all_at_once, ()).check()
        except PromptLogprobsUnsupportedError:
            if worded == ("all_at_once",):
                raise
        else:
            return "all_at_once", f"its server gives log-probabilities of the prompt ({dialect})"
    if worded == ("all_at_once",):
        raise PromptLogprobsUnsupportedError(
            f"prompt pack {pack.name!r} words no way to simulate but all_at_once, which {model} "
            "cannot do: Inspect's model data say that it reasons"
        )
    if "sparse" not in worded:
        return "chat", "the prompt pack words no other way that the simulator can do"
    if reasons(model):
        return "sparse", "Inspect's model data say that it reasons, so it is not asked for more"
    if pack.all_at_once is None:
        return "sparse", "the prompt pack does not word all_at_once"
    return "sparse", "its server gives no log-probabilities of the prompt; chat takes more tokens"


async def _gives_logprobs(model: Model, settings: GenerateConfig) -> bool:
    return await once(_LOGPROBS, model.api, lambda: _ask(model, settings))


async def _ask(model: Model, settings: GenerateConfig) -> bool:
    if reasons(model):
        return False
    try:
        output = await with_logprobs(
            model, [ChatMessageUser(content=QUESTION)], settings, cache_policy(model)
        )
    except Exception as error:
        # what the user set may be more than the server gives
        given = room_given(error, settings.max_tokens) if settings.max_tokens else None
        if given and given >= ROOM:
            return await _ask(model, settings.merge(GenerateConfig(max_tokens=given)))
        raise_failure("simulator", model, error)
    found = any(choice.logprobs and choice.logprobs.content for choice in output.choices)
    forget_logprobs(output)
    return found
