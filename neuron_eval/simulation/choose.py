"""Which way to simulate, and with which model.

What a simulator's provider can do shows in what its first reply holds; no table of providers, which
differ, change, and stand behind gateways. One short question a model and process.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal
from weakref import WeakKeyDictionary

from inspect_ai.model import Model, ModelAPI, get_model, model_roles
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.solvers import reasons
from neuron_eval.models.edge import guarded
from neuron_eval.models.requests import once
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_choice
from neuron_eval.plugins import with_failures
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack, PackError
from neuron_eval.simulation import Simulation, Simulator, ways
from neuron_eval.simulation.prompt_logprobs import PromptLogprobsUnsupportedError
from neuron_eval.usage_error import UsageError, usage_errors

ROLE = "simulator"  # the Inspect model role whose model simulates
BASELINE = "neuron-baseline"  # the provider of explainers that cannot simulate

NO_MODEL = "none/none"
"""What Inspect makes of ``--model none``: there is no explainer, and so none that simulates."""

AUTO = ("all_at_once", "sparse", "chat")
"""What ``auto`` chooses from, the best first; docs/study.md says what each is worth."""

_DECIDED: WeakKeyDictionary[ModelAPI, dict[tuple[str, ...], tuple[str, str]]] = WeakKeyDictionary()
"""By model and by the ways that the prompt pack has words for."""


def check_way(simulation: str, also: Sequence[str] = ()) -> str:
    """The way that a user named: ``auto``, one of the ways, or what else the caller takes."""
    try:
        return check_choice("simulation", simulation, ("auto", *ways(), *also))
    except ValueError as error:
        error.args = (with_failures(str(error), "ways"),)
        raise


def asks_model(simulation: str) -> bool:
    """Whether a model may have to simulate: for ``auto``, and for a way that needs one."""
    way = ways().get(simulation)
    return simulation == "auto" or (way is not None and way.needs_model)


def role_simulator() -> Simulator:
    """The model that simulates in the running eval: the role's, else the explainer.

    The explainer's usage counts under the role all the same.
    """
    return Simulator(
        guarded(get_model(role=ROLE, default=get_model())), named=ROLE in model_roles()
    )


async def choose_simulation(
    way: str, pack: Pack, simulator: Simulator, excerpts_per_call: int | None = None
) -> tuple[Simulation, str]:
    """Bind a way to simulate to its model, inside a running eval; and say why it is that one.

    ``auto`` is ``embedding`` if no simulator is named and the explainer is the baseline; else
    ``all_at_once`` if the simulator gives log-probabilities of the prompt, and ``sparse`` if it
    does not; ``chat`` only where the pack does not word that. It asks once an eval.
    """
    why = "asked for"
    if way == "auto" and not simulator.named and is_baseline(simulator.model):
        way, why = "embedding", "no simulator named, and the baseline is none"
    if way == "auto" or ways()[way].needs_model:
        _refuse(simulator)
    if way == "auto":
        way, why = await best_way(simulator.model, pack)
    return ways()[way].bind(simulator, pack, excerpts_per_call), why


@solver
def check_simulation(simulation: str, pack: str | None = None) -> Solver:
    """Refuse a simulator that cannot simulate the way asked for, before anything is explained.

    ``auto`` asks nothing here, unless the pack words no way that every model can do.
    """
    with usage_errors():
        way, wording = check_way(simulation, also=("none",)), load_pack(pack)
        chosen = ways().get(way)
        if chosen is not None and chosen.wording is not None:
            wording.simulation_wording(way)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        simulator = needed_simulator(role_simulator(), way)
        if simulator is not None and (check := own_check(way, wording)):
            with about_neuron(state.sample_id):
                await check(simulator)
        return state

    return solve


def needed_simulator(simulator: Simulator, way: str) -> Simulator | None:
    """The simulator, if this way to simulate asks one; a UsageError says that it cannot."""
    chosen = ways().get(way)
    if chosen is None and is_baseline(simulator.model) and not simulator.named:
        return None
    if chosen is not None and not chosen.needs_model:
        return None
    _refuse(simulator)
    return simulator


def own_check(way: str, pack: Pack) -> Callable[[Simulator], Awaitable[object]] | None:
    """What finds out whether a simulator can simulate this way; None where every one can."""
    chosen = ways().get(way)
    if chosen is not None and chosen.check is not Simulation.check:
        return lambda simulator: chosen.bind(simulator, pack, None).check()
    if chosen is None and not pack.simulation.keys() & {"chat", "sparse"}:
        return lambda simulator: best_way(simulator.model, pack)
    return None


def is_baseline(model: Model | str) -> bool:
    return str(model).startswith(f"{BASELINE}/")


def check_able(simulator: Simulator, does: Literal["judge", "write"]) -> Simulator:
    """The same model, which judges excerpts or writes texts; a UsageError says that it cannot."""
    noun = {"judge": "judge", "write": "writer"}[does]
    named = f"name a {noun} with --model-role {ROLE}=PROVIDER/MODEL"
    if str(simulator.model) == NO_MODEL:
        raise UsageError(f"no model {does}s: --model is none; {named}")
    if is_baseline(simulator.model):
        raise UsageError(f"{simulator.model} cannot {does}; {named}")
    return simulator


def _refuse(simulator: Simulator) -> None:
    if str(simulator.model) == NO_MODEL:
        raise UsageError(
            f"no simulator: --model is none; name one with --model-role {ROLE}=PROVIDER/MODEL, or "
            "use -T simulation=embedding, or -T simulation=none for AdaCS alone"
        )
    if is_baseline(simulator.model):
        raise UsageError(
            f"{simulator.model} cannot simulate; name a simulator with --model-role "
            f"{ROLE}=PROVIDER/MODEL or use -T simulation=embedding"
        )


def auto_ways(pack: Pack, *, reasoning: bool) -> tuple[str, ...]:
    """What ``auto`` may come to, before the model is asked; empty if the pack words none of it."""
    worded = _worded(pack)
    if "sparse" not in worded:
        return worded
    return ("sparse",) if reasoning else tuple(way for way in worded if way != "chat")


async def best_way(model: Model, pack: Pack) -> tuple[str, str]:
    """The best way to simulate with a model and a prompt pack, and why."""
    worded = _worded(pack)
    if not worded:
        raise PackError(f"prompt pack {pack.name!r} has no section simulation.{' or '.join(AUTO)}")
    decided = _DECIDED.setdefault(model.api, {})
    return await once(decided, worded, lambda: _decide(model, pack, worded))


def _worded(pack: Pack) -> tuple[str, ...]:
    return tuple(way for way in AUTO if way in pack.simulation)


async def _decide(model: Model, pack: Pack, worded: tuple[str, ...]) -> tuple[str, str]:
    only = worded == ("all_at_once",)
    if "all_at_once" in worded and not reasons(model):
        all_at_once = ways()["all_at_once"].bind(Simulator(model, named=True), pack, None)
        try:
            dialect = await all_at_once.check()
            return "all_at_once", f"its server gives log-probabilities of the prompt ({dialect})"
        except PromptLogprobsUnsupportedError:
            if only:
                raise
    if only:
        raise PromptLogprobsUnsupportedError(
            f"prompt pack {pack.name!r} words no way to simulate but all_at_once, which {model} "
            "cannot do: Inspect's model data say that it reasons"
        )
    if "sparse" not in worded:
        return "chat", "the prompt pack words no other way that the simulator can do"
    if reasons(model):
        return "sparse", "Inspect's model data say that it reasons, so it is not asked for more"
    if "all_at_once" not in worded:
        return "sparse", "the prompt pack does not word all_at_once"
    return "sparse", "its server gives no log-probabilities of the prompt; chat takes more tokens"
