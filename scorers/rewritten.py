"""Does a score fall when its model reads the reference too narrow, or too broad?

What each version of the reference got is in the sample's store, where the task ``sanity`` with
``concept=rewritten`` leaves it; here it is only compared.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import TaskState

from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.measures import MEASURES
from neuron_eval.sanity import AUROC, JUDGED, Fall, span
from neuron_eval.scorers.sanity_checks import differences, falls_table, noticed

REFERENCE = "reference"
"""The version of the explanation that is as the neuron has it; others are named in
`neuron_eval.prompts.wording.REWRITINGS`."""

STORED = "rewritten"  # where a sample's store has a `Version` of each name, as a dictionary


@dataclass(frozen=True, slots=True)
class Version:
    """The reference, or what a model made of it, and what it scores."""

    explanation: str  # empty if the model did not rewrite it
    reason: str = ""  # why it did not
    scores: Mapping[str, Mapping[str, Any]] | None = None  # by scorer, of `numbers_of`


def numbers_of(name: str, score: Score) -> dict[str, Any]:
    """What a scorer measured.

    ``values`` by the names of `neuron_eval.sanity.SCORE_LABELS`, None where undefined, and
    ``over``, which excerpts entered them, and which of their tokens had no value.
    """
    metadata = score.metadata or {}
    excerpts = metadata.get("excerpts", [])
    over = sorted(map(_entry, excerpts))
    if name not in JUDGED:
        measured = metadata.get("measures") or {}
        return {"over": over, "values": {m: measured.get(m) for m in MEASURES}}
    value = None if math.isnan(score.as_float()) else score.as_float()
    return {"over": over, "values": {name: value, f"{name}{AUROC}": metadata.get("auroc")}}


def _entry(excerpt: Mapping[str, Any]) -> str:
    unread = (i for i, value in enumerate(excerpt.get("expected", ())) if value is None)
    side = [excerpt["right"]] if "right" in excerpt else []
    return " ".join(map(str, [excerpt["excerpt"], *side, *unread]))


@scorer(metrics=[noticed()])
def narrowed_reference() -> Scorer:
    """Let a model make the reference too narrow: which scores fall?

    The value holds, by score, that of the narrowed reference less that of the reference, as a share
    of the score's range; NaN where either is undefined, or where other excerpts or tokens could be
    read for the one than for the other. A neuron without a reference, and one whose reference the
    model did not rewrite after its retries, are unscored with the reason.
    """
    return _compared("narrowed")


@scorer(metrics=[noticed()])
def widened_reference() -> Scorer:
    """Let a model make the reference too broad: which scores fall?

    The value is as that of `narrowed_reference`.
    """
    return _compared("widened")


def _compared(name: str) -> Scorer:
    async def score(state: TaskState, target: Target) -> Score:
        if (bad := bad_explanation(state.output)) is not None:
            return bad
        stored: Mapping[str, Any] = state.store.get(STORED, {})
        if not stored:
            return Score.unscored(
                reason="nothing was rewritten: the task sanity was not run, or reached a limit"
            )
        before, after = Version(**stored[REFERENCE]), Version(**stored[name])
        if not after.explanation:
            return Score.unscored(
                reason=f"the reference was not {name}",
                answer=before.explanation,
                explanation=f"Not scored: the reference was not {name}: {after.reason}.",
            )
        measured = _falls(before, after)
        table, value = falls_table(measured), differences(measured)
        if all(fall.difference is None for fall in measured.values()):
            return Score.unscored(
                reason="every score is undefined for one of the two",
                answer=after.explanation,
                explanation=f"Not scored.\n\n{table}",
            )
        return Score(value=value, answer=after.explanation, explanation=table)

    return score


def _falls(before: Version, after: Version) -> dict[str, Fall]:
    falls = {}
    for name, old in (before.scores or {}).items():
        new = (after.scores or {})[name]
        same = old["over"] == new["over"]
        for each, value in old["values"].items():
            falls[each] = Fall(value, new["values"].get(each) if same else None, span(each))
    return falls
