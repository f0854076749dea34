"""Does each score notice an explanation that covers half of a concept, or twice of it?

inspect eval neuron_eval/sanity                       on the neurons that ship, no model is asked
inspect eval neuron_eval/sanity -T neurons=mine.jsonl
inspect eval neuron_eval/sanity -T concept=rewritten -T judge=detection,fuzzing
        --model none --model-role simulator=openai/gpt-4o-mini      what scores that ask it notice
"""

from collections.abc import Mapping
from typing import Any, Unpack, get_args

from inspect_ai import Task, task
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.dataset import NeuronSet, about, dataset, neuron_set
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.given.origin import given
from neuron_eval.logs.files import CHECKED
from neuron_eval.logs.sanity import print_at_the_end
from neuron_eval.messages import InputError
from neuron_eval.metrics import sanity_config
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import (
    check_choice,
    check_excerpts_per_call,
    check_flag,
    check_known,
    check_writable,
    given_among,
)
from neuron_eval.preflight import check_task
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import deal_all, from_metadata
from neuron_eval.sanity import REWRITTEN
from neuron_eval.scorers import sanity_checks as checks
from neuron_eval.scorers.rewritten import narrowed_reference, widened_reference
from neuron_eval.simulation import Simulated, without_nan
from neuron_eval.simulation.choose import (
    check_simulation,
    check_way,
    choose_simulation,
    role_simulator,
)
from neuron_eval.simulation.measure import as_scored
from neuron_eval.sources.choosing import Choice, parse_choice
from neuron_eval.task import CHOOSING, NO_SIMULATION, READING, VERSION, Parameters, ask_models
from neuron_eval.tasks.rewriting import scored_rewritings
from neuron_eval.usage_error import usage_errors

SIMULATING = ("simulation", "pack", "excerpts_per_call")

CHECKED_READING = tuple(name for name in READING if name != "excerpts_scored")

ALLOWED = ("neurons", *CHOOSING, *CHECKED_READING, *SIMULATING, "judge", "check")
"""Those of a task's parameters that have a part where scores are checked."""

CONCEPTS = (*get_args(checks.Concept), REWRITTEN)

FEW_LABELS = 2
"""A concept that is true of fewer natural tokens, on average, is too rare to be checked."""


@task
def sanity(
    concept: str = "truth", alpha: float = checks.ALPHA, **parameters: Unpack[Parameters]
) -> Task:
    """Check which scores can be believed.

    Args:
        concept: ``truth``: a concept is the tokens on which the neuron is active; no model is
            asked. ``reference``: it is those for which the neuron's reference explanation, given
            to the simulator, predicts the most. Labels of these are changed, which needs neurons
            with random excerpts. ``rewritten``: the simulator makes the reference too narrow and
            too broad, and the simulation and every ``judge`` score the three.
        alpha: The share of all tokens that the concept is true of, where labels are changed.
        **parameters: Those of `neuron_eval.task.explanation_task` in `ALLOWED`. ``excerpts`` says
            how many top and how many random excerpts a score over these uses; all text is
            estimated from every excerpt. ``seed`` also draws labels.

    Raises:
        UsageError: A parameter has no part here or is not among the allowed values, or the
            neurons cannot be used; the message says which and what would be right.
    """
    chosen: dict[str, Any] = dict(parameters)
    with usage_errors():
        check_known(chosen, ("concept", "alpha", *ALLOWED), " for the sanity checks")
        check_writable(concept=concept, alpha=alpha, **chosen)
        check_choice("concept", concept, CONCEPTS)
        neurons = chosen.get("neurons", "smollm2")
        choice = parse_choice(neurons, **given_among(CHOOSING, chosen))
        reading = given_among(CHECKED_READING, chosen)
        if concept == REWRITTEN:
            if alpha != checks.ALPHA:
                raise InputError(
                    f"-T alpha: has no part with concept={REWRITTEN}, which has no labels"
                )
            made = _of_rewritten(chosen, choice, reading)
        else:
            made = _of_labels(chosen, choice, reading, concept, alpha)
    print_at_the_end()
    return made


