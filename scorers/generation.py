"""`generation`: does the neuron fire on texts that are written to fit the explanation?"""

from __future__ import annotations

from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.generating import CHANCE, LEAST, TEXTS, Tried, Written
from neuron_eval.generating.asking import write_fitting, write_near
from neuron_eval.generating.measuring import held_out_random, ignored_tokens, ignoring, measure
from neuron_eval.generating.presenting import (
    missing_lines,
    missing_metadata,
    result_line,
    result_metadata,
)
from neuron_eval.messages import InputError
from neuron_eval.metrics import interval
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_number
from neuron_eval.prompts.generation import GenerationWording
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.choose import check_writer, role_simulator
from neuron_eval.subject import NeuronPlace, Subject, SubjectError, resolve_subject
from neuron_eval.usage_error import scorer_errors


@scorer(metrics=[mean(), interval()])
def generation(
    texts: int = TEXTS, cutoff_quantile: int = CUTOFF_QUANTILE, pack: str | None = None
) -> Scorer:
    """Does the neuron fire on texts that are written to fit the explanation?

    A writer, the model role ``simulator``, writes texts that fit, and changes each of them so that
    it does not. The model role ``subject``, which has the neuron, is run on both. The value is how
    often a fitting text's peak is above that of a held-out random excerpt (AUROC), in [0, 1];
    chance gets 0.5, and so does an empty or refused explanation. The metadata have the AUROC
    against the texts that do not fit, the share of fitting texts above the neuron's cutoff, and
    every text with its activations.

    A neuron that is not part of a network, that has fewer than two held-out random excerpts, or
    that is dead is unscored, as is one for which fewer than two fitting texts could be read.

    It does not see what else the neuron fires on: an explanation that is too narrow loses nothing.

    Args:
        texts: How many texts fit; as many are changed.
        cutoff_quantile: Which of the neuron's quantile boundaries the cutoff is, counted from 0.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        PrerequisiteError: A parameter is not among the allowed values, or the pack has no words
            for a writer.
    """
    with scorer_errors():
        check_number("texts", texts, least=LEAST)
        check_number("cutoff_quantile", cutoff_quantile, least=0)
        wording = load_pack(pack).generation_wording()

    async def score(state: TaskState, target: Target) -> Score:
        dealt = from_metadata(state.metadata, state.sample_id)
        try:
            place = NeuronPlace.of(dealt.neuron)
        except InputError as error:
            return _unscored(str(error), state)
        if len(held_out_random(dealt)) < LEAST:
            return _unscored(f"fewer than {LEAST} held-out random excerpts", state)
        # Before anything is bought, for the index may be none of its boundaries.
        level = cutoff(dealt.neuron, dealt.shown, cutoff_quantile)
        bad = bad_explanation(state.output, CHANCE)
        if bad is not None:
            return bad
        with about_neuron(state.sample_id):
            subject = Subject(resolve_subject())
            subject.check(place)
            asker = Asker.of(check_writer(role_simulator()))
            fitting, near = await _write(asker, state.output.completion.strip(), texts, wording)
            about = {
                "simulator": asker.name,
                "simulator_is_explainer": asker.name == str(state.model),
                "subject": subject.name,
            }
            if len(fitting.texts) < LEAST:
                return _too_few(fitting, near, state, about)
            try:
                tried = await _try(subject, place, dealt, fitting, near)
            except SubjectError as error:
                return _unscored(f"the subject failed: {error}", state)
        return _score(state, dealt, tried, (fitting, near), level, about)

    return score


async def _write(
    asker: Asker, explanation: str, texts: int, wording: GenerationWording
) -> tuple[Written, Written]:
    fitting = await write_fitting(asker, explanation, texts, wording)
    if len(fitting.texts) < LEAST:
        return fitting, Written((), 0)
    return fitting, await write_near(asker, explanation, fitting.texts, wording)


async def _try(
    subject: Subject, place: NeuronPlace, dealt: DealtNeuron, fitting: Written, near: Written
) -> Tried:
    """Run the subject on all texts in one request."""
    records = await subject.activations(place, [*fitting.texts, *near.texts])
    ignored = ignored_tokens(dealt)
    tried = tuple(ignoring(record, ignored) for record in records)
    count = len(fitting.texts)
    return Tried(tried[:count], tried[count:], held_out_random(dealt))


def _score(
    state: TaskState,
    dealt: DealtNeuron,
    tried: Tried,
    written: tuple[Written, Written],
    level: float,
    about: dict[str, Any],
) -> Score:
    result = measure(tried, dealt.shown, level)
    line = result_line(result, tried, *written)
    # The heat maps stand first, where the viewer shows them without a click.
    metadata = {**result_metadata(result, tried, *written, dealt.shown), **about}
    answer = state.output.completion
    if result.auroc is None:
        return Score.unscored(
            reason=result.reason, answer=answer, explanation=line, metadata=metadata
        )
    return Score(value=result.auroc, answer=answer, explanation=line, metadata=metadata)


def _too_few(fitting: Written, near: Written, state: TaskState, about: dict[str, Any]) -> Score:
    reason = (
        f"{len(fitting.texts)} of {len(fitting.texts) + fitting.missing} fitting texts could be "
        f"read; {LEAST} are the least"
    )
    lines = [f"Not scored: {reason}.", *missing_lines(fitting, near)]
    return Score.unscored(
        reason=reason,
        answer=state.output.completion,
        explanation="\n\n".join(lines),
        metadata={**missing_metadata(fitting, near), **about},
    )


def _unscored(reason: str, state: TaskState) -> Score:
    return Score.unscored(
        reason=reason, answer=state.output.completion, explanation=f"Not scored: {reason}."
    )
