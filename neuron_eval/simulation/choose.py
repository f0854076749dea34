"""Which way to simulate, and with which model."""

from __future__ import annotations

from typing import Literal, get_args

from inspect_ai.model import Model, get_model, model_roles

from neuron_eval.embedding import TextEmbedder, resolve_embedder
from neuron_eval.explain import reasons
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Simulation
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.embedding import EmbeddingSimulation

Way = Literal["auto", "chat", "embedding"]

ROLE = "simulator"
"""The Inspect model role whose model simulates."""

BASELINE = "neuron-baseline"
"""The provider of explainers that cannot simulate."""


def check_way(simulation: str) -> Way:
    """The way that a user named.

    Raises:
        ValueError: There is no such way; the message lists those there are.
    """
    for way in get_args(Way):
        if simulation == way:
            return way  # type: ignore[no-any-return]
    raise ValueError(f"simulation={simulation!r}: allowed are {', '.join(get_args(Way))}")


def choose_simulation(way: Way, pack: Pack) -> Simulation:
    """Bind a way to simulate to its model, inside a running eval.

    ``auto`` is ``embedding`` if no simulator is named and the explainer is the baseline, which
    cannot simulate, and ``chat`` otherwise. If no simulator is named, the explainer simulates at
    temperature 0; its usage counts under the role ``simulator`` all the same.

    Raises:
        ValueError: ``chat`` with the baseline as the simulator.
        PackError: The pack has no wording for it.
    """
    named = ROLE in model_roles()
    model = get_model(role=ROLE, default=get_model())
    baseline = str(model).startswith(f"{BASELINE}/")
    if way == "embedding" or (way == "auto" and baseline and not named):
        return EmbeddingSimulation(TextEmbedder(resolve_embedder()))
    if baseline:
        raise ValueError(
            f"{model} cannot simulate; name a simulator with --model-role {ROLE}=PROVIDER/MODEL "
            "or use -T simulation=embedding"
        )
    return chat(model, pack, named=named)


def chat(model: Model, pack: Pack, *, named: bool) -> ChatSimulation:
    """The chat way with one model.

    Raises:
        PackError: The pack has no wording for it.
    """
    if pack.chat is None:
        raise PackError(f"prompt pack {pack.name!r} has no section simulation.chat")
    return ChatSimulation(Asker(model, named=named, reasoning=reasons(model)), pack.chat)
