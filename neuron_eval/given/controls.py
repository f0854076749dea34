"""Explanations that need no explainer and no file: what a right and a wrong one score.

Each is a solver, for ``--solver neuron_eval/NAME``, and a name that `given` takes.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress

from inspect_ai.solver import TaskState

from neuron_eval.dataset import SHUFFLED
from neuron_eval.explain.baseline import name_words
from neuron_eval.explain.prompting import cutoff
from neuron_eval.formats.base import Shown
from neuron_eval.messages import InputError, listed, shortened, shown
from neuron_eval.parameters import check_number
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.records.splits import from_metadata

CONTROLS = ("reference", "lexical", "generic", "shuffled")
"""What `neuron-eval compare --controls` runs: the neuron's reference; the words that the shown
excerpts mark; one sentence that fits anything; another neuron's reference, in a derangement."""

ALL_CONTROLS = (*CONTROLS, "false", "unrelated")
"""Every control, in the report's order: also an explanation known to be wrong, and another neuron's
reference that is drawn for each neuron alone, where ``shuffled`` gives each reference once."""


@dataclass(frozen=True, slots=True)
class NotGiven:
    """There is no explanation of the neuron."""

    reason: str  # why, in a sentence


Explain = Callable[[TaskState], str | NotGiven]  # the explanation of a sample's neuron, as written


def control(name: str, column: str | None, pack: str | None, cutoff_quantile: int) -> Explain:
    """The control of a name in `ALL_CONTROLS`.

    ``column`` is the source of a reference, or the number of a false explanation; ``pack`` words
    ``generic``; what ``lexical`` names is above ``cutoff_quantile``. An InputError says which of
    these cannot be used.
    """
    if column is not None and name not in ("reference", "false"):
        raise InputError(f"column={column}: explanations={name} takes no column")
    if name == "reference":
        return partial(_reference, source=column)
    if name == "false":
        return partial(_false, place=_false_place(column))
    if name == "generic":
        sentence = generic_sentence(pack)
        return lambda state: sentence
    if name == "lexical":
        check_number("cutoff_quantile", cutoff_quantile, least=0)
        return partial(_lexical, cutoff_quantile=cutoff_quantile)
    return _shuffled if name == "shuffled" else _unrelated


def control_of(explanations: object, column: object = None) -> str:
    """Which control explanations are; empty for those of a file, and for another reference.

    That of another source is somebody's explanation, to be compared with the others.
    """
    if explanations is False:
        return "false"
    name = explanations.partition(":")[0] if isinstance(explanations, str) else ""
    if name not in ALL_CONTROLS or (name == "reference" and column is not None):
        return ""
    return name


def generic_sentence(pack: str | None = None) -> str:
    """The pack's sentence that fits anything; that of the bundled pack where it has none."""
    return load_pack(pack).generic or default_pack().generic


def _reference(state: TaskState, source: str | None) -> str | NotGiven:
    metadata = state.metadata or {}
    reference = (str(metadata.get("reference_source") or ""), state.target.text)
    others: list[Mapping[str, str]] = metadata.get("other_explanations") or []
    published = [reference, *((other["source"], other["explanation"]) for other in others)]
    published = [(by, text) for by, text in published if text]
    if not published:
        return NotGiven(f"{state.sample_id} has no reference explanation.")
    if source is None:
        return published[0][1]
    for by, text in published:
        if by == source:
            return text
    sources = listed(sorted({by for by, _ in published}))
    return NotGiven(
        f"{state.sample_id} has no explanation by {shown(source)}; it has some by {sources}."
    )


def _false_place(column: str | None) -> int:
    number = "0" if column is None else column
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InputError(
            f"column={shortened(number)}: explanations=false takes a number, from 0 for a "
            "neuron's first false explanation"
        )
    return int(number)


def _false(state: TaskState, place: int) -> str | NotGiven:
    wrong: list[str] = (state.metadata or {}).get("false_explanations") or []
    if place < len(wrong):
        return wrong[place]
    return NotGiven(
        f"{state.sample_id} has {len(wrong)} false explanations; number {place} is none."
    )


def _unrelated(state: TaskState) -> str | NotGiven:
    """Another neuron's reference, the same one each time."""
    others: list[str] = (state.metadata or {}).get("unrelated_references") or []
    others = [text for text in others if text != state.target.text]
    if not others:
        return NotGiven(f"No neuron but {state.sample_id} has a reference explanation of its own.")
    return random.Random(f"unrelated {state.sample_id}").choice(others)


def _shuffled(state: TaskState) -> str | NotGiven:
    """Another neuron's reference, each once, as far as it can be of the same layer."""
    other = (state.metadata or {}).get(SHUFFLED)
    if other:
        return str(other["explanation"])
    if state.target.text:
        return NotGiven(f"No neuron but {state.sample_id} has another reference explanation.")
    return NotGiven(f"{state.sample_id} has no reference explanation that another could replace.")


def _lexical(state: TaskState, cutoff_quantile: int) -> str:
    """What `neuron_eval.explain.baseline` says of the tokens that formats highlight."""
    dealt = from_metadata(state.metadata, state.sample_id)
    neuron = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile))
    marked = Counter(chain(*(compress(e.tokens, neuron.high(e)) for e in neuron.excerpts)))
    return name_words(marked)
