"""The reference too narrow and too broad, each scored by what asks a model; the task `sanity`.

A score that asks a model reads words, not labels: what `neuron_eval.sanity` does to the labels of
a concept a model does here to the explanation.
"""

from copy import copy
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from inspect_ai.model import ChatMessage, ModelOutput
from inspect_ai.scorer import Scorer, Target
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.explain.solvers import bad_explanation, chat_messages
from neuron_eval.messages import InputError
from neuron_eval.models.replies import apologises
from neuron_eval.models.requests import together
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_excerpts_per_call
from neuron_eval.prompts.filling import conversation, fill
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import REWRITINGS, RewritingWording
from neuron_eval.scorers.judging import GENERATION, judge_names, judges
from neuron_eval.scorers.rewritten import REFERENCE, STORED, Version, numbers_of
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.simulation.asking import Asker, NoReadableReplyError
from neuron_eval.simulation.choose import check_able, check_simulation, role_simulator
from neuron_eval.simulation.limits import RoomRefusedError
from neuron_eval.simulation.reading import cut_off, quoted, readable, words_of
from neuron_eval.task import NO_SIMULATION
from neuron_eval.usage_error import usage_errors

ROOM = 120  # output tokens of a rewritten explanation: twice what an explainer has

Scorers = dict[str, Scorer]


@solver
def scored_rewritings(
    simulation: str = "auto",
    judge: str | list[str] | None = None,
    pack: str | None = None,
    excerpts_per_call: int | None = None,
) -> Solver:
    """Let the simulator narrow and widen the output, and score all three, for the sample's store.

    Parameters are those of a task; a `UsageError` also says that nothing is left to score with.
    """
    with usage_errors():
        wordings = {name: load_pack(pack).rewriting_wording(name) for name in REWRITINGS}
        scorers = _scorers(simulation, judge, pack, excerpts_per_call)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if bad_explanation(state.output) is not None:
            return state
        reference = state.output.completion.strip()

        async def rewritten(name: str) -> Version:
            wording = wordings[name]
            read = partial(read_rewritten, explanation=reference, wording=wording)
            prompt = rewriting_prompt(reference, wording)
            try:
                text = await asker.ask(prompt, read, lambda r: fill(wording.retry, reason=r), ROOM)
                return Version(text)
            except (NoReadableReplyError, RoomRefusedError) as error:
                return Version("", reason=str(error))

        async def scored(version: Version) -> Version:
            if not version.explanation:
                return version
            return replace(version, scores=await _scores(state, version.explanation, scorers))

        with about_neuron(state.sample_id):
            asker = Asker.of(check_able(role_simulator(), "judge"))
            changed = await together(*(rewritten(name) for name in REWRITINGS))
            versions = [Version(reference), *changed]
            if any(version.explanation for version in changed):  # else nothing is compared
                versions = await together(*(scored(version) for version in versions))
        names = (REFERENCE, *REWRITINGS)
        state.store.set(STORED, {n: asdict(v) for n, v in zip(names, versions, strict=True)})
        return state

    return solve


def rewriting_prompt(explanation: str, wording: RewritingWording) -> list[ChatMessage]:
    examples = [(fill(wording.question, explanation=t), answer) for t, answer in wording.examples]
    question = fill(wording.question, explanation=explanation)
    return chat_messages(conversation(wording.system, examples, question))


def read_rewritten(output: ModelOutput, explanation: str, wording: RewritingWording) -> str:
    """The new explanation in a reply: one line that is neither the old one nor an example's."""
    output = readable(output)
    opening = wording.question.rpartition("\n")[2]
    text = clean_explanation(output.completion, [opening])
    if not text:
        raise UnreadableReplyError(f"{quoted(output.completion.strip())} holds no explanation")
    if apologises(text) and not apologises(explanation):
        raise UnreadableReplyError("the answer is a refusal")
    if "\n" in text:
        raise UnreadableReplyError("the answer has several lines")
    if cut_off(output):
        raise UnreadableReplyError("the reply was cut off")
    words, before = words_of(text), words_of(explanation)
    if words == before:
        raise UnreadableReplyError("the answer is the given explanation")
    for example in wording.examples:
        known = {word for part in example for word in words_of(part)}
        # What is asked about may be the example's subject.
        if known.issuperset(words) and not known.issuperset(before):
            raise UnreadableReplyError("the answer repeats an example")
    return text


def _scorers(
    simulation: str, judge: str | list[str] | None, pack: str | None, per_call: int | None
) -> Scorers:
    scorers = dict(zip(judge_names(judge), judges(judge, pack), strict=True))
    if GENERATION in scorers:
        raise InputError("judge=generation: is not checked; choose detection, fuzzing or both")
    if "intruder" in scorers:
        raise InputError("judge=intruder: it sees no explanation, so none can be rewritten for it")
    check_simulation(simulation, pack)
    check_excerpts_per_call(per_call)
    if simulation != NO_SIMULATION:
        scorers["simulation"] = simulation_correlation(simulation, "none", pack, per_call)
    if not scorers:
        raise InputError(f"simulation={NO_SIMULATION}: no score is left to check; name a judge")
    return scorers


async def _scores(
    state: TaskState, explanation: str, scorers: Scorers
) -> dict[str, dict[str, Any]]:
    rewritten = copy(state)
    rewritten.output = ModelOutput.from_content(str(state.model), explanation)
    target = Target(state.target.target)
    scores = await together(*(scorer(rewritten, target) for scorer in scorers.values()))
    return {n: numbers_of(n, score) for n, score in zip(scorers, scores, strict=True) if score}
