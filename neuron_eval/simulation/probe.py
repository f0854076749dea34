"""What a simulator's provider can do, found out from what its first reply holds.

No table of providers: servers differ, change, and stand behind gateways. One short question a
model and process; Inspect's cache answers it in later ones.
"""

from __future__ import annotations

from typing import Literal
from weakref import WeakKeyDictionary

from inspect_ai.model import ChatMessageUser, GenerateConfig, Model, ModelAPI

from neuron_eval.concurrently import once
from neuron_eval.explain import reasons
from neuron_eval.simulation.all_at_once import AllAtOnceSimulation
from neuron_eval.simulation.asking import CACHE, TOP_LOGPROBS, forget_logprobs
from neuron_eval.simulation.per_token import NoLogprobsError
from neuron_eval.simulation.prompt_logprobs import PromptLogprobsUnsupportedError

BestWay = Literal["all_at_once", "chat", "sparse"]

QUESTION = "Answer with one digit: how many legs does a cat have?"

_DECIDED: WeakKeyDictionary[ModelAPI, tuple[BestWay, str]] = WeakKeyDictionary()
_LOGPROBS: WeakKeyDictionary[ModelAPI, bool] = WeakKeyDictionary()


async def best_way(model: Model, prompt: AllAtOnceSimulation | None) -> tuple[BestWay, str]:
    """The best way to simulate with a model, and why.

    Args:
        model: The simulator.
        prompt: The way that reads the prompt's log-probabilities; None if the pack lacks it.
    """
    return await once(_DECIDED, model.api, lambda: _decide(model, prompt))


async def check_output_logprobs(model: Model) -> None:
    """Make sure that a model gives log-probabilities of its reply.

    Raises:
        NoLogprobsError: It gives none.
    """
    if not await _gives_logprobs(model):
        raise NoLogprobsError(
            f"{model} gives no log-probabilities of its replies, which simulation=per_token "
            "reads; use -T simulation=chat or -T simulation=sparse"
        )


async def _decide(model: Model, prompt: AllAtOnceSimulation | None) -> tuple[BestWay, str]:
    if reasons(model):
        return "sparse", "a model that reasons gives no log-probabilities"
    if prompt is not None:
        try:
            dialect = await prompt.check()
        except PromptLogprobsUnsupportedError:
            pass
        else:
            return "all_at_once", f"its server gives log-probabilities of the prompt ({dialect})"
    if await _gives_logprobs(model):
        return "chat", "it gives log-probabilities of its reply, and none of the prompt"
    return "sparse", "it gives no log-probabilities"


async def _gives_logprobs(model: Model) -> bool:
    return await once(_LOGPROBS, model.api, lambda: _ask(model))


async def _ask(model: Model) -> bool:
    if reasons(model):
        return False
    config = GenerateConfig(
        temperature=0.0, max_tokens=16, logprobs=True, top_logprobs=TOP_LOGPROBS
    )
    try:
        output = await model.generate(
            [ChatMessageUser(content=QUESTION)], config=config, cache=CACHE
        )
    except Exception as error:
        # Some servers refuse the question instead of leaving log-probabilities out.
        if "logprobs" not in str(error).lower():
            raise
        return False
    found = any(choice.logprobs and choice.logprobs.content for choice in output.choices)
    forget_logprobs(output)
    return found
