"""What a task's ``judge`` may name, and the scorers that it stands for."""

from __future__ import annotations

from collections.abc import Callable

from inspect_ai.scorer import Scorer

from neuron_eval.parameters import check_choice
from neuron_eval.prompts.pack import load_pack
from neuron_eval.scorers.generation import generation
from neuron_eval.scorers.judging import detection, fuzzing, intruder

GENERATION = "generation"
"""The one that needs a subject."""

JUDGES: dict[str, Callable[..., Scorer]] = {
    "detection": detection,
    "fuzzing": fuzzing,
    "intruder": intruder,
    GENERATION: generation,
}


def judges(names: str | list[str] | None, pack: str | None) -> list[Scorer]:
    """The scorers of a task's ``judge``, each once: names by comma, in a list, or none.

    Raises:
        InputError: There is no such judgement, or the pack has no words for it.
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
