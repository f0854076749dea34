"""Each model of an eval is asked one short question before anything else is, and paid for.

A server that is not there, a wrong key or a model that cannot do what is wanted of it then ends the
eval at once, with a sentence. Inspect has no place for that once an eval runs: an error of a sample
is shown as a stack trace, retried, and repeated by every other sample. But it makes tasks when the
models are known, so there they are asked.
"""

from collections.abc import Iterable

from inspect_ai.model import GenerateConfig, Model, model_roles

from neuron_eval.embedding.embedder import TextEmbedder, resolve_embedder
from neuron_eval.explain.solvers import reasons
from neuron_eval.inspect_private import active_model
from neuron_eval.messages import near_miss
from neuron_eval.models.requests import cache_policy
from neuron_eval.preflight.asking import Trial, check_models
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import NeuronRecord
from neuron_eval.simulation import Simulator
from neuron_eval.simulation.choose import (
    ROLE,
    check_able,
    needed_simulator,
    own_check,
    role_simulator,
)
from neuron_eval.simulation.per_token import QUESTION, ROOM
from neuron_eval.subject.exchange import ROLE as SUBJECT
from neuron_eval.subject.exchange import NeuronPlace, resolve_subject
from neuron_eval.usage_error import UsageError

ROLES = (ROLE, "embedder", SUBJECT)


def says_something(role: str, model: Model) -> Trial:
    async def ask(model: Model) -> object:
        config = GenerateConfig(max_tokens=None if reasons(model) else ROOM)
        return await model.generate(QUESTION, config=config, cache=cache_policy(model))

    return Trial(role, model, "writes", ask)


def simulates(simulator: Simulator, way: str, pack: Pack) -> Trial | None:
    """A question that shows whether a simulator can simulate; None if none is needed.

    A UsageError says that it cannot, as is known unasked.
    """
    if needed_simulator(simulator, way) is None:
        return None
    able = own_check(way, pack)
    if able is None:
        return says_something("simulator", simulator.model)

    async def ask(model: Model) -> object:
        return await able(Simulator(model, simulator.named))

    return Trial("simulator", simulator.model, way, ask)


def embeds(model: Model | None = None) -> Trial:
    """A question to an embedder, else the eval's; a PrerequisiteError says what that needs."""

    async def ask(model: Model) -> object:
        return await TextEmbedder(model).embed(["cat"])

    return Trial("embedder", model or resolve_embedder(), "embeds", ask)


def check_task(
    explains: bool,
    way: str | None,
    pack: str | None,
    compares: bool,
    judging: bool = False,
    experiments: bool = False,
) -> None:
    """Ask the models of the eval that a task is made for; of none, where there is none yet.

    ``explains`` is whether its model does, ``way`` how explanations are simulated, if they are,
    ``pack`` the prompt pack for that, ``compares`` whether there are references, ``judging``
    whether a judge or a writer is asked, and ``experiments`` whether the subject is run. Errors are
    those of `check_models`.
    """
    model = active_model()
    if model is None:
        return
    for role in model_roles():
        if role not in ROLES and (meant := near_miss([role], ROLES)):
            raise UsageError(
                f"--model-role {role}: nobody has this role; there are {', '.join(ROLES)}{meant}"
            )
    if experiments:
        resolve_subject()
    trials = [says_something("explainer", model) if explains else None]
    if judging:
        trials.append(says_something("simulator", check_able(role_simulator(), "judge").model))
    if way is not None:
        simulating = simulates(role_simulator(), way, load_pack(pack))
        trials.append(simulating)
        compares = compares or way == "embedding" or (way == "auto" and not simulating)
    check_models([*trials, embeds() if compares else None])


def check_neurons(neurons: Iterable[NeuronRecord]) -> None:
    """Refuse neurons that the eval's subject does not have, with a UsageError.

    Those of no network are passed over.
    """
    if active_model() is None:
        return
    subject = resolve_subject()
    for neuron in neurons:
        if neuron.layer >= 0 and neuron.neuron >= 0:
            subject.check(NeuronPlace.of(neuron))
