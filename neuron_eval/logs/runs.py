"""Runs and what each says of each neuron, from the epochs of its samples."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import ModelUsage
from inspect_ai.scorer import Score

from neuron_eval.logs.excerpts import Activity, Predicted, StoredExcerpts, excerpts_of, measured_in
from neuron_eval.logs.spending import Spent
from neuron_eval.prompts.wording import JUDGEMENTS
from neuron_eval.records import Excerpt
from neuron_eval.simulation.headline import HEADLINE, Numbers, score_of

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class NeuronResult:
    """What one run says of one neuron, over all epochs."""

    id: str
    layer: int  # -1 where it is not part of a network
    group: str  # the set that the neuron was picked for; may be empty
    explanation: str  # the first epoch's
    reference: str = ""
    epochs: int = 1
    subject: str = ""  # the model whose neuron it is
    neuron: int = -1  # the index within the layer; -1 where it is not part of a network

    # By scorer: the mean over the epochs that were scored, if any was; the same over those that
    # explained the neuron as `explanation` says, None if all did; each other epoch's reason.
    scores: Mapping[str, float] = field(default_factory=dict)
    scores_of_text: Mapping[str, float] | None = None
    unscored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prompt_tokens: float | None = None  # of the explainer, mean; None if its provider tells none
    excerpts_scored: int = 0  # held-out excerpts with values, over all epochs
    excerpt_failures: tuple[str, ...] = ()  # why each held-out excerpt without values has none
    token_failures: tuple[str, ...] = ()  # the same of single tokens, for each excerpt with such
    errors: tuple[str, ...] = ()  # what broke, of each epoch that ended in an error
    retries: int = 0  # how often the sample was run again after an error
    cut_off: int = 0  # epochs in which the explainer's reply stopped at ``max_tokens``
    unrelated: float | None = None  # AdaCS with other neurons' references, mean
    spent: tuple[Spent, ...] = ()  # by role and model, over all epochs
    # By each of `HEADLINES` that was asked for, the mean over the epochs; None where undefined.
    measures: Numbers = field(default_factory=dict)
    page: str = ""  # where its publisher shows it; empty if the log does not tell
    log: str = ""  # which of the run's logs it is in; empty where there is one

    # Of the first epoch, if excerpts were asked for.
    predicted: tuple[Predicted, ...] = ()
    shown: tuple[Excerpt, ...] = ()  # what an explainer sees
    activity: Activity | None = None  # over all excerpts that the log holds


@dataclass(frozen=True, slots=True)
class Run:
    """A prompt format, its models, and the neurons, from one log or several."""

    log: str  # where it is; of several, the oldest
    created: str  # ISO 8601; later is greater
    format: str  # or the column of explanations that exist
    explainer: str
    simulator: str
    """With the way to simulate and, unless as published, which excerpts are scored, on which the
    score depends as much; empty if nothing was simulated."""

    embedder: str  # empty if AdaCS was not scored
    neurons: str  # their source
    version: str  # the task's, ``N-X``; scores of different N cannot be compared
    identity: str  # all settings that a score depends on; equal for what was run twice
    results: Mapping[str, NeuronResult]  # by sample id
    spent: tuple[Spent, ...] = ()
    given: bool = False  # whether the explanations existed, and nothing was explained
    control: str = ""  # which of `neuron_eval.given.controls` explained; empty if none did
    judge: str = ""  # the model that answered for detection, fuzzing or intruder, if one did
    writer: str = ""  # the model that wrote texts for generation, with the subject; if one did
    headline: str = HEADLINE  # the measure that the simulation's score is
    neurons_skipped: int = 0  # too few excerpts, nothing to explain, or missing

    @property
    def logs(self) -> Mapping[str, Collection[str]]:
        ids: dict[str, list[str]] = {self.log: []}
        for result in self.results.values():
            ids.setdefault(result.log or self.log, []).append(result.id)
        return ids


SIMULATION = "simulation_correlation"
ADACS = "adacs"
GENERATION = "generation"

WHICH = {"random": ", random excerpts", "quantiles": ", excerpts by quantile"}
"""Which excerpts were scored, if not top and random ones."""


class MeasuredBy(NamedTuple):
    """The models of a `Run` that scores depend on; empty where none had a part."""

    simulator: str = ""
    embedder: str = ""
    judge: str = ""
    writer: str = ""


def neuron_result(
    samples: Sequence[EvalSample], excerpts: bool = False, measures: Collection[str] = ()
) -> NeuronResult:
    """Average one neuron's epochs, at least one; of what was not scored the reason is kept.

    ``excerpts``: whether to keep excerpts, shown and simulated. ``measures``: those of `HEADLINES`
    to compute from what was simulated.
    """
    first = samples[0]
    about = first.metadata or {}
    simulated = [_about(score) for score in _scores(samples, SIMULATION)]
    prompts = [prompt_size(s.output.usage) for s in samples if s.output and s.output.usage]
    levels = [_about(score).get("unrelated_mean") for score in _scores(samples, ADACS)]
    unrelated = [level for level in levels if level is not None]
    # The value of the scorer `scored` is no judgement of the explanation.
    names = list(dict.fromkeys(n for s in samples for n in s.scores or {} if n != "scored"))
    score = (first.scores or {}).get(SIMULATION)
    stored = excerpts_of(first, score) if excerpts else StoredExcerpts()
    alike = [s for s in samples if _explanation(s) == _explanation(first)]
    return NeuronResult(
        id=str(first.id),
        layer=int(about.get("layer", -1)),
        group=str(about.get("group", "")),
        explanation=_explanation(first),
        reference=first.target if isinstance(first.target, str) else "".join(first.target),
        epochs=len(samples),
        subject=str(about.get("model", "")),
        neuron=int(about.get("neuron", -1)),
        scores=_means(samples, names),
        scores_of_text=None if len(alike) == len(samples) else _means(alike, names),
        unscored={name: reasons for name in names if (reasons := _reasons(samples, name))},
        prompt_tokens=fmean(prompts) if prompts else None,
        excerpts_scored=sum(of.get("excerpts_scored", 0) for of in simulated),
        excerpt_failures=tuple(str(why) for of in simulated for why in of.get("failures", [])),
        token_failures=tuple(str(w) for of in simulated for w in of.get("token_failures", [])),
        errors=tuple(s.error.message for s in samples if s.error),
        retries=sum(len(s.error_retries or []) for s in samples),
        cut_off=sum(
            bool(s.output) and not s.output.empty and s.output.stop_reason == "max_tokens"
            for s in samples
        ),
        unrelated=fmean(unrelated) if unrelated else None,
        measures=_measures(samples, measures) if measures else {},
        page=str(about.get("page", "")),
        **stored._asdict(),
    )


def headline_of(log: EvalLog) -> str:
    for score in log.results.scores if log.results else []:
        if score.name == SIMULATION:
            return str(score.params.get("headline", HEADLINE))
    return str((log.eval.metadata or {}).get("headline", HEADLINE))


def by_headline(result: NeuronResult, headline: str) -> NeuronResult:
    """The same with the simulation's score named by its measure, unless that is the usual one."""

    def named(scores: Mapping[str, V]) -> dict[str, V]:
        return {score_of(headline) if s == SIMULATION else s: v for s, v in scores.items()}

    of_text = result.scores_of_text
    return replace(
        result,
        scores=named(result.scores),
        scores_of_text=None if of_text is None else named(of_text),
        unscored=named(result.unscored),
    )