def _of_labels(
    chosen: Mapping[str, Any],
    choice: Choice,
    reading: Mapping[str, Any],
    concept: str,
    alpha: float,
) -> Task:
    simulated, share = checks.check_concept(concept) == "reference", checks.check_alpha(alpha)
    if "judge" in chosen:
        raise InputError(f"-T judge: has a part only with concept={REWRITTEN}: it sees no labels")
    asking = given_among(SIMULATING, chosen)
    way, pack = asking.get("simulation", "auto"), asking.get("pack")
    if simulated:
        ask_models(way, pack, chosen.get("check", True), explains=False)
    neurons = neuron_set(choice, dealing=lambda neuron, n, scored: deal_all(neuron, n), **reading)
    solvers = [given("reference")]
    if simulated:
        solvers = [check_simulation(way, pack), *solvers, simulated_excerpts(**asking)]
    scorers = (
        *(checks.missing_labels, checks.extra_labels),
        *(checks.missing_labels_top_random, checks.extra_labels_top_random),
    )
    rare = too_rare(neurons, share)
    return Task(
        dataset=dataset(neurons),
        solver=solvers,
        scorer=[check(concept, share, choice.seed) for check in scorers],
        model=None if simulated else "none",
        version=VERSION,
        metadata={CHECKED: concept, "sanity_alpha": share, **about(neurons, rare)},
        viewer=sanity_config(),
    )


def _of_rewritten(chosen: Mapping[str, Any], choice: Choice, reading: Mapping[str, Any]) -> Task:
    way, pack, judge = chosen.get("simulation", "auto"), chosen.get("pack"), chosen.get("judge")
    per_call = chosen.get("excerpts_per_call")
    rewriting = scored_rewritings(way, judge, pack, per_call)
    setup = [] if way == NO_SIMULATION else [check_simulation(way, pack)]
    check = chosen.get("check", True)
    check_flag("check", check)
    if check:
        check_task(False, None if way == NO_SIMULATION else way, pack, False, judging=True)
    neurons = neuron_set(choice, **reading)
    return Task(
        dataset=dataset(neurons),
        solver=[*setup, given("reference"), rewriting],
        scorer=[narrowed_reference(), widened_reference()],
        version=VERSION,
        metadata={CHECKED: REWRITTEN, **about(neurons)},
        viewer=sanity_config(),
    )


def too_rare(neurons: NeuronSet, alpha: float) -> list[str]:
    """A sentence if most neurons have too few tokens for a concept that is so rare."""
    expected = [alpha * checks.natural_tokens(neuron.dealt) for neuron in neurons.neurons]
    few = sum(number < FEW_LABELS for number in expected)
    if few <= len(expected) / 2:
        return []
    return [
        f"{few} of {len(expected)} neurons have too few excerpts: a concept that is true of a "
        f"share of {alpha:g} of all tokens is true of fewer than {FEW_LABELS} of theirs, so that a "
        "check may change no label; use a larger -T alpha, or neurons with more random excerpts"
    ]


@solver
def simulated_excerpts(
    simulation: str = "auto", pack: str | None = None, excerpts_per_call: int | None = None
) -> Solver:
    """Simulate every excerpt from the output, for the sample's store; parameters as a task's."""
    with usage_errors():
        way, wording = check_way(simulation), load_pack(pack)
        check_excerpts_per_call(excerpts_per_call)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if bad_explanation(state.output) is not None:
            return state
        dealt = from_metadata(state.metadata, state.sample_id)
        excerpts = checks.every_excerpt(dealt)
        with about_neuron(state.sample_id):
            simulate, _ = await choose_simulation(way, wording, role_simulator(), excerpts_per_call)
            outcomes = await simulate(state.output.completion.strip(), excerpts)
        predicted = {
            excerpt.name: without_nan(outcome.values)
            for excerpt, outcome in map(as_scored, zip(excerpts, outcomes, strict=True))
            if isinstance(outcome, Simulated)
        }
        state.store.set(checks.PREDICTED, predicted)
        return state

    return solve
