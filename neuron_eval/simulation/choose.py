"""Which way to simulate, and with which model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from inspect_ai.model import Model, get_model, model_roles
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.embedding import TextEmbedder, resolve_embedder
from neuron_eval.explain.solvers import reasons
from neuron_eval.models.edge import guarded
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_choice
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.simulation.all_at_once import AllAtOnceSimulation
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.base import Simulation
from neuron_eval.simulation.chat import EXCERPTS_PER_CALL as CHAT_PACK
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.embedding import EmbeddingSimulation
from neuron_eval.simulation.per_token import PerTokenSimulation
from neuron_eval.simulation.probe import ROOM, best_way, check_output_logprobs
from neuron_eval.simulation.sparse import EXCERPTS_PER_CALL as SPARSE_PACK
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.usage_error import UsageError, usage_errors

Way = Literal["auto", "all_at_once", "chat", "sparse", "per_token", "embedding"]

ROLE = "simulator"
"""The Inspect model role whose model simulates."""

BASELINE = "neuron-baseline"
"""The provider of explainers that cannot simulate."""

NO_MODEL = "none/none"
"""What Inspect makes of ``--model none``: there is no explainer, and so none that simulates."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A model that simulates."""

    model: Model
    """The model."""

    named: bool
    """Whether the user named it as the simulator; if not, it is the explainer."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A way to simulate, and why it is that one."""

    simulation: Simulation
    """The way, bound to its model."""

    why: str
    """For a person reading the log."""


def check_way(simulation: str) -> Way:
    """The way that a user named.

    Raises:
        ValueError: There is no such way; the message lists those there are.
    """
    return cast(Way, check_choice("simulation", simulation, get_args(Way)))


def simulator() -> Simulator:
    """The model that simulates in the running eval: the role's, else the explainer.

    The explainer's usage counts under the role all the same.
    """
    return Simulator(
        guarded(get_model(role=ROLE, default=get_model())), named=ROLE in model_roles()
    )


async def choose_simulation(
    way: Way, pack: Pack, found: Simulator, excerpts_per_call: int | None = None
) -> Chosen:
    """Bind a way to simulate to its model, inside a running eval.

    ``auto`` is ``embedding`` if no simulator is named and the explainer is the baseline; else
    ``all_at_once`` if the simulator gives log-probabilities of the prompt, and ``sparse`` if it
    does not; ``chat`` only where the pack does not word that. It asks once an eval, see
    `neuron_eval.simulation.probe`. docs/study.md says what each way is worth.

    Args:
        way: What the user asked for.
        pack: The prompt pack.
        found: The simulator.
        excerpts_per_call: How many excerpts go into one request, for ``chat`` and ``sparse``;
            None is the way's own default.

    Raises:
        ValueError: The baseline is the simulator, or there is none.
        PackError: The pack has no wording for the way.
        PromptLogprobsUnsupportedError: ``all_at_once``, and the server gives none.
        NoLogprobsError: ``per_token``, and the model gives none.
    """
    if way == "embedding" or (way == "auto" and not found.named and _is_baseline(found)):
        why = "asked for" if way == "embedding" else "no simulator named, and the baseline is none"
        return Chosen(EmbeddingSimulation(TextEmbedder(resolve_embedder())), why)
    _refuse(found)
    why = "asked for"
    if way == "auto":
        way, why = await best_way(found.model, pack)
    return Chosen(_WAYS[way](found, pack, excerpts_per_call), why)


@solver
def check_simulation(simulation: str, pack: str | None = None) -> Solver:
    """Refuse a simulator that cannot simulate the way asked for, before anything is explained.

    ``auto`` asks nothing here, unless the pack words no way that every model can do.

    Raises:
        UsageError: There is no such way, the pack has no words for it, or no model is there to
            simulate.
    """
    with usage_errors():
        way, wording = check_way(simulation), load_pack(pack)
        if way in _WAYS and getattr(wording, way) is None:
            raise _no_wording(wording, way)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        found = simulator()
        if way == "embedding" or (way == "auto" and _is_baseline(found) and not found.named):
            return state
        _refuse(found)
        with about_neuron(state.sample_id):
            if way == "auto" and not (wording.chat or wording.sparse):
                await best_way(found.model, wording)
            if way == "all_at_once":
                await _all_at_once(found, wording).check()
            elif way == "per_token":
                await check_output_logprobs(found.model, _asker(found).settings(ROOM))
        return state

    return solve


def _is_baseline(found: Simulator) -> bool:
    return str(found.model).startswith(f"{BASELINE}/")


def _refuse(found: Simulator) -> None:
    """Refuse a model that can only explain, and the absence of one.

    Raises:
        UsageError: Says how to name another.
    """
    if str(found.model) == NO_MODEL:
        raise UsageError(
            f"no simulator: --model is none; name one with --model-role {ROLE}=PROVIDER/MODEL, or "
            "use -T simulation=embedding, or -T simulation=none for AdaCS alone"
        )
    if _is_baseline(found):
        raise UsageError(
            f"{found.model} cannot simulate; name a simulator with --model-role "
            f"{ROLE}=PROVIDER/MODEL or use -T simulation=embedding"
        )


def _asker(found: Simulator) -> Asker:
    return Asker(found.model, named=found.named, reasoning=reasons(found.model))


def _all_at_once(found: Simulator, pack: Pack, _: int | None = None) -> AllAtOnceSimulation:
    if pack.all_at_once is None:
        raise _no_wording(pack, "all_at_once")
    return AllAtOnceSimulation(found.model, pack.all_at_once, pack.few_shot)


def _chat(found: Simulator, pack: Pack, excerpts_per_call: int | None) -> ChatSimulation:
    if pack.chat is None:
        raise _no_wording(pack, "chat")
    return ChatSimulation(_asker(found), pack.chat, excerpts_per_call or CHAT_PACK)


def _sparse(found: Simulator, pack: Pack, excerpts_per_call: int | None) -> SparseSimulation:
    if pack.sparse is None:
        raise _no_wording(pack, "sparse")
    return SparseSimulation(_asker(found), pack.sparse, excerpts_per_call or SPARSE_PACK)


def _per_token(found: Simulator, pack: Pack, _: int | None) -> PerTokenSimulation:
    if pack.per_token is None:
        raise _no_wording(pack, "per_token")
    return PerTokenSimulation(_asker(found), pack.per_token)


def _no_wording(pack: Pack, way: str) -> PackError:
    return PackError(f"prompt pack {pack.name!r} has no section simulation.{way}")


_WAYS: Mapping[str, Callable[[Simulator, Pack, int | None], Simulation]] = {
    "all_at_once": _all_at_once,
    "chat": _chat,
    "sparse": _sparse,
    "per_token": _per_token,
}
