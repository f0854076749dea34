"""`detection`, `fuzzing`, `intruder`: cheaper than a simulation; and what ``judge`` may name."""

from collections.abc import Awaitable, Callable

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from neuron_eval.embedding.embedder import TextEmbedder, cosine, resolve_embedder
from neuron_eval.explain.solvers import bad_explanation, not_scored, score_of
from neuron_eval.judging import Case, choosing, measuring
from neuron_eval.judging.asking import EXCERPTS_PER_CALL, ask_cases, ask_rounds
from neuron_eval.metrics import interval
from neuron_eval.models.server_errors import about_neuron, model_errors
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import JudgementWording
from neuron_eval.records.splits import from_metadata
from neuron_eval.scorers.generation import generation
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.choose import check_able, role_simulator
from neuron_eval.usage_error import scorer_errors


@scorer(metrics=[mean(), interval()])
def detection(
    negatives: str = "random",
    excerpts: int = choosing.EXCERPTS,
    excerpts_per_call: int = EXCERPTS_PER_CALL,
    pack: str | None = None,
) -> Scorer:
    """Which excerpts does the explanation fit? A judge answers yes or no of held-out ones.

    The value is the balanced accuracy, in [0, 1]: the mean of the share of excerpts that fire and
    got a yes, and of the share of silent ones that got a no. Chance gets 0.5, and so does a judge
    who always says yes. With log-probabilities the metadata have AUROC and AUPRC. The judge is the
    model role ``simulator``.

    An empty or refused explanation gets 0.5: it tells a judge nothing. A neuron of which fewer than
    two held-out excerpts fire, or are silent, is unscored, as is one with too few readable answers.

    It cannot see where in an excerpt the neuron fires, nor how strongly. Silent excerpts that are
    drawn at random hold few near misses, so that an explanation may be too broad unnoticed.

    Args:
        negatives: ``hard`` takes the half of the silent excerpts that are nearest to those that
            fire, by the model role ``embedder``; ``random`` draws them.
        excerpts: At most so many that fire, and so many silent ones.
        excerpts_per_call: How many share a request.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        PrerequisiteError: A parameter is not allowed, or the pack words no detection.
    """
    with scorer_errors():
        check_choice("negatives", negatives, ("random", "hard"))
        check_number("excerpts", excerpts, least=choosing.LEAST)
        check_number("excerpts_per_call", excerpts_per_call, least=1)
        wording = load_pack(pack).judgement_wording("detection")

    async def score(state: TaskState, target: Target) -> Score:
        async def cases(neuron: choosing.HeldOut) -> list[list[Case]]:
            nearness = await _nearness(neuron) if negatives == "hard" else None
            return [choosing.detection_cases(neuron, excerpts, nearness)]

        return await _judge(state, "detection", cases, wording, excerpts_per_call)

    return score


@scorer(metrics=[mean(), interval()])
def fuzzing(
    excerpts: int = choosing.EXCERPTS,
    excerpts_per_call: int = EXCERPTS_PER_CALL,
    pack: str | None = None,
) -> Scorer:
    """Are the marked tokens those that the explanation means? A judge answers yes or no.

    Each held-out excerpt that fires is shown twice, in different requests: with the tokens marked
    on which the neuron fires, and with as many silent ones at random. The value is the balanced
    accuracy, in [0, 1], as `detection` has it, AUROC and AUPRC too; chance gets 0.5, and so does
    an empty or refused explanation. A neuron with fewer than two excerpts that can be marked is
    unscored, as is one with too few readable answers. The judge is the model role ``simulator``.

    It cannot see whether the neuron is silent elsewhere: an explanation may be too broad unnoticed.
    Marks at random are seldom next to each other, which gives some of them away.

    Parameters and errors are those of `detection`; up to ``excerpts`` are shown twice.
    """
    with scorer_errors():
        check_number("excerpts", excerpts, least=choosing.LEAST)
        check_number("excerpts_per_call", excerpts_per_call, least=1)
        wording = load_pack(pack).judgement_wording("fuzzing")

    async def score(state: TaskState, target: Target) -> Score:
        async def cases(neuron: choosing.HeldOut) -> list[list[Case]]:
            return choosing.fuzzing_cases(neuron, excerpts)

        return await _judge(state, "fuzzing", cases, wording, excerpts_per_call)

    return score


