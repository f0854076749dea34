"""From a neuron, a format and a pack to the messages that the explainer reads."""

from collections.abc import Iterable

from neuron_eval.formats import get_format
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.filling import Message, conversation, fill
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.activations import highest, lowest
from neuron_eval.records.splits import DealtNeuron

FEW_SHOT_CUTOFF = 1.0  # few-shot neurons (and puzzles) highlight activations above this
CUTOFF_QUANTILE = 2  # the index into a record's quantile boundaries whose value is the cutoff


def explainer_prompt(format_name: str, shown: Shown, pack: Pack) -> list[Message]:
    """The whole prompt: system message, few-shot neurons with answers, the neuron at hand.

    For F few-shot neurons it has 1 + 2 F + 1 messages. An InputError says that there is no such
    format, a `PackError` that the pack has no wording for it.
    """
    render, wording = get_format(format_name), pack.wording(format_name)

    def user(number: int, neuron: Shown) -> str:
        header, opening = (fill(t, number=str(number)) for t in (wording.header, wording.opening))
        return header + render(neuron, wording) + opening

    examples = [
        (
            user(number, Shown(neuron.excerpts, FEW_SHOT_CUTOFF)),
            fill(wording.answer, explanation=neuron.explanation),
        )
        for number, neuron in enumerate(pack.few_shot, start=1)
    ]
    return conversation(wording.system, examples, user(len(pack.few_shot) + 1, shown))


def cutoff(
    neuron: NeuronRecord,
    excerpts: tuple[ActivationRecord, ...],
    quantile_index: int = CUTOFF_QUANTILE,
) -> float:
    """The raw activation above which a token of this neuron activates highly.

    A puzzle states it; otherwise it is the quantile boundary at ``quantile_index``. A record
    without boundaries takes what lies half way between the lowest activation shown, at least 0,
    and the highest; where a token shown is silent, that is half of the peak.

    Whatever the range of activations, it is at least the lowest one shown, so that not every token
    activates highly. Where nothing shown exceeds it, nothing does: so in constant excerpts, in
    those without an activation above 0, and below a boundary that lies above the peak. A
    `RecordError` says that the record has boundaries, but none at that index.
    """
    published, boundaries = neuron.cutoff, neuron.quantile_boundaries
    if published is None and boundaries:
        if not 0 <= quantile_index < len(boundaries):
            raise RecordError(
                f"neuron {neuron.id}: field 'quantile_boundaries' holds {len(boundaries)} values, "
                f"so cutoff_quantile={quantile_index} must be between 0 and {len(boundaries) - 1}"
            )
        published = boundaries[quantile_index]
    low, high = lowest(excerpts), highest(excerpts)
    if high <= 0:
        return max(0.0, published or 0.0)
    if published is not None:
        return max(published, low)
    low = max(0.0, low)
    middle = low + (high - low) / 2
    # Of neighbouring numbers the middle is one or the other.
    return middle if middle < high else low


def opening_phrases(format_name: str, pack: Pack) -> tuple[str, ...]:
    """What an explainer may repeat of the prompt before its answer, longest first."""
    opening = fill(pack.wording(format_name).opening, number=str(len(pack.few_shot) + 1)).strip()
    return (opening, opening.rpartition(":")[2].strip())


def unmarked(neurons: Iterable[DealtNeuron], cutoff_quantile: int) -> list[str]:
    """A warning, if there are neurons of which nothing that is shown activates highly."""
    ids = [
        dealt.neuron.id
        for dealt in neurons
        if not Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile)).highlighted
    ]
    if not ids:
        return []
    return [
        f"of {len(ids)} neurons, the first {ids[0]}, nothing that the explainer sees activates "
        "highly: no activation is above the cutoff and above 0"
    ]
