"""`generation`: does the neuron fire on texts that are written to fit the explanation?"""

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff
from neuron_eval.explain.solvers import bad_explanation, not_scored, score_of
from neuron_eval.generating import CHANCE, LEAST, TEXTS, measuring
from neuron_eval.generating.asking import Written, write_fitting, write_near
from neuron_eval.messages import InputError
from neuron_eval.metrics import interval
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import from_metadata
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.choose import check_able, role_simulator
from neuron_eval.subject.exchange import NeuronPlace, SubjectError, resolve_subject
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
        PrerequisiteError: A parameter is not allowed, or the pack has no words for a writer.
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
            return not_scored(str(error), state.output)
        random = measuring.held_out_random(dealt)
        if len(random) < LEAST:
            return not_scored(f"fewer than {LEAST} held-out random excerpts", state.output)
        # Before anything is bought, for the index may be none of its boundaries.
        level = cutoff(dealt.neuron, dealt.shown, cutoff_quantile)
        if (bad := bad_explanation(state.output, CHANCE)) is not None:
            return bad
        with about_neuron(state.sample_id):
            subject = resolve_subject()
            subject.check(place)
            asker = Asker.of(check_able(role_simulator(), "write"))
            about = {
                "simulator": asker.name,
                "simulator_is_explainer": asker.name == str(state.model),
                "subject": subject.name,
            }
            explanation = state.output.completion.strip()
            fitting = await write_fitting(asker, explanation, texts, wording)
            count = len(fitting.texts)
            if count < LEAST:
                return _too_few(fitting, state.output, about)
            near = await write_near(asker, explanation, fitting.texts, wording)
            try:
                records = await subject.activations(place, [*fitting.texts, *near.texts])
            except SubjectError as error:
                return not_scored(f"the subject failed: {error}", state.output)
        ignored = measuring.ignored_tokens(dealt)
        tried = [measuring.ignoring(record, ignored) for record in records]
        on_texts = measuring.Tried(tuple(tried[:count]), tuple(tried[count:]), random)
        result = measuring.measure(on_texts, dealt.shown, level)
        line = measuring.result_line(result, on_texts, fitting, near)
        # The heat maps stand first, where the viewer shows them without a click.
        metadata = measuring.result_metadata(result, on_texts, fitting, near, dealt.shown) | about
        return score_of(result.auroc, result.reason, state.output, line, metadata)

    return score


def _too_few(fitting: Written, output: ModelOutput, about: dict[str, object]) -> Score:
    count, nothing = len(fitting.texts), Written((), 0)
    reason = (
        f"{count} of {count + fitting.missing} fitting texts could be read; {LEAST} are the least"
    )
    lines = [f"Not scored: {reason}.", *measuring.missing_lines(fitting, nothing)]
    metadata = measuring.missing_metadata(fitting, nothing) | about
    return score_of(None, reason, output, "\n\n".join(lines), metadata)