@scorer(metrics=[mean(), interval()])
def intruder(rounds: int = choosing.ROUNDS, pack: str | None = None) -> Scorer:
    """In which of five held-out excerpts does the neuron not fire? A judge names one.

    The value is the share of right answers, in [0, 1]; chance gets 0.2. No explanation is shown:
    it says whether the excerpts have something in common that a judge can see, and so whether the
    neuron can be explained at all, by whichever explanation. The judge is the model role
    ``simulator``. A neuron with fewer than four excerpts that fire, or two silent ones, is
    unscored, as is one without readable answers.

    Args:
        rounds: At most so many, each with another silent excerpt.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        PrerequisiteError: A parameter is not allowed, or the pack words no intruder.
    """
    with scorer_errors():
        check_number("rounds", rounds, least=1)
        wording = load_pack(pack).judgement_wording("intruder")

    async def score(state: TaskState, target: Target) -> Score:
        dealt = from_metadata(state.metadata, state.sample_id)
        try:
            shown = choosing.intruder_rounds(choosing.held_out(dealt), rounds)
        except choosing.TooFewError as error:
            return not_scored(str(error), state.output)
        with about_neuron(state.sample_id):
            asker = Asker.of(check_able(role_simulator(), "judge"))
            result = measuring.measure_rounds(await ask_rounds(asker, shown, wording))
        line, reason = measuring.rounds_line(result), "no answer could be read"
        metadata = measuring.rounds_metadata(result, asker.name, str(state.model))
        return score_of(result.accuracy, reason, state.output, line, metadata)

    return score


async def _judge(
    state: TaskState,
    name: str,
    cases: Callable[[choosing.HeldOut], Awaitable[list[list[Case]]]],
    wording: JudgementWording,
    excerpts_per_call: int,
) -> Score:
    dealt = from_metadata(state.metadata, state.sample_id)
    if (bad := bad_explanation(state.output, choosing.CHANCE[name])) is not None:
        return bad
    explanation = state.output.completion.strip()
    with about_neuron(state.sample_id):
        try:
            lists = await cases(choosing.held_out(dealt))
        except choosing.TooFewError as error:
            return not_scored(str(error), state.output)
        asker = Asker.of(check_able(role_simulator(), "judge"))
        answers = await ask_cases(asker, explanation, lists, wording, excerpts_per_call)
    result = measuring.verdicts(answers)
    line, value = measuring.verdict_line(result, wording), result.balanced_accuracy
    metadata = measuring.verdict_metadata(result, name, asker.name, str(state.model))
    return score_of(value, result.unscored_reason, state.output, line, metadata)


async def _nearness(neuron: choosing.HeldOut) -> dict[str, float]:
    """How near each silent excerpt is to the nearest that fires, by text, as a cosine."""
    firing = [excerpt.record.text for excerpt in neuron.firing]
    silent = [excerpt.record.text for excerpt in neuron.silent]
    embedder = TextEmbedder(resolve_embedder())
    with model_errors("embedder", embedder.model):
        vectors = await embedder.embed([*firing, *silent])
    return {text: max(cosine(vectors[text], vectors[other]) for other in firing) for text in silent}


GENERATION = "generation"  # the judgement that needs a subject

JUDGES: dict[str, Callable[..., Scorer]] = {
    "detection": detection,
    "fuzzing": fuzzing,
    "intruder": intruder,
    GENERATION: generation,
}


def judges(names: str | list[str] | None, pack: str | None) -> list[Scorer]:
    """The scorers of a task's ``judge``, each once: names by comma, in a list, or none.

    An InputError says that there is no such judgement, or that the pack has no words for it.
    """
    wording, chosen = load_pack(pack), judge_names(names)
    for name in chosen:
        if name == GENERATION:
            wording.generation_wording()
        else:
            wording.judgement_wording(name)
    return [JUDGES[name](pack=pack) for name in chosen]


def judge_names(names: str | list[str] | None) -> list[str]:
    """A task's ``judge``, each once; an InputError says which judgement there is not."""
    wanted = names.split(",") if isinstance(names, str) else names
    listed = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
    return list(dict.fromkeys(check_choice("judge", name, tuple(JUDGES)) for name in listed))