def why_unscored(result: NeuronResult) -> str:
    """Each reason for a missing score once, as ``adacs: no reference explanation``, and errors."""
    reasons = {**result.unscored, **({"error": result.errors} if result.errors else {})}
    return "; ".join(f"{name}: {why}" for name in reasons for why in dict.fromkeys(reasons[name]))


def models(samples: Sequence[EvalSample]) -> MeasuredBy:
    """Who simulated, with the way, embedded, judged and wrote, by the last epoch that tells."""
    simulator = embedder = judge = writer = ""
    for about in (_about(score) for name in JUDGEMENTS for score in _scores(samples, name)):
        judge = str(about.get("simulator") or judge)
    for about in map(_about, _scores(samples, SIMULATION)):
        if about.get("simulator"):
            which = WHICH.get(str(about.get("held_out")), "")
            simulator = f"{about['simulator']} ({about.get('simulation')}{which})"
    for about in map(_about, _scores(samples, ADACS)):
        embedder = str(about.get("embedder") or embedder)
    for about in map(_about, _scores(samples, GENERATION)):
        if about.get("subject"):
            writer = f"{about['simulator']} (subject {about['subject']})"
    return MeasuredBy(simulator, embedder, judge, writer)


def _about(score: Score) -> Mapping[str, Any]:
    return score.metadata or {}


def _explanation(sample: EvalSample) -> str:
    return sample.output.completion if sample.output else ""


def prompt_size(usage: ModelUsage) -> int:
    """Tokens of the whole prompt; Inspect counts those that the provider had cached apart."""
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    return usage.input_tokens + cached


def _scores(samples: Sequence[EvalSample], name: str) -> list[Score]:
    return [s.scores[name] for s in samples if s.scores and name in s.scores]


def _means(samples: Sequence[EvalSample], names: Sequence[str]) -> dict[str, float]:
    values = {
        name: [
            float(score.value)
            for score in _scores(samples, name)
            if isinstance(score.value, int | float) and math.isfinite(score.value)
        ]
        for name in names
    }
    return {name: fmean(numbers) for name, numbers in values.items() if numbers}


def _measures(samples: Sequence[EvalSample], names: Collection[str]) -> Numbers:
    """The means over the epochs in which a measure is defined; nothing if nothing was simulated."""
    every = (measured_in(s, (s.scores or {}).get(SIMULATION)) for s in samples)
    if not (epochs := list(filter(None, every))):
        return {}
    of = {name: [n for numbers in epochs if (n := numbers[name]) is not None] for name in names}
    return {name: fmean(values) if values else None for name, values in of.items()}


def _reasons(samples: Sequence[EvalSample], name: str) -> tuple[str, ...]:
    return tuple(
        score.reason or score.explanation or "no reason given"
        for score in _scores(samples, name)
        if isinstance(score.value, float) and math.isnan(score.value)
    )
