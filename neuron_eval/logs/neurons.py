"""The epochs of one neuron's sample -> what the run says of the neuron."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from inspect_ai.log import EvalSample
from inspect_ai.model import ModelUsage
from inspect_ai.scorer import Score

from neuron_eval.logs.runs import NeuronResult, Predicted
from neuron_eval.messages import InputError
from neuron_eval.records import Excerpt
from neuron_eval.records.splits import from_metadata

SIMULATION = "simulation_correlation"
ADACS = "adacs"

NOT_SCORES = ("scored",)
"""Scorers whose value is no judgement of the explanation."""


def neuron_result(samples: Sequence[EvalSample], excerpts: bool = False) -> NeuronResult:
    """Average the epochs of one neuron; what was not scored is left out and its reason kept.

    Args:
        samples: Every epoch's sample, at least one.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
    """
    first = samples[0]
    about = first.metadata or {}
    simulated = [found for s in samples if (found := _score(s, SIMULATION)) is not None]
    prompts = [_prompt(s.output.usage) for s in samples if s.output and s.output.usage]
    unrelated = [
        level
        for s in samples
        if (found := _score(s, ADACS)) is not None
        and (level := (found.metadata or {}).get("unrelated_mean")) is not None
    ]
    values = {name: _values(samples, name) for name in _names(samples)}
    alike = [s for s in samples if _explanation(s) == _explanation(first)]
    return NeuronResult(
        id=str(first.id),
        layer=int(about.get("layer", -1)),
        group=str(about.get("group", "")),
        explanation=_explanation(first),
        reference=first.target if isinstance(first.target, str) else "".join(first.target),
        epochs=len(samples),
        scores=_means(values),
        scores_of_text=None
        if len(alike) == len(samples)
        else _means({name: _values(alike, name) for name in values}),
        unscored={name: reasons for name in values if (reasons := _reasons(samples, name))},
        prompt_tokens=fmean(prompts) if prompts else None,
        excerpts_scored=sum(_count(score, "excerpts_scored") for score in simulated),
        excerpt_failures=tuple(
            str(why) for score in simulated for why in (score.metadata or {}).get("failures", [])
        ),
        errors=tuple(s.error.message for s in samples if s.error),
        retries=sum(len(s.error_retries or []) for s in samples),
        cut_off=sum(_cut_off(s) for s in samples),
        unrelated=fmean(unrelated) if unrelated else None,
        predicted=_predicted(first) if excerpts else (),
    )


def models(samples: Sequence[EvalSample]) -> tuple[str, str]:
    """Who simulated, with the way, and who embedded; empty where nobody did."""
    simulator = embedder = ""
    for sample in samples:
        simulated, compared = _score(sample, SIMULATION), _score(sample, ADACS)
        if simulated is not None and (about := simulated.metadata or {}).get("simulator"):
            simulator = f"{about['simulator']} ({about.get('simulation')})"
        if compared is not None and (about := compared.metadata or {}).get("embedder"):
            embedder = str(about["embedder"])
    return simulator, embedder


def _explanation(sample: EvalSample) -> str:
    return sample.output.completion if sample.output else ""


def _cut_off(sample: EvalSample) -> bool:
    output = sample.output
    return bool(output) and not output.empty and output.stop_reason == "max_tokens"


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: fmean(found) for name, found in values.items() if found}


def _prompt(usage: ModelUsage) -> int:
    """Tokens of the whole prompt; Inspect counts those that the provider had cached apart."""
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    return usage.input_tokens + cached


def _names(samples: Sequence[EvalSample]) -> list[str]:
    names = dict.fromkeys(name for s in samples for name in (s.scores or {}))
    return [name for name in names if name not in NOT_SCORES]


def _score(sample: EvalSample, name: str) -> Score | None:
    return (sample.scores or {}).get(name)


def _values(samples: Sequence[EvalSample], name: str) -> list[float]:
    """The finite numbers among the epochs' scores."""
    return [
        float(found.value)
        for s in samples
        if (found := _score(s, name)) is not None
        and isinstance(found.value, int | float)
        and math.isfinite(found.value)
    ]


def _reasons(samples: Sequence[EvalSample], name: str) -> tuple[str, ...]:
    """Why each epoch whose score is no number has none."""
    found = [score for s in samples if (score := _score(s, name)) is not None]
    return tuple(
        score.reason or score.explanation or "no reason given"
        for score in found
        if isinstance(score.value, float) and math.isnan(score.value)
    )


def _count(score: Score, name: str) -> int:
    return int((score.metadata or {}).get(name, 0))


def _predicted(sample: EvalSample) -> tuple[Predicted, ...]:
    """Held-out excerpts with their simulated activations; none where there is no simulation."""
    score = _score(sample, SIMULATION)
    said: list[Mapping[str, Any]] = (score.metadata or {}).get("excerpts", []) if score else []
    if not said:
        return ()
    held_out = {e.name: e for e in from_metadata(sample.metadata, sample.id).valid}
    return tuple(_excerpt(held_out[one["excerpt"]], one) for one in said)


def _excerpt(excerpt: Excerpt, said: Mapping[str, Any]) -> Predicted:
    tokens, true, expected = excerpt.record.tokens, tuple(said["true"]), tuple(said["expected"])
    if not len(tokens) == len(true) == len(expected):
        raise InputError(
            f"{excerpt.name} has {len(tokens)} tokens, {len(true)} true and {len(expected)} "
            "simulated activations"
        )
    return Predicted(excerpt.name, replace(excerpt.record, activations=true), expected)
